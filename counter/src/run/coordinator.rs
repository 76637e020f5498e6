//! Whether an answer of the group's coordinator was lost, from librdkafka's statistics.
//!
//! With the consumer protocol a change of assignment is told in one answer and not again, unless the member asks with a
//! full heartbeat. librdkafka (2.12.1) does not do so after one that it did not wait for long enough: the member would
//! keep what it had for ever, and the others wait for it.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// So long without another request that timed out, longer than the 5 s that brokers ask for between heartbeats by default:
/// the heartbeat that followed was answered. A new client costs more while the coordinator is still slow.
const ANSWERING_AFTER: Duration = Duration::from_secs(6);

#[derive(Deserialize)]
struct Statistics {
    brokers: Brokers,
}

#[derive(Deserialize)]
struct Brokers {
    #[serde(rename = "GroupCoordinator")]
    coordinator: Connection,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Connection {
    /// Requests that were not answered in time, or not sent in time.
    req_timeouts: u64,
    /// Answers.
    rx: u64,
}

/// Watches one client's connection to its coordinator.
#[derive(Default)]
pub struct CoordinatorWatch {
    last: Connection,
    unanswered: Option<Unanswered>,
}

struct Unanswered {
    since: Instant,
    answers: u64,
}

impl CoordinatorWatch {
    /// Takes the client's statistics of `now`. Returns whether answers were lost that a member needs, and the coordinator
    /// answers again. Who is no member yet, or no more, asks with a full heartbeat.
    pub fn note(&mut self, statistics: &[u8], is_member: bool, now: Instant) -> bool {
        let Ok(Statistics { brokers }) = serde_json::from_slice(statistics) else {
            return false;
        };
        let connection = brokers.coordinator;
        if connection.req_timeouts > self.last.req_timeouts {
            self.unanswered = Some(Unanswered {
                since: now,
                answers: connection.rx,
            });
        }
        self.last = connection;
        if !is_member {
            self.unanswered = None;
        }
        self.unanswered.as_ref().is_some_and(|unanswered| {
            connection.rx > unanswered.answers && now.duration_since(unanswered.since) >= ANSWERING_AFTER
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(req_timeouts: u64, rx: u64) -> String {
        format!(
            r#"{{"name": "x", "brokers": {{
                "a:9092/0": {{"req_timeouts": 7, "rx": 90, "rtt": {{"sum": 9}}}},
                "GroupCoordinator": {{"name": "GroupCoordinator", "req_timeouts": {req_timeouts}, "rx": {rx}}}
            }}}}"#
        )
    }

    #[test]
    fn answers_are_lost_once_a_request_timed_out_and_the_coordinator_answers_again() {
        // Seconds, requests that timed out, answers, whether a new client is due.
        type Look = (u64, u64, u64, bool);
        let rows: [(&str, &[Look]); 4] = [
            ("all answered", &[(0, 0, 1, false), (9, 0, 9, false)]),
            (
                "one lost",
                &[(0, 0, 1, false), (1, 1, 1, false), (2, 1, 2, false), (7, 1, 3, true)],
            ),
            ("still away", &[(0, 1, 1, false), (9, 1, 1, false), (10, 1, 2, true)]),
            (
                "lost again",
                &[(0, 1, 1, false), (5, 2, 5, false), (10, 2, 6, false), (11, 2, 7, true)],
            ),
        ];
        let start = Instant::now();
        for (name, looks) in rows {
            let (mut member, mut joining) = (CoordinatorWatch::default(), CoordinatorWatch::default());
            for &(at_s, timeouts, answers, due) in looks {
                let (text, now) = (statistics(timeouts, answers), start + Duration::from_secs(at_s));
                assert_eq!(member.note(text.as_bytes(), true, now), due, "{name} at {at_s} s");
                assert!(!joining.note(text.as_bytes(), false, now), "{name} at {at_s} s");
            }
            let later = start + Duration::from_secs(60);
            let (_, timeouts, answers, _) = looks[looks.len() - 1];
            let text = statistics(timeouts, answers + 9);
            assert!(
                !joining.note(text.as_bytes(), true, later),
                "{name}: it was before it joined"
            );
        }
    }

    #[test]
    fn other_brokers_and_other_texts_say_nothing() {
        let mut watch = CoordinatorWatch::default();
        let later = Instant::now() + ANSWERING_AFTER;
        for text in ["", "{}", r#"{"brokers": {"a:9092/0": {"req_timeouts": 3, "rx": 9}}}"#] {
            assert!(!watch.note(text.as_bytes(), true, Instant::now()), "{text}");
            assert!(!watch.note(text.as_bytes(), true, later), "{text}");
        }
    }
}
