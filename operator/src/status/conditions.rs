//! The conditions. Every one is always there, so that `kubectl wait` can be called at any time; `lastTransitionTime`
//! changes only where the status flips.

use eoslab_api::Phase;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Facts, time};
use crate::decide::{Outcome, STOPPED};

struct New {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

fn new(kind: &'static str, is_true: bool, reason: impl Into<String>, message: impl Into<String>) -> New {
    New {
        kind,
        status: if is_true { "True" } else { "False" },
        reason: reason.into(),
        message: message.into(),
    }
}

pub(super) fn compose(facts: &Facts) -> Vec<Condition> {
    let conditions = [
        accepted(facts),
        running(facts),
        steady(facts),
        complete(facts),
        stalled(facts),
    ];
    conditions.into_iter().map(|new| condition(facts, new)).collect()
}

fn condition(facts: &Facts, new: New) -> Condition {
    let before = facts
        .before
        .conditions
        .iter()
        .find(|condition| condition.type_ == new.kind);
    let unchanged = before.filter(|before| before.status == new.status);
    Condition {
        type_: new.kind.to_owned(),
        status: new.status.to_owned(),
        reason: new.reason,
        message: new.message,
        observed_generation: facts.generation,
        last_transition_time: unchanged
            .map_or_else(|| time(facts.now_us), |before| before.last_transition_time.clone()),
    }
}

fn accepted(facts: &Facts) -> New {
    match &facts.decision.outcome {
        Some(Outcome { is_accepted: false, .. }) => {
            new("Accepted", false, &facts.decision.reason, &facts.decision.message)
        }
        _ => new("Accepted", true, "Valid", "the spec is valid"),
    }
}

fn running(facts: &Facts) -> New {
    match facts.decision.phase {
        Phase::Warmup | Phase::Running => new("Running", true, "Sending", "events are sent"),
        Phase::Pending | Phase::Provisioning => new("Running", false, "NotStarted", "no event was sent yet"),
        Phase::Draining | Phase::Verifying | Phase::Finished => {
            let was_just_stopped = facts.prior.phase < Phase::Draining && facts.decision.reason == STOPPED;
            let is_stopped = was_just_stopped || facts.prior.is_stopped;
            let reason = if is_stopped { STOPPED } else { "Ended" };
            new("Running", false, reason, "no more events are sent")
        }
    }
}

fn steady(facts: &Facts) -> New {
    let phase = facts.decision.phase;
    if phase != Phase::Running {
        return new("SteadyState", false, "NotRunning", format!("the run is {phase}"));
    }
    match facts.seen.is_steady {
        Some(true) => new(
            "SteadyState",
            true,
            "Steady",
            "the rate is reached and the lag does not grow",
        ),
        Some(false) => new(
            "SteadyState",
            false,
            "Unsteady",
            "the rate is not reached, or the lag grows",
        ),
        None => New {
            status: "Unknown",
            ..new("SteadyState", false, "Watching", "not watched for long enough yet")
        },
    }
}

fn complete(facts: &Facts) -> New {
    match &facts.decision.outcome {
        Some(outcome) => new("Complete", true, outcome.verdict.as_str(), &facts.decision.message),
        None => new("Complete", false, facts.decision.phase.as_str(), "the run is not over"),
    }
}

fn stalled(facts: &Facts) -> New {
    match &facts.decision.outcome {
        Some(outcome) if outcome.is_stalled => new("Stalled", true, &facts.decision.reason, &facts.decision.message),
        _ => new("Stalled", false, "NotStalled", "nothing stands in the way of the spec"),
    }
}
