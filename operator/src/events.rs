//! Events: one for each step of a run, as `kubectl describe` shows them. A warning is something that a user must act on.
//!
//! Kubernetes merges events of equal reason and action and keeps the first note, so whatever is worth an event of its
//! own has an action of its own.

use eoslab_api::{Component, Disturbance, DisturbanceCause, LoadTestStatus, Phase, Verdict};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Resource, ResourceExt};
use tracing::debug;

use crate::names::{Role, key};
use crate::seen::members::Departure;
use eoslab_api::LoadTest;
use eoslab_report::display::micros;

/// Longest note that Kubernetes accepts, bytes.
const NOTE_MAX: usize = 1000;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether a user must act.
    pub is_warning: bool,
    /// One CamelCase word.
    pub reason: String,
    /// What tells it from others of the same reason.
    pub action: String,
    /// In words.
    pub text: String,
}

impl Note {
    fn new(is_warning: bool, reason: &str, action: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            is_warning,
            reason: reason.to_owned(),
            action: action.into(),
            text: text.into(),
        }
    }

    /// What could not be cleaned up.
    pub fn left_behind(text: impl Into<String>) -> Self {
        Self::new(true, "LeftBehind", "CleanUp", text)
    }
}

/// What changed from one status to the next, and which members went away meanwhile.
pub fn notes(before: &LoadTestStatus, after: &LoadTestStatus, needs_help: bool, gone: &[Departure]) -> Vec<Note> {
    let mut notes: Vec<Note> = gone.iter().map(departed).collect();
    notes.extend(disturbances(before, after));
    let message = after.message.clone().unwrap_or_default();
    let reason = after.reason.clone().unwrap_or_default();
    if claimed(after) && !claimed(before) {
        let name = after.topic.as_ref().map_or("", |topic| topic.name.as_str());
        notes.push(Note::new(
            false,
            "CreatingTopic",
            "CreateTopic",
            format!("making topic {name}"),
        ));
    }
    if before.phase != after.phase && after.phase != Phase::Finished {
        notes.push(Note::new(false, after.phase.as_str(), "Proceed", &message));
    } else if needs_help && before.reason != after.reason {
        notes.push(Note::new(true, &reason, "Wait", &message));
    }
    if after.phase == Phase::Finished && before.phase != Phase::Finished {
        let is_warning = !matches!(after.verdict, Verdict::Pass | Verdict::Aborted);
        let text = format!("{}: {message}", after.verdict);
        notes.push(Note::new(is_warning, &reason, "Finish", text));
    }
    notes
}

fn claimed(status: &LoadTestStatus) -> bool {
    status.topic.as_ref().is_some_and(|topic| topic.created_by_run)
}

fn departed(gone: &Departure) -> Note {
    let (role, slot, pod) = (gone.role.as_str(), gone.slot, &gone.pod);
    let text =
        format!("the process of {role} {slot} in pod {pod} has ended; what it reported is kept, and the run goes on");
    // The pod is part of the action, or a second departure would only raise the count of the first.
    let mut action = format!("Replace/{role}-{slot}/{pod}");
    action.truncate(128);
    Note::new(false, "MemberGone", action, text)
}

/// One note for each disturbance that has begun, and one for each that is over. Its number is part of the action, or all
/// of them would be one event.
fn disturbances(before: &LoadTestStatus, after: &LoadTestStatus) -> Vec<Note> {
    let known: Vec<(u64, &Disturbance)> = numbered(before).collect();
    let mut notes = Vec::new();
    for (number, one) in numbered(after) {
        let was = known.iter().find(|(known, _)| *known == number);
        if number > before.disturbances_total {
            notes.push(Note::new(false, "Disturbed", format!("Disturb/{number}"), begun(one)));
        }
        if one.over && was.is_none_or(|(_, was)| !was.over) {
            notes.push(Note::new(false, "Recovered", format!("Recover/{number}"), over(one)));
        }
    }
    notes
}

/// The listed disturbances with their numbers over the run, from 1.
fn numbered(status: &LoadTestStatus) -> impl Iterator<Item = (u64, &Disturbance)> {
    let dropped = status
        .disturbances_total
        .saturating_sub(status.disturbances.len() as u64);
    (dropped + 1..).zip(&status.disturbances)
}

fn begun(one: &Disturbance) -> String {
    let before = one.pod_before.as_deref();
    let what = match (one.cause, before) {
        (DisturbanceCause::ContainerRestarted, _) => "the container ended and is started again in pod",
        (DisturbanceCause::PodReplaced, _) => "another pod is to take the slot of",
        (DisturbanceCause::Scaled, Some(_)) => "fewer are wanted, there goes pod",
        (DisturbanceCause::Scaled, None) => "more are wanted, here comes pod",
    };
    let pod = before.or(one.pod_after.as_deref()).unwrap_or_default();
    format!("{}: {what} {pod}", member(one))
}

fn over(one: &Disturbance) -> String {
    let millis = |ms: u64| micros(ms.saturating_mul(1000));
    let mut text = format!(
        "{} ({}): recovered after {}; longest pause {}, {} partitions paused, {} rebalances of the other counters",
        member(one),
        one.cause,
        millis(one.duration_ms.unwrap_or_default()),
        millis(one.longest_pause_ms),
        one.paused_partitions_total,
        one.rebalances,
    );
    if let Some(gap_ms) = one.longest_ack_gap_ms {
        text += &format!(", no acknowledgement for {}", millis(gap_ms));
    }
    if let Some(drain_ms) = one.drain_ms {
        text += &format!(", lag back after {} more", millis(drain_ms));
    }
    text
}

