//! The status of a ChaosRun, from what was done and where it stands.

use eoslab_api::chaos::{ChaosPhase, ChaosRunStatus, Injection, InjectionState};
use eoslab_api::{ChaosRun, Verdict};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::decide::{Stand, all, current, micro};
use crate::measure::summary;
use crate::verdict::Ending;

/// Where a run stands from now on.
pub fn stand(status: &mut ChaosRunStatus, stand: &Stand, now_us: i64) {
    enter(status, stand.phase, now_us);
    status.reason = Some(stand.reason.to_owned());
    status.message = Some(stand.message.clone());
}

fn enter(status: &mut ChaosRunStatus, phase: ChaosPhase, now_us: i64) {
    if status.phase != phase || status.phase_since.is_none() {
        status.phase = phase;
        status.phase_since = Some(micro(now_us));
    }
}

/// The end of a run.
pub fn end(status: &mut ChaosRunStatus, ending: &Ending, now_us: i64) {
    enter(status, ChaosPhase::Finished, now_us);
    status.verdict = ending.verdict;
    status.reason = Some(ending.reason.to_owned());
    status.message = Some(ending.message.clone());
    status.completion_time = Some(time(now_us));
}

/// What follows from the rest.
pub fn derive(run: &ChaosRun, status: &mut ChaosRunStatus, now_us: i64) {
    status.observed_generation = run.metadata.generation;
    status.start_time = status.start_time.clone().or_else(|| Some(time(now_us)));
    let is_over = |one: &&Injection| !matches!(one.state, InjectionState::Intended | InjectionState::Injected);
    let over = status.injections.iter().filter(is_over).count();
    status.progress = Some(format!("{over}/{}", all(&run.spec).len()));
    status.current_fault = current(status).map(|one| {
        let victim = one.victim.as_ref().map_or("", |victim| victim.name.as_str());
        format!("{} {victim}", one.fault_type)
    });
    let longest = status.injections.iter().filter_map(|one| one.longest_pause_ms).max();
    status.longest_pause = longest.map(seconds);
    status.lost = status.injections.iter().map(|one| one.lost).sum();
    status.duplicated = status.injections.iter().map(|one| one.duplicated).sum();
    status.summary = summary(&status.injections);
    if current(status).is_none() {
        status.baseline = None;
    }
    status.conditions = vec![complete(run, status, now_us)];
}

fn seconds(ms: u64) -> String {
    format!("{}.{}s", ms / 1000, ms % 1000 / 100)
}

fn complete(run: &ChaosRun, status: &ChaosRunStatus, now_us: i64) -> Condition {
    let is_complete = status.phase == ChaosPhase::Finished;
    let text = if is_complete { "True" } else { "False" };
    let before = status
        .conditions
        .iter()
        .find(|one| one.type_ == "Complete" && one.status == text);
    let reason = match is_complete {
        true => status.reason.clone(),
        false => None,
    };
    Condition {
        type_: "Complete".to_owned(),
        status: text.to_owned(),
        reason: reason.unwrap_or_else(|| "Going".to_owned()),
        message: match is_complete {
            true => format!("{}: {}", status.verdict, status.message.as_deref().unwrap_or_default()),
            false => "the run goes on".to_owned(),
        },
        observed_generation: run.metadata.generation,
        last_transition_time: before.map_or_else(|| time(now_us), |before| before.last_transition_time.clone()),
    }
}

fn time(at_us: i64) -> Time {
    Time(Timestamp::from_second(at_us / 1_000_000).unwrap_or_default())
}

/// Whether the verdict is final.
pub fn is_complete(run: &ChaosRun) -> bool {
    run.status
        .as_ref()
        .is_some_and(|status| status.phase == ChaosPhase::Finished && status.verdict != Verdict::Pending)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_later_generation_is_acknowledged_and_the_end_stays_when_it_was() {
        let mut run: ChaosRun = serde_json::from_value(json!({
            "apiVersion": "eoslab.dev/v1alpha1", "kind": "ChaosRun",
            "metadata": {"name": "run", "generation": 1}, "spec": {"loadTest": "test", "faults": []},
        }))
        .expect("a ChaosRun");
        let mut status = ChaosRunStatus::default();
        let ending = crate::verdict::inconclusive("NoEffect", "nothing happened");
        end(&mut status, &ending, 1_000_000);
        derive(&run, &mut status, 1_000_000);
        let before = status.clone();
        run.metadata.generation = Some(2);
        derive(&run, &mut status, 9_000_000);
        assert_eq!(status.observed_generation, Some(2));
        assert_eq!(status.conditions[0].observed_generation, Some(2));
        assert_eq!(
            (&status.conditions[0].status, &status.conditions[0].last_transition_time),
            (&"True".to_owned(), &before.conditions[0].last_transition_time)
        );
        assert_eq!(
            (status.completion_time, status.phase_since),
            (before.completion_time, before.phase_since)
        );
    }
}
