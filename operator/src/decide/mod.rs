//! What comes next: a pure function of the spec, of what was seen, and of the time.
//!
//! Nothing is remembered between two calls but what the status and the cluster hold, so a restarted operator decides as
//! the one before it would have.

mod active;
pub mod bottleneck;
mod ending;
mod pending;
mod provisioning;
pub mod slo;
pub mod validity;
pub mod verdict;

#[cfg(test)]
mod bottleneck_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod validity_tests;

use eoslab_api::{CeilingStatus, LoadTestStatus, Phase, Verdict};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

pub use ending::DRAIN_TIMEOUT;

use crate::plan::Plan;
use crate::seen::Seen;

/// From the decision to start to the first event, us: the members look every 250 ms, and the Leases take a moment.
pub const START_DELAY_US: i64 = 3_000_000;
/// A run in which no event is written for so long ends, us. Long enough for a cluster that is restarted by hand.
pub const NO_PROGRESS_LIMIT_US: i64 = 600_000_000;

/// Why the sending ended, where a user ended it.
pub const STOPPED: &str = "Stopped";

/// What the status says of the run so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prior {
    /// Where it stands.
    pub phase: Phase,
    /// When provisioning began, us since the Unix epoch.
    pub provisioning_since_us: Option<i64>,
    /// Intended time of the first measured event, us since the Unix epoch.
    pub measure_us: Option<i64>,
    /// When the sending ended, us since the Unix epoch.
    pub draining_since_us: Option<i64>,
    /// Whether it was `spec.stop` that ended it.
    pub is_stopped: bool,
    /// Whether the run made its topic, or is about to.
    pub is_topic_ours: bool,
    /// Most events that ever waited.
    pub peak_lag: u64,
    /// Events sent a second, as last written.
    pub sent_rate: u64,
    /// When the first disturbance began that is not over, us since the Unix epoch.
    pub disturbed_since_us: Option<i64>,
}

impl Prior {
    /// Reads a status.
    pub fn new(status: &LoadTestStatus) -> Self {
        let not_running = |condition: &&Condition| condition.type_ == "Running" && condition.status == "False";
        let ended = status.conditions.iter().find(not_running);
        Self {
            phase: status.phase,
            provisioning_since_us: status.start_time.as_ref().map(|time| time.0.as_microsecond()),
            measure_us: status.measure_start_time.as_ref().map(|time| time.0.as_microsecond()),
            draining_since_us: ended.map(|ended| ended.last_transition_time.0.as_microsecond()),
            is_stopped: ended.is_some_and(|ended| ended.reason == STOPPED),
            is_topic_ours: status.topic.as_ref().is_some_and(|topic| topic.created_by_run),
            peak_lag: status.lag.as_ref().map_or(0, |lag| lag.peak_records),
            sent_rate: status
                .producers
                .as_ref()
                .map_or(0, |producers| producers.rate_per_second),
            disturbed_since_us: status
                .disturbances
                .iter()
                .filter(|disturbance| !disturbance.over)
                .map(|disturbance| disturbance.started_at.0.as_microsecond())
                .min(),
        }
    }

    /// Whether the stream says how many events there are, now that nobody sends any more; else the log does: the run ends
    /// by time, was stopped, or was cut short.
    pub fn counts_are_the_streams(&self, plan: &Plan, all_done: bool) -> bool {
        plan.events().is_some() && all_done && !self.is_stopped
    }

    /// The schedule that was written down; `None` before the start.
    pub fn schedule(&self, plan: &Plan) -> Option<Schedule> {
        let measure_us = self.measure_us?;
        Some(Schedule {
            start_us: measure_us - plan.warmup_us(),
            measure_us,
        })
    }
}

/// The times that go onto the Leases, us since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Intended time of the first event.
    pub start_us: i64,
    /// Intended time of the first measured event.
    pub measure_us: i64,
}

impl Schedule {
    /// A schedule that starts then.
    pub fn from(plan: &Plan, start_us: i64) -> Self {
        Self {
            start_us,
            measure_us: start_us + plan.warmup_us(),
        }
    }
}

/// What to do about the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicTodo {
    /// Nothing.
    #[default]
    Nothing,
    /// Write down that the run makes it.
    Claim,
    /// Make it.
    Create,
}

/// What to do about the members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MembersTodo {
    /// Leave them as they are.
    #[default]
    Leave,
    /// Have so many of them.
    Run {
        /// Producers.
        producers: u32,
        /// Counters.
        counters: u32,
    },
    /// Have none any more.
    Stop {
        /// But for the counters.
        keep_counters: bool,
    },
}

/// What to change in the world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Todo {
    /// The topic.
    pub topic: TopicTodo,
    /// Leases, Deployments and what they need.
    pub members: MembersTodo,
    /// Times on the Leases.
    pub schedule: Option<Schedule>,
    /// The producers are to send nothing new.
    pub stop_producers: bool,
    /// The producers' reports are final.
    pub seal_producers: bool,
    /// The counters' reports are final.
    pub seal_counters: bool,
    /// Verify so many events of each partition.
    pub verify: Option<Vec<u64>>,
    /// Whether something outside the cluster's API exists from now on.
    pub leaves_traces: bool,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether this spec can never work.
    pub is_stalled: bool,
    /// Whether the spec was accepted.
    pub is_accepted: bool,
}

