//! A LoadTest of `rate: search`: it makes LoadTests of fixed rates, one after another, until it knows the highest rate
//! that holds. Its status is the record: a probe is written down before its LoadTest is made, and its result before that
//! LoadTest is deleted.

mod child;
mod closing;
mod judge;
mod rates;
mod relief;
#[cfg(test)]
mod tests;

use eoslab_api::{CeilingStatus, LoadTest, Phase, Probe, ProbePurpose, SearchSpec, Verdict};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};

use crate::apply::delete;
use crate::context::Context;
use crate::decide::{self, Decision, Prior};
use crate::error::Error;
use crate::reconcile::is_complete;
use eoslab_report::display;
use judge::{Judged, judge};
use rates::Next;

/// What to do about the LoadTests of the probes.
#[derive(Clone, Debug, Default, PartialEq)]
enum Act {
    /// Nothing.
    #[default]
    Nothing,
    /// Make this one.
    Create(Box<LoadTest>),
    /// Delete these.
    Delete(Vec<String>),
}

/// Takes a search one step further: does what there is to do about its LoadTests, and says what its status becomes.
///
/// # Errors
/// When the API cannot be used.
pub async fn step(context: &Context, loadtest: &LoadTest, prior: &Prior) -> Result<Decision, Error> {
    let api: Api<LoadTest> = Api::namespaced(context.client.clone(), &loadtest.namespace().unwrap_or_default());
    let of_search = format!("{}={}", child::SEARCH_LABEL, loadtest.uid().unwrap_or_default());
    let children = api
        .list(&ListParams::default().labels(&of_search))
        .await
        .map_err(Error::api("list the LoadTests of the search"))?;
    let search = Search {
        loadtest,
        prior,
        children: &children.items,
        now_us: (context.now_us)(),
    };
    let (act, decision) = search.next();
    match act {
        Act::Nothing => {}
        Act::Create(child) => match api.create(&PostParams::default(), &child).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            other => drop(other.map_err(Error::api("make the LoadTest of a probe"))?),
        },
        Act::Delete(names) => {
            for name in names {
                delete(&api, &name).await?;
            }
        }
    }
    Ok(decision)
}

struct Search<'a> {
    loadtest: &'a LoadTest,
    prior: &'a Prior,
    children: &'a [LoadTest],
    now_us: i64,
}

