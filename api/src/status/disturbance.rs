//! `status.disturbances`: what happened to the members of a run, whoever caused it, and what it cost.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms::terms;

/// Most disturbances that a status lists; the oldest go first.
pub const DISTURBANCES_MAX: usize = 50;
/// Most partitions that one disturbance or injection lists, the longest pause first; further ones are only counted.
pub const PAUSED_PARTITIONS_MAX: usize = 12;

terms! {
    /// Which pods of a run.
    Component {
        /// The counters.
        #[default]
        Counter = "Counter",
        /// The producers.
        Producer = "Producer",
    }
}

terms! {
    /// How a slot lost or got its pod.
    DisturbanceCause {
        /// The container ended and was started again in the same pod.
        #[default]
        ContainerRestarted = "ContainerRestarted",
        /// The pod was deleted, evicted or rolled, and another took its slot.
        PodReplaced = "PodReplaced",
        /// The number of pods was changed: the slot is new, or is no more.
        Scaled = "Scaled",
    }
}

/// A pod that holds a slot: what the next look is compared with, also by an operator that was restarted meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberStatus {
    /// Counter or producer.
    pub component: Component,
    /// Slot, from 0.
    pub slot: u32,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: String,
    /// Times that its container was restarted.
    pub restarts: u32,
    /// Rebalances that a counter has reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebalances: Option<u64>,
}

/// Something that happened to one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disturbance {
    /// Counter or producer.
    pub component: Component,
    /// The slot; where its new pod took another free one, that.
    pub slot: u32,
    /// What happened.
    pub cause: DisturbanceCause,
    /// Pod that held the slot; absent where the slot is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_before: Option<String>,
    /// Pod that holds the slot since; absent until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_after: Option<String>,
    /// When it began, by the API's own times where there are any, which are whole seconds.
    pub started_at: MicroTime,
    /// When the slot had a ready pod again, or its last one was gone; by the pod's condition `Ready`, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<MicroTime>,
    /// From begin to recovery, milliseconds; as exact as the two times are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Longest time meanwhile in which a partition was not counted although events waited, milliseconds; by the clock
    /// of Redis.
    pub longest_pause_ms: u64,
    /// Partitions that were not counted for a while although events waited, the longest first.
    #[serde(default)]
    #[schemars(length(max = 12))]
    pub paused_partitions: Vec<PausedPartition>,
    /// How many partitions these are, also those that are not listed.
    pub paused_partitions_total: u32,
    /// Longest time in which a partition of the slot got no acknowledgement although events waited, milliseconds; of
    /// producers, from 100 ms on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_ack_gap_ms: Option<u64>,
    /// Events that waited to be counted before it.
    pub lag_records_before: u64,
    /// Most events that waited until it was over.
    pub peak_lag_records: u64,
    /// From the recovery until about as few events waited as before, milliseconds; absent until that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// Times that partitions were assigned to or revoked from the other counters until it was over.
    pub rebalances: u64,
    /// Whether it is over and its figures are final.
    pub over: bool,
}

/// A partition that was not counted for a while although events waited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PausedPartition {
    /// The partition.
    pub partition: u32,
    /// For how long, milliseconds.
    pub length_ms: u64,
    /// Slot that counted it before.
    pub member_before: String,
    /// Slot that counted it after.
    pub member_after: String,
}
