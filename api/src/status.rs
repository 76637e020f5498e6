//! The status of a LoadTest: what was observed, and nothing that cannot be derived again from the cluster.
//!
//! A section is absent until something of it is known. Counts are cumulative over the run; units are in the names.

mod bottleneck;
mod ceiling;
mod correctness;
mod disturbance;
mod utilization;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::terms::terms;

pub use bottleneck::*;
pub use ceiling::*;
pub use correctness::*;
pub use disturbance::*;
pub use utilization::*;

terms! {
    /// Where a run stands. Phases only ever go forward.
    Phase {
        /// Not started: just created, suspended, or waiting for another run on the same topic.
        #[default]
        Pending = "Pending",
        /// The topic, the Leases and the pods are being made and become ready.
        Provisioning = "Provisioning",
        /// Events are sent; latencies are not recorded yet.
        Warmup = "Warmup",
        /// Events are sent and everything is recorded.
        Running = "Running",
        /// Every event is sent; the counters count the rest.
        Draining = "Draining",
        /// The verifier regenerates the stream and compares every account.
        Verifying = "Verifying",
        /// The run is over and its verdict final.
        Finished = "Finished",
    }
}

terms! {
    /// Result of a run.
    Verdict {
        /// Not decided yet.
        #[default]
        Pending = "Pending",
        /// Every account is exact and every objective met.
        Pass = "Pass",
        /// Something was counted wrongly, or an objective missed.
        Fail = "Fail",
        /// Nothing wrong was found, but what was seen proves nothing.
        Inconclusive = "Inconclusive",
        /// Ended by `spec.abort`, or by `spec.stop` before the first event.
        Aborted = "Aborted",
        /// The run could not be carried out.
        Error = "Error",
    }
}

terms! {
    /// Whether the latencies of a run mean anything.
    Validity {
        /// The rate was reached and the generator kept its schedule.
        #[default]
        Valid = "Valid",
        /// The cluster did not take the rate: latencies grow with the length of the run.
        Saturated = "Saturated",
        /// The producers themselves were too slow for their schedule.
        GeneratorBound = "GeneratorBound",
        /// Clocks differ by more than the latencies.
        ClockSkewed = "ClockSkewed",
        /// Too few samples, or some of them lost.
        Inconclusive = "Inconclusive",
    }
}

terms! {
    /// Whether an objective was met.
    SloState {
        /// Not judged yet, or there was nothing to judge by.
        #[default]
        NotEvaluated = "NotEvaluated",
        /// Met.
        Ok = "Ok",
        /// Missed.
        Breached = "Breached",
    }
}

/// What the operator observed of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadTestStatus {
    /// Generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Identity of the run: the UID of the LoadTest. Keys of the ledger begin with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Where the run stands.
    pub phase: Phase,
    /// Result of the run; final once the condition `Complete` is true.
    pub verdict: Verdict,
    /// Why phase or verdict are what they are, in one CamelCase word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Counted of expected events, such as `1.2M/3.0M`; of seconds where the run ends by time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// When provisioning began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Intended time of the first event whose latency is recorded (the end of the warm-up).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure_start_time: Option<MicroTime>,
    /// When the verdict became final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Consumer group of the counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The topic in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicStatus>,
    /// The producers, summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producers: Option<ProducersStatus>,
    /// The counters, summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<CountersStatus>,
    /// Events in the log that are not counted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<LagStatus>,
    /// Latencies after the warm-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyStatus>,
    /// How busy every part was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization: Option<UtilizationStatus>,
    /// What stopped the run, once its events are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<BottleneckStatus>,
    /// Times in which a partition was not counted although events waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pauses: Option<PausesStatus>,
    /// The pods that hold slots, by which disturbances are told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub members: Vec<MemberStatus>,
    /// What happened to the members while the run went on, and what it cost; the last ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub disturbances: Vec<Disturbance>,
    /// How many disturbances there were, also those that are not listed any more.
    pub disturbances_total: u64,
    /// Whether every account has the total that the stream says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correctness: Option<CorrectnessStatus>,
    /// What was found with `rate: search`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<CeilingStatus>,
    /// The objectives of `spec.slo`, one entry each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub slo: Vec<SloResult>,
    /// Short texts for the columns of `kubectl get`; not for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<Display>,
    /// `Accepted`, `Running`, `SteadyState`, `Complete` (the one terminal condition, whatever the verdict) and
    /// `Stalled` (this spec can never work).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Where the full report is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_ref: Option<ReportRef>,
}

/// The topic in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatus {
    /// Name of the topic.
    pub name: String,
    /// Whether this run created it, and so may delete it.
    pub created_by_run: bool,
}

