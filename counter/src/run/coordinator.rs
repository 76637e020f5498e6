//! Whether an answer of the group's coordinator was lost, from librdkafka's statistics.
//!
//! With the consumer protocol a change of assignment is told in one answer and not again, unless the member asks with a
//! full heartbeat. librdkafka (2.12.1) does not do so after one that it did not wait for long enough: the member would
//! keep what it had for ever, and the others wait for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// The coordinator has to answer for so long before the answers before count as the last that were lost: a new client
/// costs more while it is still slow.
const ANSWERING_AFTER: Duration = Duration::from_secs(3);
/// What librdkafka calls its connection to the coordinator.
const COORDINATOR: &str = "GroupCoordinator";

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: BTreeMap<String, Connection>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Connection {
    /// Requests that were not answered in time.
    #[serde(default)]
    req_timeouts: u64,
    /// Answers.
    #[serde(default)]
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
    /// Takes the client's statistics of `now`. Returns whether answers were lost and the coordinator answers again.
    pub fn note(&mut self, statistics: &[u8], now: Instant) -> bool {
        let Ok(Statistics { brokers }) = serde_json::from_slice(statistics) else {
            return false;
        };
        let coordinator = brokers.into_iter().find(|(name, _)| name.starts_with(COORDINATOR));
        let Some((_, connection)) = coordinator else {
            return false;
        };
        if connection.req_timeouts > self.last.req_timeouts {
            self.unanswered = Some(Unanswered {
                since: now,
                answers: connection.rx,
            });
        }
        self.last = connection;
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
        type Row = (u64, u64, u64, bool);
        let rows: [(&str, &[Row]); 4] = [
            ("all answered", &[(0, 0, 1, false), (9, 0, 9, false)]),
            (
                "one lost",
                &[(0, 0, 1, false), (1, 1, 1, false), (2, 1, 2, false), (4, 1, 3, true)],
            ),
            ("still away", &[(0, 1, 1, false), (9, 1, 1, false), (10, 1, 2, true)]),
            (
                "lost again and again",
                &[(0, 1, 1, false), (2, 2, 5, false), (4, 2, 6, false), (5, 2, 7, true)],
            ),
        ];
        let start = Instant::now();
        for (name, row) in rows {
            let mut watch = CoordinatorWatch::default();
            for &(at_s, timeouts, answers, due) in row {
                let now = start + Duration::from_secs(at_s);
                let noted = watch.note(statistics(timeouts, answers).as_bytes(), now);
                assert_eq!(noted, due, "{name} at {at_s} s");
            }
        }
    }

    #[test]
    fn other_brokers_and_other_texts_say_nothing() {
        let mut watch = CoordinatorWatch::default();
        let later = Instant::now() + ANSWERING_AFTER;
        for text in ["", "{}", r#"{"brokers": {"a:9092/0": {"req_timeouts": 3, "rx": 9}}}"#] {
            assert!(!watch.note(text.as_bytes(), Instant::now()), "{text}");
            assert!(!watch.note(text.as_bytes(), later), "{text}");
        }
    }
}
