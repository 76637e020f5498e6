//! `spec.topic`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cel;
use crate::terms::terms;

terms! {
    /// What happens to something that the run made when the LoadTest is deleted.
    DeletionPolicy {
        /// It is deleted as well.
        #[default]
        Delete = "Delete",
        /// It stays, for a look afterwards.
        Retain = "Retain",
    }
}

/// The topic that the run writes and reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = cel::TOPIC))]
pub struct TopicSpec {
    /// Name of the topic: letters, digits, `.`, `_` and `-`. It must not exist yet, or nothing was ever written to it:
    /// events of another run would be taken for this one's. Default `events`.
    #[schemars(length(min = 1, max = 249), extend("x-kubernetes-validations" = cel::TOPIC_NAME))]
    pub name: String,

    /// Number of partitions. It bounds both the producers and the counters, for a partition has one writer and one
    /// reader. Default 12: it divides evenly among 1, 2, 3, 4, 6 and 12 members.
    #[schemars(range(min = 1, max = 512))]
    pub partitions: u32,

    /// Copies of each partition, at most the number of brokers. Default 3: one broker may die and another be in
    /// maintenance without loss.
    #[schemars(range(min = 1, max = 7))]
    pub replication_factor: u32,

    /// Further topic configuration, such as `segment.bytes: "104857600"`. Where not given, the operator adds
    /// `cleanup.policy=delete`, `retention.ms=-1`, `retention.bytes=-1` (nothing may expire before it is counted),
    /// `min.insync.replicas` (a majority of the copies: 2 of 3) and, for large events, `max.message.bytes`. Default:
    /// none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("maxProperties" = 50, "x-kubernetes-validations" = cel::TOPIC_CONFIG),
        schema_with = "crate::cel::short_strings"
    )]
    pub config: BTreeMap<String, String>,

    /// What happens to the topic when the LoadTest is deleted. A topic that the run did not create is never deleted.
    /// Default `Delete`: a load test leaves nothing behind.
    pub deletion_policy: DeletionPolicy,
}

impl Default for TopicSpec {
    fn default() -> Self {
        Self {
            name: "events".to_owned(),
            partitions: 12,
            replication_factor: 3,
            config: BTreeMap::new(),
            deletion_policy: DeletionPolicy::default(),
        }
    }
}