/// What comes next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Where the run stands from now on.
    pub phase: Phase,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// The end, if this is it.
    pub outcome: Option<Outcome>,
    /// What to change.
    pub todo: Todo,
    /// When provisioning began, us since the Unix epoch.
    pub provisioning_since_us: Option<i64>,
    /// Intended time of the first measured event, us since the Unix epoch.
    pub measure_us: Option<i64>,
    /// Whether the run waits for somebody to do something.
    pub needs_help: bool,
    /// What a search knows.
    pub ceiling: Option<CeilingStatus>,
}

impl Decision {
    /// A phase with its reason.
    pub(crate) fn new(prior: &Prior, phase: Phase, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            phase,
            reason: reason.into(),
            message: message.into(),
            provisioning_since_us: prior.provisioning_since_us,
            measure_us: prior.measure_us,
            ..Self::default()
        }
    }

    /// The end of a run that stops before its verification.
    pub(crate) fn finish(
        prior: &Prior,
        verdict: Verdict,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let outcome = Outcome {
            verdict,
            is_stalled: false,
            is_accepted: true,
        };
        let todo = Todo {
            members: MembersTodo::Stop { keep_counters: false },
            ..Todo::default()
        };
        Self {
            outcome: Some(outcome),
            todo,
            ..Self::new(prior, Phase::Finished, reason, message)
        }
    }

    /// The same for a spec that can never work.
    pub(crate) fn stall(prior: &Prior, reason: impl Into<String>, message: impl Into<String>) -> Self {
        let mut decision = Self::finish(prior, Verdict::Error, reason, message);
        if let Some(outcome) = &mut decision.outcome {
            outcome.is_stalled = true;
        }
        decision
    }

    pub(crate) fn doing(mut self, todo: Todo) -> Self {
        self.todo = todo;
        self
    }

    /// Does this unless it is the end.
    pub(crate) fn or_doing(self, todo: Todo) -> Self {
        if self.outcome.is_some() { self } else { self.doing(todo) }
    }

    pub(crate) fn needing_help(mut self) -> Self {
        self.needs_help = true;
        self
    }
}

/// A LoadTest whose spec is refused.
pub fn refuse(prior: &Prior, mistakes: &str) -> Decision {
    let mut decision = Decision::stall(prior, "InvalidSpec", mistakes);
    if let Some(outcome) = &mut decision.outcome {
        outcome.is_accepted = false;
    }
    decision.todo = Todo::default();
    decision
}

/// What comes next in a run that has not ended.
pub fn next(plan: &Plan, prior: &Prior, seen: &Seen, now_us: i64) -> Decision {
    if plan.valid.spec.abort {
        return Decision::finish(prior, Verdict::Aborted, "Aborted", "spec.abort was set");
    }
    let has_begun = prior.schedule(plan).is_some_and(|schedule| now_us >= schedule.start_us);
    if plan.valid.spec.stop && prior.phase < Phase::Draining && !has_begun {
        let message = "spec.stop was set before the first event was sent";
        return Decision::finish(prior, Verdict::Aborted, STOPPED, message);
    }
    let look = Look {
        plan,
        prior,
        seen,
        now_us,
    };
    match prior.phase {
        Phase::Pending => pending::next(&look),
        Phase::Provisioning => provisioning::next(&look),
        Phase::Warmup | Phase::Running => active::next(&look),
        Phase::Draining => ending::drain(&look),
        Phase::Verifying => ending::verify(&look),
        Phase::Finished => Decision::new(prior, Phase::Finished, "Finished", "the run is over"),
    }
}

/// The input of a decision.
struct Look<'a> {
    plan: &'a Plan,
    prior: &'a Prior,
    seen: &'a Seen,
    now_us: i64,
}

impl Look<'_> {
    fn all_producers_done(&self) -> bool {
        let wanted = self.plan.producers();
        (0..wanted).all(|slot| self.seen.done.contains(&slot))
    }

    /// The run's end because a slot has been without a working pod for too long.
    fn stuck(&self, with_producers: bool) -> Option<Decision> {
        let limit_us = i64::from(self.plan.valid.spec.limits.slot_timeout_seconds) * 1_000_000;
        let nobody = std::collections::BTreeSet::new();
        let seen = self.seen;
        let producer = || {
            let wanted = self.plan.producers();
            let stuck = seen.producers.overdue(wanted, &seen.done, self.now_us, limit_us)?;
            Some(("producer", stuck))
        };
        let counter = || {
            let stuck = seen
                .counters
                .overdue(self.plan.counters(), &nobody, self.now_us, limit_us)?;
            Some(("counter", stuck))
        };
        let (role, stuck) = with_producers.then(producer).flatten().or_else(counter)?;
        let reason = stuck.trouble.reason.clone();
        Some(Decision::finish(
            self.prior,
            Verdict::Error,
            reason,
            describe(role, &stuck),
        ))
    }
}

/// A stuck slot in words, with what to do about it.
fn describe(role: &str, stuck: &crate::seen::slots::Stuck) -> String {
    let pod = stuck
        .pod
        .as_ref()
        .map_or_else(String::new, |pod| format!("pod {pod}: "));
    let fix = match stuck.trouble.reason.as_str() {
        "OOMKilled" => format!("; raise spec.{role}.resources.limits.memory"),
        "Unschedulable" => format!("; lower spec.{role}.resources.requests, change spec.podTemplate, or add nodes"),
        reason if reason.contains("Image") => {
            "; correct spec.image, or make the image available to the nodes".to_owned()
        }
        _ => String::new(),
    };
    let (slot, seconds) = (stuck.slot, stuck.for_us / 1_000_000);
    let trouble = &stuck.trouble;
    format!(
        "{role} {slot} has had no working pod for {seconds} s: {pod}{}: {}{fix}",
        trouble.reason, trouble.message
    )
}
