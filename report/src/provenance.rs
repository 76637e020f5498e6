//! What a run was run with: enough to run it again.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run was run with. What could not be found out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Version of the operator.
    pub eoslab_version: String,
    /// Git revision that the operator was built from.
    pub git_revision: String,
    /// Image of the load pods, as it was asked for.
    pub image: String,
    /// The same with its digest, as the container runtime had it.
    pub image_id: String,
    /// Seed of the stream.
    pub seed: u64,
    /// The operator's version of librdkafka; the load pods' own where they run the operator's image.
    pub librdkafka_version: String,
    /// Nodes that the load pods ran on.
    pub nodes: BTreeSet<String>,
    /// What the producers' Kafka client was configured with, without what is secret.
    pub producer_config: BTreeMap<String, String>,
    /// What the counters' Kafka client was configured with, without what is secret.
    pub consumer_config: BTreeMap<String, String>,
    /// Configuration of the topic as the brokers tell it, defaults included.
    pub topic_config: BTreeMap<String, String>,
    /// Configuration of one of the brokers as it tells it, without what is secret and what is at its default.
    pub broker_config: BTreeMap<String, String>,
}
