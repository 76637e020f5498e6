//! The topic as the brokers have it, against the one that was asked for.

use std::collections::BTreeMap;

/// Shortest retention of a topic that was not made by the run, ms: a day. Kafka's own default is a week.
const RETENTION_MS_MIN: i64 = 86_400_000;

/// Why something outside the cluster's API is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// One CamelCase word.
    pub reason: &'static str,
    /// The field, what is wrong, the fix.
    pub message: String,
}

impl Cause {
    /// A cause.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// A topic that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicFacts {
    /// Its partitions.
    pub partitions: u32,
    /// Copies of the partition that has the fewest.
    pub replication_factor: u32,
    /// Its configuration, defaults included.
    pub config: BTreeMap<String, String>,
    /// Records that were ever written to it, deleted ones included.
    pub written: u64,
    /// Partitions without a leader.
    pub leaderless: u32,
}

/// What is known of the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TopicState {
    /// Not looked at.
    #[default]
    NotLooked,
    /// It cannot be looked at now.
    Unknown(Cause),
    /// It can never be looked at: the spec makes no client.
    Unusable(Cause),
    /// It does not exist; the cluster has so many brokers.
    Missing {
        /// Brokers that are up.
        brokers: u32,
    },
    /// It exists.
    Exists(TopicFacts),
}

/// What the topic must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicWanted {
    /// Name.
    pub name: String,
    /// Partitions.
    pub partitions: u32,
    /// Copies of each.
    pub replication_factor: u32,
    /// Its configuration as it is created: the operator's defaults under the user's.
    pub config: BTreeMap<String, String>,
    /// The user's part of it.
    pub given: BTreeMap<String, String>,
}

impl TopicWanted {
    /// What is wrong with an existing topic. A topic that the run made may hold nothing yet either: this is asked
    /// before the first event is sent.
    pub fn mismatch(&self, facts: &TopicFacts) -> Option<Cause> {
        let cause = |message| Some(Cause::new("TopicMismatch", message));
        let name = &self.name;
        if facts.partitions != self.partitions {
            return cause(format!(
                "spec.topic.partitions: {} wanted, but topic {name} exists with {}; set it to {} or choose another spec.topic.name",
                self.partitions, facts.partitions, facts.partitions
            ));
        }
        if facts.replication_factor != self.replication_factor {
            return cause(format!(
                "spec.topic.replicationFactor: {} wanted, but topic {name} exists with {}; set it to {} or choose another spec.topic.name",
                self.replication_factor, facts.replication_factor, facts.replication_factor
            ));
        }
        if facts.written > 0 {
            return Some(Cause::new(
                "TopicNotEmpty",
                format!(
                    "spec.topic.name: topic {name} exists and {} records were written to it (deleted ones included), which would be taken for events of this run; delete the topic or choose another name",
                    facts.written
                ),
            ));
        }
        self.wrong_config(facts).and_then(cause)
    }

    fn wrong_config(&self, facts: &TopicFacts) -> Option<String> {
        let name = &self.name;
        let found = |key: &str| facts.config.get(key).map(String::as_str);
        for (key, wanted) in &self.given {
            if let Some(found) = found(key)
                && found != wanted
            {
                return Some(format!(
                    "spec.topic.config: {key}={wanted} wanted, but topic {name} exists with {key}={found}; change the topic, or choose another spec.topic.name"
                ));
            }
        }
        // Not what was asked for but what exactness depends on: nothing may disappear before it is counted.
        for (key, wanted) in [
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
        ] {
            if let Some(found) = found(key)
                && !keeps_events(key, found)
                && !self.given.contains_key(key)
            {
                return Some(format!(
                    "spec.topic.name: topic {name} exists with {key}={found}, so events may disappear before they are counted; set {key}={wanted} on the topic, accept it as spec.topic.config, or choose another name"
                ));
            }
        }
        None
    }

    /// Why a topic cannot be made on so few brokers.
    pub fn too_few_brokers(&self, brokers: u32) -> Option<Cause> {
        (brokers < self.replication_factor).then(|| {
            Cause::new(
                "TooFewBrokers",
                format!(
                    "spec.topic.replicationFactor: {} copies need as many brokers, but {brokers} are up; lower it or add brokers",
                    self.replication_factor
                ),
            )
        })
    }
}

/// Whether no event of a run of some hours disappears with such a configuration.
fn keeps_events(key: &str, value: &str) -> bool {
    match key {
        "cleanup.policy" => value == "delete",
        "retention.ms" => value.parse::<i64>().is_ok_and(|ms| ms == -1 || ms >= RETENTION_MS_MIN),
        _ => value == "-1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn wanted() -> TopicWanted {
        TopicWanted {
            name: "events".to_owned(),
            partitions: 12,
            replication_factor: 3,
            config: BTreeMap::new(),
            given: config(&[("segment.bytes", "1000")]),
        }
    }

    fn facts() -> TopicFacts {
        TopicFacts {
            partitions: 12,
            replication_factor: 3,
            config: config(&[
                ("segment.bytes", "1000"),
                ("retention.ms", "604800000"),
                ("retention.bytes", "-1"),
                ("cleanup.policy", "delete"),
            ]),
            written: 0,
            leaderless: 0,
        }
    }

    #[test]
    fn every_mismatch_names_the_field_and_the_fix() {
        assert_eq!(wanted().mismatch(&facts()), None);
        let with = |change: fn(&mut TopicFacts)| {
            let mut facts = facts();
            change(&mut facts);
            facts
        };
        let table = [
            (
                with(|facts| facts.partitions = 6),
                "spec.topic.partitions",
                "set it to 6",
            ),
            (
                with(|facts| facts.replication_factor = 1),
                "spec.topic.replicationFactor",
                "set it to 1",
            ),
            (
                with(|facts| facts.written = 7),
                "7 records were written",
                "choose another name",
            ),
            (
                with(|facts| {
                    facts.config.insert("segment.bytes".into(), "5".into());
                }),
                "spec.topic.config",
                "segment.bytes=5",
            ),
            (
                with(|facts| {
                    facts.config.insert("retention.ms".into(), "60000".into());
                }),
                "retention.ms=60000",
                "set retention.ms=-1",
            ),
            (
                with(|facts| {
                    facts.config.insert("cleanup.policy".into(), "compact".into());
                }),
                "cleanup.policy=compact",
                "cleanup.policy=delete",
            ),
        ];
        for (facts, what, fix) in table {
            let cause = wanted().mismatch(&facts).expect("a mismatch");
            assert!(
                cause.message.contains(what) && cause.message.contains(fix),
                "{}",
                cause.message
            );
        }
    }

    #[test]
    fn a_retention_that_was_asked_for_is_accepted() {
        let mut wanted = wanted();
        wanted.given.insert("retention.ms".into(), "60000".into());
        let mut facts = facts();
        facts.config.insert("retention.ms".into(), "60000".into());
        assert_eq!(wanted.mismatch(&facts), None);
    }

    #[test]
    fn copies_need_brokers() {
        assert_eq!(wanted().too_few_brokers(3), None);
        let cause = wanted().too_few_brokers(2).expect("two are too few");
        assert!(
            cause.message.contains("spec.topic.replicationFactor: 3"),
            "{}",
            cause.message
        );
    }
}
