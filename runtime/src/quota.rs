//! How long brokers hold a client back by a quota, from librdkafka's statistics.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Statistics are asked for this often, as the property `statistics.interval.ms` has it.
pub const STATISTICS_INTERVAL_MS: &str = "1000";

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: BTreeMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    throttle: Option<Window>,
}

/// Milliseconds that each answer since the last statistics said to wait, summed up.
#[derive(Deserialize)]
struct Window {
    sum: i64,
}

/// Microseconds that the broker which held back most did so since the last statistics; 0 if none did or if these are no
/// statistics.
pub fn held_back_us(statistics: &[u8]) -> u64 {
    let Ok(Statistics { brokers }) = serde_json::from_slice(statistics) else {
        return 0;
    };
    let sums_ms = brokers.into_values().filter_map(|broker| broker.throttle);
    let most_ms = sums_ms.filter_map(|window| u64::try_from(window.sum).ok()).max();
    most_ms.unwrap_or(0) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_that_held_back_most_counts() {
        let statistics = br#"{"name": "x", "ts": 5, "brokers": {
            "a:9092/0": {"name": "a", "throttle": {"min": 0, "max": 300, "sum": 700, "cnt": 4}, "rtt": {"sum": 9}},
            "b:9092/1": {"throttle": {"sum": 40, "cnt": 4}},
            "bootstrap": {}
        }, "topics": {}}"#;
        assert_eq!(held_back_us(statistics), 700_000);
        assert_eq!(held_back_us(br#"{"brokers": {"a": {"throttle": {"sum": -1}}}}"#), 0);
        assert_eq!(held_back_us(b"{}"), 0);
        assert_eq!(held_back_us(b"nothing"), 0);
    }
}