fn member(one: &Disturbance) -> String {
    let role = match one.component {
        Component::Counter => Role::Counter,
        Component::Producer => Role::Producer,
    };
    format!("{} {}", role.as_str(), one.slot)
}

/// Publishes notes. One that cannot be published is logged and no reason to stop.
pub async fn publish(recorder: &Recorder, loadtest: &LoadTest, notes: Vec<Note>) {
    let mut reference = loadtest.object_ref(&());
    // The version would make of each event's object another one.
    reference.resource_version = None;
    for note in notes {
        let event = Event {
            type_: if note.is_warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: note.reason,
            note: Some(shortened(note.text)),
            action: note.action,
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &reference).await {
            debug!(loadtest = %key(loadtest), namespace = ?loadtest.namespace(), %error, "cannot publish an event");
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > NOTE_MAX {
        let mut end = NOTE_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use eoslab_api::TopicStatus;
    use serde_json::json;

    use super::*;

    fn status(phase: Phase, reason: &str) -> LoadTestStatus {
        LoadTestStatus {
            phase,
            reason: Some(reason.to_owned()),
            message: Some("m".to_owned()),
            ..LoadTestStatus::default()
        }
    }

    fn told(before: &LoadTestStatus, after: &LoadTestStatus, needs_help: bool) -> Vec<(String, bool)> {
        notes(before, after, needs_help, &[])
            .into_iter()
            .map(|note| (note.reason, note.is_warning))
            .collect()
    }

    #[test]
    fn a_step_is_told_once_and_help_is_asked_for_once() {
        let pending = status(Phase::Pending, "");
        let waiting = status(Phase::Provisioning, "KafkaUnreachable");
        let provisioning = status(Phase::Provisioning, "Provisioning");
        assert_eq!(
            told(&pending, &provisioning, false),
            [("Provisioning".to_owned(), false)]
        );
        assert_eq!(
            told(&provisioning, &waiting, true),
            [("KafkaUnreachable".to_owned(), true)]
        );
        assert_eq!(told(&waiting, &waiting, true), []);
        assert_eq!(
            told(&provisioning, &status(Phase::Provisioning, "WaitingForPods"), false),
            []
        );
        let mut claimed = provisioning.clone();
        claimed.topic = Some(TopicStatus {
            name: "t".to_owned(),
            created_by_run: true,
        });
        assert_eq!(
            told(&provisioning, &claimed, false),
            [("CreatingTopic".to_owned(), false)]
        );
    }

    #[test]
    fn the_end_is_a_warning_where_somebody_must_look() {
        let verifying = status(Phase::Verifying, "Verifying");
        for (verdict, is_warning) in [
            (Verdict::Pass, false),
            (Verdict::Aborted, false),
            (Verdict::Fail, true),
            (Verdict::Inconclusive, true),
            (Verdict::Error, true),
        ] {
            let finished = LoadTestStatus {
                verdict,
                ..status(Phase::Finished, "R")
            };
            assert_eq!(told(&verifying, &finished, false), [("R".to_owned(), is_warning)]);
            assert_eq!(told(&finished, &finished, false), []);
        }
    }

    #[test]
    fn a_disturbance_is_told_when_it_begins_and_when_it_is_over() {
        let one = |over: bool| -> Disturbance {
            let json = json!({
                "component": "Producer", "slot": 1, "cause": "PodReplaced", "podBefore": "a", "podAfter": "b",
                "startedAt": "2026-01-01T00:00:01.000000Z", "durationMs": 4000, "longestPauseMs": 0,
                "pausedPartitionsTotal": 0, "longestAckGapMs": 3700, "lagRecordsBefore": 0, "peakLagRecords": 0,
                "drainMs": 1000, "rebalances": 0, "over": over,
            });
            serde_json::from_value(json).expect("a disturbance")
        };
        let with = |total: u64, over: &[bool]| LoadTestStatus {
            disturbances: over.iter().map(|over| one(*over)).collect(),
            disturbances_total: total,
            ..status(Phase::Running, "Sending")
        };
        let actions = |before: &LoadTestStatus, after: &LoadTestStatus| -> Vec<String> {
            let notes = notes(before, after, false, &[]);
            assert!(notes.iter().all(|note| !note.is_warning));
            notes.into_iter().map(|note| note.action).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(
            actions(&with(0, &[]), &with(2, &[false, true])),
            ["Disturb/1", "Disturb/2", "Recover/2"]
        );
        assert_eq!(actions(&with(1, &[false]), &with(1, &[true])), ["Recover/1"]);
        assert_eq!(actions(&with(1, &[true]), &with(1, &[true])), none);
        // The first of three was dropped from the list.
        assert_eq!(
            actions(&with(3, &[true, false, false]), &with(4, &[false, true, false])),
            ["Recover/3", "Disturb/4"]
        );
        assert_eq!(begun(&one(false)), "producer 1: another pod is to take the slot of a");
        let text = over(&one(true));
        assert!(
            text.contains("no acknowledgement for 3.7s, lag back after 1.0s more"),
            "{text}"
        );
    }

    #[test]
    fn departures_do_not_merge() {
        let gone = |pod: &str| Departure {
            role: Role::Counter,
            slot: 1,
            pod: pod.to_owned(),
        };
        let running = status(Phase::Running, "Sending");
        let notes = notes(&running, &running, false, &[gone("a"), gone("b")]);
        assert_eq!(notes.len(), 2);
        assert_ne!(notes[0].action, notes[1].action);
    }

    #[test]
    fn notes_fit() {
        assert_eq!(shortened("ü".repeat(600)).len(), NOTE_MAX);
    }
}
