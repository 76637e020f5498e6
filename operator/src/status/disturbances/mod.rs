//! `status.disturbances`: what happened to the members from one look to the next, folded into the list of the status.
//!
//! Nothing but the status is remembered: each look is compared with `status.members`, the processes that held the slots
//! when all was well. So an operator that was restarted meanwhile tells the same disturbances as one that was not.

mod figures;
mod slots;

#[cfg(test)]
mod tests;

use eoslab_api::{Component, DISTURBANCES_MAX, Disturbance, LoadTestStatus, Phase};

use super::Facts;
use crate::decide::DRAIN_TIMEOUT;
use crate::plan::Plan;
use figures::Figures;
pub use figures::paused;
use slots::Watch;

/// Takes one look in. The operator's own scaling at the begin and the end of a run is no disturbance: from the start on,
/// with everyone ready, producers are watched while they send, and counters until everything is counted or they are
/// stopped.
pub(super) fn fill(facts: &Facts, plan: &Plan, status: &mut LoadTestStatus) {
    let is_sending = match facts.prior.phase {
        Phase::Provisioning => facts.decision.phase == Phase::Warmup,
        phase => matches!(phase, Phase::Warmup | Phase::Running),
    };
    if facts.decision.reason == DRAIN_TIMEOUT || (!is_sending && facts.prior.phase != Phase::Draining) {
        return;
    }
    let known = status.disturbances.len();
    let watch = |component| Watch::new(component, facts, plan);
    watch(Component::Counter).fold(status);
    if is_sending {
        watch(Component::Producer).fold(status);
    }
    Figures::new(facts, plan, status).fill(status, known);
    status.disturbances_total += (status.disturbances.len() - known) as u64;
    let surplus = status.disturbances.len().saturating_sub(DISTURBANCES_MAX);
    status.disturbances.drain(..surplus);
}

fn started_us(disturbance: &Disturbance) -> i64 {
    disturbance.started_at.0.as_microsecond()
}

fn recovered_us(disturbance: &Disturbance) -> Option<i64> {
    Some(disturbance.recovered_at.as_ref()?.0.as_microsecond())
}

fn millis(us: i64) -> u64 {
    (us / 1000).max(0) as u64
}
