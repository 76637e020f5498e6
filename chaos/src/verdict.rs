//! The verdict of a ChaosRun: what recovered, and what the LoadTest's own verdict says of the totals.

use eoslab_api::chaos::{Expectation, Injection, InjectionState};
use eoslab_api::{ChaosRunSpec, ChaosRunStatus, CorrectnessStatus, Verdict};

use crate::world::{Control, LoadTestState, World};

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

fn ending(verdict: Verdict, reason: &'static str, message: impl Into<String>) -> Ending {
    let message = message.into();
    Ending {
        verdict,
        reason,
        message,
    }
}

/// Ended by its user.
pub fn aborted() -> Ending {
    ending(
        Verdict::Aborted,
        "Aborted",
        "ended by spec.abort; what was injected is healed",
    )
}

/// What was seen proves nothing.
pub fn inconclusive(reason: &'static str, message: impl Into<String>) -> Ending {
    ending(Verdict::Inconclusive, reason, message)
}

/// A dry run proves nothing.
pub fn dry_run(planned: usize) -> Ending {
    let message = format!("nothing was touched; status.injections names the {planned} victims");
    inconclusive("DryRun", message)
}

/// An ending that does not wait for the other faults.
pub fn early(spec: &ChaosRunSpec, status: &ChaosRunStatus) -> Option<Ending> {
    let last = status.injections.last()?;
    match last.state {
        InjectionState::NoEffect => Some(inconclusive("NoEffect", said(last))),
        InjectionState::NotRecovered if spec.stop_on_failure => Some(not_recovered(last)),
        _ => None,
    }
}

fn not_recovered(injection: &Injection) -> Ending {
    ending(Verdict::Fail, "NotRecovered", said(injection))
}

fn said(injection: &Injection) -> String {
    let victim = injection.victim.as_ref().map_or("", |victim| victim.name.as_str());
    format!("{} of {victim}: {}", injection.fault_type, injection.message)
}

/// The verdict after all faults.
///
/// # Errors
/// What it still waits for.
pub fn last(spec: &ChaosRunSpec, status: &ChaosRunStatus, world: &World) -> Result<Ending, String> {
    let failed = status
        .injections
        .iter()
        .find(|one| one.state == InjectionState::NotRecovered);
    if let Some(failed) = failed {
        return Ok(not_recovered(failed));
    }
    let loadtest = world.loadtest.clone().unwrap_or_default();
    if !loadtest.is_complete {
        return Err(format!(
            "all faults are over; the LoadTest is in phase {}",
            loadtest.phase()
        ));
    }
    let Some(correctness) = verified(&loadtest) else {
        let status = &loadtest.status;
        let message = status.message.clone().unwrap_or_default();
        let message = format!(
            "the LoadTest ended {} before every account was compared: {message}",
            status.verdict
        );
        return Ok(inconclusive("LoadTestNotVerified", message));
    };
    let wrong = harm(correctness);
    match spec.expect {
        Expectation::Exact => match wrong {
            Some(wrong) => Ok(ending(Verdict::Fail, "NotExact", wrong)),
            None => exact(spec, status, world, correctness),
        },
        Expectation::Duplicates => Ok(control(correctness.duplicated, "counted twice", wrong)),
        Expectation::Loss => Ok(control(correctness.lost, "lost", wrong)),
    }
}

/// What the oracle said, if it was asked.
fn verified(loadtest: &LoadTestState) -> Option<&CorrectnessStatus> {
    let correctness = loadtest.status.correctness.as_ref()?;
    (matches!(loadtest.status.verdict, Verdict::Pass | Verdict::Fail) && correctness.digest_matches.is_some())
        .then_some(correctness)
}

/// What is wrong with the totals; `None` where every account is exact.
fn harm(correctness: &CorrectnessStatus) -> Option<String> {
    let is_exact = correctness.lost == 0
        && correctness.duplicated == 0
        && correctness.accounts_wrong == 0
        && correctness.partitions_wrong.is_empty()
        && correctness.digest_matches == Some(true);
    (!is_exact).then(|| {
        let accounts: Vec<String> = correctness
            .wrong_accounts
            .iter()
            .map(|one| one.account_id.to_string())
            .collect();
        format!(
            "{} events lost, {} counted twice, {} accounts wrong ({})",
            correctness.lost,
            correctness.duplicated,
            correctness.accounts_wrong,
            accounts.join(", ")
        )
    })
}

fn control(count: u64, what: &str, wrong: Option<String>) -> Ending {
    match count {
        0 => inconclusive(
            "ControlShowsNothing",
            format!(
                "no event was {what} although the protection was off: this fault at this moment harms nobody, so it \
                 proves nothing of a run that is protected; repeat it, or raise the rate"
            ),
        ),
        _ => ending(Verdict::Pass, "ControlShowsHarm", wrong.unwrap_or_default()),
    }
}

fn exact(
    spec: &ChaosRunSpec,
    status: &ChaosRunStatus,
    world: &World,
    correctness: &CorrectnessStatus,
) -> Result<Ending, String> {
    let faults = status.injections.len();
    if let Some(name) = &spec.control {
        match world.control {
            Some(Control::Going) => return Err(format!("all faults are over; the control {name} is not")),
            Some(Control::Over { showed_harm: true }) => {}
            Some(Control::Over { showed_harm: false }) => {
                let message = format!(
                    "every account is exact, but the control {name} showed no harm either: the fault may do none to \
                     anybody"
                );
                return Ok(inconclusive("ControlShowsNothing", message));
            }
            Some(Control::Missing) | None => {
                let message = format!("spec.control: there is no ChaosRun {name} in this namespace; create it");
                return Ok(inconclusive("NoControl", message));
            }
        }
    }
    let message = format!(
        "{faults} of {faults} faults recovered from; {} events counted once each, all {} accounts exact",
        correctness.counted, correctness.accounts_compared
    );
    Ok(ending(Verdict::Pass, "ExactAndRecovered", message))
}