/// The producers, summed up over every incarnation of every slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducersStatus {
    /// Ready pods.
    pub ready: u32,
    /// Wanted pods.
    pub desired: u32,
    /// Wanted rate of the whole run, events a second; absent with `rate: max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_rate_per_second: Option<u64>,
    /// Events sent a second, over the last polls.
    pub rate_per_second: u64,
    /// Events handed to the Kafka client.
    pub sent: u64,
    /// Events acknowledged by the brokers.
    pub acked: u64,
    /// Events that were certainly not written.
    pub failed: u64,
    /// Events of unknown fate: perhaps written.
    pub indeterminate: u64,
    /// How late events were sent against their schedule, 99th percentile, microseconds; absent with `rate: max`.
    #[serde(rename = "latenessP99Us", skip_serializing_if = "Option::is_none")]
    pub lateness_p99_us: Option<u64>,
    /// Time that producers waited because the client's queue was full, milliseconds.
    pub queue_full_ms: u64,
}

/// The counters, summed up over every incarnation of every slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CountersStatus {
    /// Pods that exist (for the scale subresource).
    pub replicas: u32,
    /// Ready pods: slot held and assignment received.
    pub ready: u32,
    /// Wanted pods.
    pub desired: u32,
    /// Events counted in the ledger.
    pub counted: u64,
    /// Events counted a second, over the last polls.
    pub rate_per_second: u64,
    /// Duplicates found in the log and skipped.
    pub log_duplicates: u64,
    /// Events missing in the log between two others.
    pub holes: u64,
    /// Records that are no event of the stream.
    pub malformed: u64,
    /// Applies refused because another member had already counted the events.
    pub conflicts: u64,
    /// Applies refused because Redis had lost its tail; the member went back.
    pub rewinds: u64,
    /// Times that partitions were assigned or revoked.
    pub rebalances: u64,
    /// Label selector of the pods (for the scale subresource).
    pub selector: String,
}

/// Events in the log that are not counted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LagStatus {
    /// Events, all partitions together.
    pub records: u64,
    /// Age of the oldest of them, milliseconds.
    pub millis: u64,
    /// Most events that ever waited.
    pub peak_records: u64,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_at: Option<Time>,
    /// Partition with the most events waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_partition: Option<u32>,
}

/// Latencies after the warm-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LatencyStatus {
    /// Whether these numbers mean anything.
    pub validity: Validity,
    /// Whether all that speaks against them is that the producers were late (`GeneratorBound`). Latencies count from the
    /// intended time, so they are taken to be too long, and a limit that they keep is kept.
    pub upper_bound: bool,
    /// End-to-end samples.
    pub samples: u64,
    /// From the intended send to the acknowledged count in Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_to_end: Option<LatencyQuantiles>,
    /// From the intended send to the broker's acknowledgement; absent with `rate: max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<LatencyQuantiles>,
    /// From the actual send to the broker's acknowledgement: what Kafka took for it. An idempotent producer
    /// has not sent an event yet that waits for its batch to fill, or for the batch before it; any other has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<LatencyQuantiles>,
}

/// Quantiles of a latency, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LatencyQuantiles {
    /// Median.
    #[serde(rename = "p50Us")]
    pub p50_us: u64,
    /// 99th percentile.
    #[serde(rename = "p99Us")]
    pub p99_us: u64,
    /// 99.9th percentile.
    #[serde(rename = "p999Us")]
    pub p999_us: u64,
    /// Largest.
    #[serde(rename = "maxUs")]
    pub max_us: u64,
}

/// Times in which a partition was not counted although events waited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PausesStatus {
    /// Number of pauses.
    pub count: u64,
    /// The sum of all over the partitions, milliseconds.
    pub total_ms: u64,
    /// The longest, milliseconds.
    pub longest_ms: u64,
    /// Partition of the longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_partition: Option<u32>,
    /// When the longest ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_at: Option<MicroTime>,
}

/// How the run did against one objective of `spec.slo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SloResult {
    /// Name of the objective: its field, such as `endToEndP99Ms`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The objective, in the unit that the name ends with.
    pub limit: u64,
    /// What was observed, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<u64>,
    /// Whether it was met.
    pub state: SloState,
}

impl SloResult {
    /// In a sentence how the objective was missed, if it was.
    pub fn breach(&self) -> Option<String> {
        let observed = self.observed.filter(|_| self.state == SloState::Breached)?;
        Some(format!("{} was {observed}, the limit is {}", self.name, self.limit))
    }
}

/// Short texts for the columns of `kubectl get`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Display {
    /// Events sent a second, such as `40.0k/s`.
    pub rate: String,
    /// Events acknowledged, such as `1.2M`.
    pub produced: String,
    /// Events counted.
    pub counted: String,
    /// Events waiting.
    pub lag: String,
    /// End-to-end latency, 99th percentile, such as `38ms`; with a `~` where it is not valid.
    pub p99: String,
    /// Longest pause, such as `1.2s`.
    pub pause: String,
}

/// The ConfigMap that holds the full report, in the LoadTest's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportRef {
    /// Name of the ConfigMap.
    pub name: String,
}
