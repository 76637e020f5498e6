//! `status` of a ChaosRun.
//!
//! Durations are by the clock of the chaos controller, which looks four times a second; pauses by the ledger's own
//! clock; times without an acknowledgement by the producers'. No duration mixes two clocks.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::FaultType;
use crate::status::{PausedPartition, Verdict};
use crate::terms::terms;

/// Most injections of a run.
pub const INJECTIONS_MAX: usize = 200;

terms! {
    /// Where a ChaosRun stands.
    ChaosPhase {
        /// Waits for the LoadTest, or for another ChaosRun on the same Kafka cluster.
        #[default]
        Pending = "Pending",
        /// Waits for the steady state before the next fault.
        Steadying = "Steadying",
        /// A fault is being injected.
        Injecting = "Injecting",
        /// A fault is injected; waits until everything is steady again.
        Recovering = "Recovering",
        /// All faults are over; waits for the verdict of the LoadTest.
        Judging = "Judging",
        /// The verdict is final.
        Finished = "Finished",
    }
}

terms! {
    /// Where one injection stands.
    InjectionState {
        /// Picked and about to be injected: written before anything is touched.
        #[default]
        Intended = "Intended",
        /// Done, and seen to be done.
        Injected = "Injected",
        /// Everything was steady again.
        Recovered = "Recovered",
        /// It was not, in time.
        NotRecovered = "NotRecovered",
        /// Nothing happened to the victim.
        NoEffect = "NoEffect",
        /// A guard refused it; nothing was touched.
        Refused = "Refused",
        /// Named by a dry run; nothing was touched.
        Planned = "Planned",
    }
}

/// What was done and seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChaosRunStatus {
    /// Generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the run stands.
    pub phase: ChaosPhase,
    /// Result of the run; final once the condition `Complete` is true.
    pub verdict: Verdict,
    /// Why phase or verdict are what they are, in one CamelCase word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The fault at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_fault: Option<String>,
    /// Injections that are over, of all, such as `3/7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Longest pause of any partition, such as `1.2s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_pause: Option<String>,
    /// Events lost in the windows of the faults.
    pub lost: u64,
    /// Events counted twice in the windows of the faults.
    pub duplicated: u64,
    /// When the present phase began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_since: Option<MicroTime>,
    /// When the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the verdict became final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// By type of fault: how often, and how long it hurt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub summary: Vec<FaultSummary>,
    /// Every injection, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub injections: Vec<Injection>,
    /// What was before the injection that is open; gone with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// `Complete` is the one terminal condition, whatever the verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What a fault is compared with, also by a controller that was restarted meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Baseline {
    /// Rebalances that each counter had reported, by its process.
    pub rebalances: BTreeMap<String, u64>,
    /// Whether a replica was seen out of sync since.
    pub was_out_of_sync: bool,
}

/// One injection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Injection {
    /// What was done.
    #[serde(rename = "type")]
    pub fault_type: FaultType,
    /// Position of the fault in `spec.faults`.
    pub fault: u32,
    /// Where it stands.
    pub state: InjectionState,
    /// What happened, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Who was hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub victim: Option<VictimStatus>,
    /// When it was picked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intended_at: Option<MicroTime>,
    /// The ledger's own clock at that time, microseconds since the Unix epoch: pauses are told from here on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger_from_us: Option<i64>,
    /// Events that the ledger lacked at that time.
    pub lost_before: u64,
    /// Events that the ledger had counted twice at that time.
    pub duplicated_before: u64,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub injected_at: Option<MicroTime>,
    /// When it was taken back: the frozen process goes on, the old number of counters is wanted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healed_at: Option<MicroTime>,
    /// When everything was steady again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<MicroTime>,
    /// From the injection until the API showed it: a pod not ready, a container ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_ms: Option<u64>,
    /// From the injection until another pod took the place of the deleted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescheduled_ms: Option<u64>,
    /// From the injection until every pod was ready again; of `ScaleCounters`: until as many as before had the partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<u64>,
    /// From the injection until no partition was led by the broker that was hit, and each by somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_change_ms: Option<u64>,
    /// From the injection until every replica was in sync again; absent where none ever was out of sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isr_restored_ms: Option<u64>,
    /// From the moment when every pod was ready until the lag was drained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// From the injection until everything was steady again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_ms: Option<u64>,
    /// Longest time without an acknowledgement of any partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_ack_gap_ms: Option<u64>,
    /// The longest times without an acknowledgement although events waited, a partition each; from 100 ms on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12))]
    pub ack_gaps: Vec<PartitionAckGap>,
    /// Longest pause of any partition: events waited and none was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_pause_ms: Option<u64>,
    /// Partitions that paused.
    pub partitions_paused: u32,
    /// The longest pauses, a partition each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12))]
    pub pauses: Vec<PausedPartition>,
    /// Times that partitions were assigned to or taken from counters, the first assignment of a new process left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebalances: Option<u64>,
    /// Most events that waited.
    pub peak_lag_records: u64,
    /// Greatest age of the oldest event that waited.
    pub peak_lag_ms: u64,
    /// Events that the ledger lacks and did not lack before, by its own seqs.
    pub lost: u64,
    /// Events that the ledger counted twice and had not before, by its own seqs.
    pub duplicated: u64,
}

/// A partition that got no acknowledgement for a while although events waited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PartitionAckGap {
    /// The partition.
    pub partition: u32,
    /// For how long, milliseconds.
    pub length_ms: u64,
}

/// Who was hit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VictimStatus {
    /// `Pod`, `Deployment`, `StatefulSet`, `StrimziPodSet` or `LoadTest`.
    pub kind: String,
    /// Namespace of the pod or workload.
    pub namespace: String,
    /// Name of the pod or workload.
    pub name: String,
    /// UID of the pod; empty for a workload.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Node of the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Restarts of its container before.
    pub restarts: u32,
    /// Why this one, such as `leads partition 0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// For how long it is frozen, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_seconds: Option<u32>,
    /// Counters that were wanted before; for `ScaleCounters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas_before: Option<u32>,
}

/// All injections of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FaultSummary {
    /// What was done.
    #[serde(rename = "type")]
    pub fault_type: FaultType,
    /// Injections that are over.
    pub injections: u32,
    /// Those from which everything recovered in time.
    pub recovered: u32,
    /// Longest pause of any partition, over the injections; 0 where none paused.
    pub pause: SpreadMs,
    /// Time until everything was steady again.
    pub recovery: SpreadMs,
    /// Events lost.
    pub lost: u64,
    /// Events counted twice.
    pub duplicated: u64,
}

/// Least, middle and greatest of some durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SpreadMs {
    /// The least.
    pub min_ms: u64,
    /// The middle one.
    pub median_ms: u64,
    /// The greatest.
    pub max_ms: u64,
}
