//! `status.utilization`: how busy every part was while events were sent after the warm-up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How busy every part was while events were sent after the warm-up, over all of that time unless it says otherwise. Where
/// there are several of a kind, shares are those of the busiest. A part that could not be looked at is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UtilizationStatus {
    /// The time that was looked at, seconds.
    pub seconds: u32,
    /// The producers.
    pub producers: ProducersUtilization,
    /// The brokers, from their metrics endpoint (`spec.kafka.metricsPort`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brokers: Option<BrokersUtilization>,
    /// The counters.
    pub counters: CountersUtilization,
    /// The Redis that is busiest, from its `INFO`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerUtilization>,
    /// The node of load pods that is busiest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeUtilization>,
}

/// How busy the producers were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducersUtilization {
    /// CPU of all of them, thousandths of a core.
    pub cpu_millicores: u64,
    /// Share of the scheduling periods in which a CPU limit stopped it.
    pub throttled_percent: u32,
    /// Share of the time that it waited because the client's queue was full: Kafka did not take what was due.
    pub queue_full_percent: u32,
    /// Share of the time that a broker held it back by a quota.
    pub quota_percent: u32,
}

/// How busy the brokers were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokersUtilization {
    /// Brokers that were looked at.
    pub count: u32,
    /// Share of the time that the request handlers of the busiest broker had nothing to do.
    pub request_handler_idle_percent: u32,
    /// Share of the last seconds that the network threads of the busiest broker had nothing to do.
    pub network_processor_idle_percent: u32,
    /// Where the time of a produce request went, on average.
    pub produce: RequestTime,
    /// Where the time of a consumer's fetch request went, on average; its `remote` is waiting for new events.
    pub fetch: RequestTime,
    /// Times that a replica fell out of the in-sync replicas.
    pub isr_shrinks: u64,
}

/// Where the time of a request went, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestTime {
    /// All of it.
    pub total_us: u64,
    /// Waiting for a request handler.
    pub queue_us: u64,
    /// At work in the leader: its log, its disk.
    pub local_us: u64,
    /// Waiting for others: the followers with `acks=all`, new events with a fetch.
    pub remote_us: u64,
    /// Waiting to be sent, and being sent.
    pub response_us: u64,
}

/// How busy the counters were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CountersUtilization {
    /// CPU of all of them, thousandths of a core.
    pub cpu_millicores: u64,
    /// Share of the scheduling periods in which a CPU limit stopped one.
    pub throttled_percent: u32,
    /// Share of the time that the busiest, which waits for records least, waited for the ledger.
    pub ledger_percent: u32,
    /// Share of the time that it waited for records.
    pub idle_percent: u32,
    /// Share of the time that a broker held one back by a quota.
    pub quota_percent: u32,
    /// How long a call of the ledger took the busiest, microseconds.
    pub ledger_call_us: u64,
}

/// How busy Redis was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LedgerUtilization {
    /// CPU of its main thread, which alone runs commands.
    pub main_thread_percent: u32,
}

/// How busy a node was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeUtilization {
    /// CPU of all cores, by whatever runs there.
    pub cpu_percent: u32,
    /// Share of the time in which a core had work, but the machine below the node ran another virtual machine (steal);
    /// `cpuPercent` includes it.
    pub stolen_percent: u32,
    /// Share of the time that cores had nothing to do but wait for a disk.
    pub io_wait_percent: u32,
    /// Memory in use, at the end.
    pub memory_percent: u32,
}