impl Search<'_> {
    fn next(&self) -> (Act, Decision) {
        if let Some(decision) = self.refused() {
            return (Act::Nothing, decision);
        }
        let spec = &self.loadtest.spec;
        let ceiling = self.ceiling();
        let is_wanted = |child: &&LoadTest| {
            let wanted = ceiling.probes.last().filter(|probe| probe.held.is_none());
            !spec.abort && !self.is_overdue() && wanted.is_some_and(|probe| probe.name == child.name_any())
        };
        let over: Vec<&LoadTest> = self.children.iter().filter(|child| !is_wanted(child)).collect();
        if !over.is_empty() {
            let left = over.iter().filter(|child| child.metadata.deletion_timestamp.is_none());
            let act = Act::Delete(left.map(|child| child.name_any()).collect());
            return (
                act,
                self.goes_on("CleaningUp", "the last run's topic and ledger are deleted", ceiling),
            );
        }
        if spec.abort {
            return (
                Act::Nothing,
                self.ends(Verdict::Aborted, "Aborted", "spec.abort was set", ceiling),
            );
        }
        if self.is_overdue() {
            let seconds = self.spec().timeout_seconds;
            let message = format!(
                "not done after spec.search.timeoutSeconds ({seconds}); {}",
                closing::known(&ceiling)
            );
            return (
                Act::Nothing,
                self.ends(Verdict::Inconclusive, "SearchTimeout", message, ceiling),
            );
        }
        match ceiling.probes.last().cloned().filter(|probe| probe.held.is_none()) {
            Some(probe) => self.watch(&probe, ceiling),
            None if spec.suspend => {
                let message = "spec.suspend is set; set it to false to go on";
                (Act::Nothing, self.goes_on("Suspended", message, ceiling))
            }
            None => (Act::Nothing, self.begin(ceiling)),
        }
    }

    /// A spec that no run can be made of.
    fn refused(&self) -> Option<Decision> {
        let name = self.loadtest.name_any();
        if name.len() > child::NAME_MAX {
            let message = format!(
                "metadata.name: a search's may have {} letters, for its LoadTests are named after it; choose another name",
                child::NAME_MAX
            );
            return Some(decide::refuse(self.prior, &message));
        }
        let mistakes = self.loadtest.spec.validate().err()?;
        Some(decide::refuse(self.prior, &mistakes.to_string()))
    }

    fn spec(&self) -> SearchSpec {
        self.loadtest.spec.search.clone().unwrap_or_default()
    }

    fn ceiling(&self) -> CeilingStatus {
        let status = self.loadtest.status.as_ref();
        status.and_then(|status| status.ceiling.clone()).unwrap_or_default()
    }

    fn is_overdue(&self) -> bool {
        let limit_us = i64::from(self.spec().timeout_seconds) * 1_000_000;
        let since_us = self.prior.provisioning_since_us;
        since_us.is_some_and(|since_us| self.now_us - since_us >= limit_us)
    }

    /// A probe is at work.
    fn watch(&self, probe: &Probe, ceiling: CeilingStatus) -> (Act, Decision) {
        let Some(child) = self.children.iter().find(|child| child.name_any() == probe.name) else {
            let child = self.child(probe, &ceiling);
            return (
                Act::Create(Box::new(child)),
                self.goes_on("Probing", describe(probe), ceiling),
            );
        };
        let status = child.status.clone().unwrap_or_default();
        if !is_complete(child) {
            let message = format!("{}: {}", describe(probe), status.phase);
            return (Act::Nothing, self.goes_on("Probing", message, ceiling));
        }
        let judged = match judge(probe, &status) {
            // Of a length of its own, it says nothing of its rate.
            Judged::Result(mut judged) if child.spec.stop => {
                (judged.held, judged.reason) = (Some(false), "ended by spec.stop".to_owned());
                Judged::Broken(judged)
            }
            judged => judged,
        };
        (Act::Nothing, self.judged(judged, ceiling))
    }

    fn child(&self, probe: &Probe, ceiling: &CeilingStatus) -> LoadTest {
        let spec = match probe.purpose {
            ProbePurpose::Confirm => closing::relieved(&self.loadtest.spec, ceiling).map(|(spec, _)| spec),
            _ => None,
        };
        let spec = spec.as_ref().unwrap_or(&self.loadtest.spec);
        child::loadtest(self.loadtest, spec, ceiling.probes.len(), probe)
    }

    fn judged(&self, judged: Judged, mut ceiling: CeilingStatus) -> Decision {
        let (probe, end) = match judged {
            Judged::Result(probe) => (probe, None),
            Judged::NotExact(probe) => (probe, Some((Verdict::Fail, "NotExact"))),
            // The ceiling is known without it.
            Judged::Broken(probe) if probe.purpose == ProbePurpose::Confirm => (probe, None),
            Judged::Broken(probe) => (probe, Some((Verdict::Error, "ProbeFailed"))),
        };
        let message = format!("{}: {}", describe(&probe), probe.reason);
        if let Some(last) = ceiling.probes.last_mut() {
            *last = probe;
        }
        match end {
            Some((verdict, reason)) => self.ends(verdict, reason, message, ceiling),
            None => self.goes_on("Probed", message, ceiling),
        }
    }

    /// No probe is at work: the next one, or the end.
    fn begin(&self, mut ceiling: CeilingStatus) -> Decision {
        let (rate, purpose) = match rates::next(&self.spec(), &ceiling.probes) {
            Next::Try(rate, purpose) => (rate, purpose),
            Next::Found { held, failed } => match closing::next(&self.loadtest.spec, &ceiling, (held, failed)) {
                Some(next) => next,
                None => {
                    let (verdict, reason, message) = closing::verdict(&ceiling);
                    return self.ends(verdict, reason, message, ceiling);
                }
            },
            Next::NothingFailed(rate) => {
                let message =
                    format!("{rate} events/s held, the highest rate that may be tried; raise spec.search.maxRate");
                return self.ends(Verdict::Inconclusive, "NothingFailed", message, ceiling);
            }
            Next::NothingHeld => {
                let message = "not even one event a second held; see status.ceiling.probes for the reasons";
                return self.ends(Verdict::Inconclusive, "NothingHeld", message, ceiling);
            }
        };
        let probe = Probe {
            name: child::name(self.loadtest, ceiling.probes.len() + 1),
            rate_per_second: rate.max(1),
            purpose,
            ..Probe::default()
        };
        let message = describe(&probe);
        ceiling.probes.push(probe);
        self.goes_on("Probing", message, ceiling)
    }

    /// The same with what its probes show.
    fn known(&self, ceiling: CeilingStatus) -> CeilingStatus {
        let mut ceiling = rates::known(ceiling);
        ceiling.relief = closing::relieved(&self.loadtest.spec, &ceiling).map(|(_, how)| how);
        ceiling
    }

    fn goes_on(&self, reason: &str, message: impl Into<String>, ceiling: CeilingStatus) -> Decision {
        let mut decision = Decision::new(self.prior, Phase::Running, reason, message);
        decision.provisioning_since_us = decision.provisioning_since_us.or(Some(self.now_us));
        decision.ceiling = Some(self.known(ceiling));
        decision
    }

    fn ends(&self, verdict: Verdict, reason: &str, message: impl Into<String>, ceiling: CeilingStatus) -> Decision {
        let mut decision = Decision::finish(self.prior, verdict, reason, message);
        decision.ceiling = Some(self.known(ceiling));
        decision
    }
}

fn describe(probe: &Probe) -> String {
    format!("{} ({})", display::rate(probe.rate_per_second), probe.purpose)
}
