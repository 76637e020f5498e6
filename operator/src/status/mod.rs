//! The status: written whole, from what was observed and decided. What was not looked at this time stays as it was.

mod conditions;
mod disturbances;
mod numbers;

pub use disturbances::paused;
use eoslab_api::{CeilingStatus, Display, LoadTestStatus, Phase, Verdict};
use eoslab_report::display;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;

use crate::decide::{Decision, Prior, TopicTodo};
use crate::plan::Plan;
use crate::seen::Seen;

/// A status is written at most this often if only numbers changed, us.
const NUMBERS_INTERVAL_US: i64 = 2_000_000;

/// Everything that a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The status as it was.
    pub before: &'a LoadTestStatus,
    /// The same, read.
    pub prior: &'a Prior,
    /// The run; `None` where its spec is refused.
    pub plan: Option<&'a Plan>,
    /// What was seen.
    pub seen: &'a Seen,
    /// What was decided.
    pub decision: &'a Decision,
    /// Generation of the spec that this is about.
    pub generation: Option<i64>,
    /// Now, us since the Unix epoch.
    pub now_us: i64,
}

/// The new status.
pub fn compose(facts: &Facts) -> LoadTestStatus {
    let decision = facts.decision;
    let verdict = decision
        .outcome
        .as_ref()
        .map_or(Verdict::Pending, |outcome| outcome.verdict);
    let mut status = LoadTestStatus {
        observed_generation: facts.generation,
        phase: decision.phase,
        verdict,
        reason: Some(decision.reason.clone()),
        message: Some(decision.message.clone()),
        start_time: decision.provisioning_since_us.map(time),
        measure_start_time: decision.measure_us.map(micro_time),
        completion_time: decision.outcome.as_ref().map(|_| time(facts.now_us)),
        conditions: conditions::compose(facts),
        ..facts.before.clone()
    };
    if let Some(ceiling) = &decision.ceiling {
        search(&mut status, ceiling);
    }
    let Some(plan) = facts.plan else { return status };
    status.run_id = Some(plan.run_id.clone());
    if decision.phase != Phase::Pending {
        status.group = Some(plan.group.clone());
        status.topic = Some(topic(facts, plan));
    }
    numbers::fill(facts, plan, &mut status);
    disturbances::fill(facts, plan, &mut status);
    if decision.phase == Phase::Finished {
        status.message = Some(numbers::closing_message(facts, plan, &status));
    }
    status
}

/// What a search shows, which has no pods of its own.
fn search(status: &mut LoadTestStatus, ceiling: &CeilingStatus) {
    let rate = |rate: Option<u64>| rate.map_or_else(|| display::NONE.to_owned(), display::rate);
    status.progress = Some(format!(
        "{} runs, {} to {}",
        ceiling.probes.len(),
        rate(ceiling.rate_per_second),
        rate(ceiling.failed_rate_per_second)
    ));
    status.display = Some(Display {
        rate: rate(ceiling.rate_per_second),
        ..Display::default()
    });
    status.ceiling = Some(ceiling.clone());
}

fn topic(facts: &Facts, plan: &Plan) -> eoslab_api::TopicStatus {
    eoslab_api::TopicStatus {
        name: plan.valid.topic.to_string(),
        created_by_run: facts.prior.is_topic_ours || facts.decision.todo.topic == TopicTodo::Claim,
    }
}

/// Whole seconds, as Kubernetes writes times.
fn time(us: i64) -> Time {
    Time(Timestamp::from_second(us.div_euclid(1_000_000)).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A moment, us since the Unix epoch, as Kubernetes writes it.
pub fn micro_time(us: i64) -> MicroTime {
    MicroTime(Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Whether to write the new status now: at once where something happened, else every few seconds where something that
/// is shown has changed, so that `kubectl get -w` prints a line for each thing worth one.
pub fn is_due(before: &LoadTestStatus, after: &LoadTestStatus, since_write_us: i64) -> bool {
    if happened(before) != happened(after) {
        return true;
    }
    since_write_us >= NUMBERS_INTERVAL_US && shown(before) != shown(after)
}

fn happened(status: &LoadTestStatus) -> impl PartialEq + '_ {
    let conditions: Vec<(&str, &str, &str)> = status
        .conditions
        .iter()
        .map(|condition| {
            (
                condition.type_.as_str(),
                condition.status.as_str(),
                condition.reason.as_str(),
            )
        })
        .collect();
    let counters = status.counters.as_ref();
    (
        (status.phase, status.verdict, &status.reason, status.observed_generation),
        (&status.measure_start_time, &status.topic, &status.start_time),
        (conditions, &status.disturbances, &status.ceiling),
        counters.map(|counters| (counters.ready, counters.replicas, counters.desired)),
        status
            .producers
            .as_ref()
            .map(|producers| (producers.ready, producers.desired)),
    )
}

fn shown(status: &LoadTestStatus) -> impl PartialEq + '_ {
    (&status.display, &status.progress, &status.message)
}

#[cfg(test)]
mod tests {
    use eoslab_api::Display;

    use super::*;

    #[test]
    fn events_are_written_at_once_and_numbers_every_few_seconds() {
        let before = LoadTestStatus::default();
        let changed = |change: fn(&mut LoadTestStatus)| {
            let mut after = before.clone();
            change(&mut after);
            after
        };
        let phase = changed(|status| status.phase = Phase::Running);
        let reason = changed(|status| status.reason = Some("KafkaUnreachable".to_owned()));
        let display = changed(|status| {
            status.display = Some(Display {
                lag: "5".to_owned(),
                ..Display::default()
            });
        });
        let hidden = changed(|status| status.group = Some("g".to_owned()));
        let disturbed = changed(|status| {
            let one = serde_json::json!([{
                "component": "Counter", "slot": 0, "cause": "Scaled", "startedAt": "2026-01-01T00:00:00.000000Z",
                "longestPauseMs": 5, "pausedPartitionsTotal": 1, "lagRecordsBefore": 0, "peakLagRecords": 0,
                "rebalances": 0, "over": false,
            }]);
            status.disturbances = serde_json::from_value(one).expect("a disturbance");
        });
        let table = [
            ("phase", &phase, 0, true),
            ("reason", &reason, 0, true),
            ("a number, too soon", &display, 1_900_000, false),
            ("a number", &display, 2_000_000, true),
            ("nothing that is shown", &hidden, 60_000_000, false),
            ("nothing", &before, 60_000_000, false),
            ("what a disturbance costs", &disturbed, 0, true),
        ];
        for (name, after, since_us, due) in table {
            assert_eq!(is_due(&before, after, since_us), due, "{name}");
        }
    }
}
