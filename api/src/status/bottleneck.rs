//! `status.bottleneck`: what stopped a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms::terms;

terms! {
    /// A part of the pipeline that can stop it.
    Bottleneck {
        /// None of them: the rate was held.
        #[default]
        Nothing = "Nothing",
        /// The producers: their CPU, or their number.
        Producers = "Producers",
        /// The brokers: their CPU, their threads, a quota.
        Brokers = "Brokers",
        /// The number of partitions: every one has its counter, and none can have two.
        Partitions = "Partitions",
        /// The counters: their CPU, or their number.
        Counters = "Counters",
        /// The ledger: Redis.
        Ledger = "Ledger",
        /// The CPU of the node, which all share.
        Node = "Node",
    }
}

/// What stopped a run, and why no other part did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BottleneckStatus {
    /// The part.
    pub component: Bottleneck,
    /// The evidence against it, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub because: Vec<String>,
    /// Why it is none of the others, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub not_because: Vec<String>,
}
