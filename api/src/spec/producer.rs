//! `spec.producer`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod::Resources;
use crate::cel;
use crate::terms::terms;

terms! {
    /// Which copies of an event must be written before the broker acknowledges it.
    Acks {
        /// Every in-sync replica.
        #[default]
        All = "all",
        /// The leader alone: an event is lost when the leader dies before the others fetched it.
        One = "1",
        /// None: an event is lost whenever anything goes wrong, without a word.
        Zero = "0",
    }
}

terms! {
    /// Compression codec of the producers.
    Compression {
        /// No compression.
        #[default]
        None = "none",
        /// gzip.
        Gzip = "gzip",
        /// Snappy.
        Snappy = "snappy",
        /// LZ4.
        Lz4 = "lz4",
        /// Zstandard.
        Zstd = "zstd",
    }
}

/// The producers: how fast, how many events, how durable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::PRODUCER))]
pub struct ProducerSpec {
    /// Number of producer pods, at most the number of partitions, for a partition has one writer. Default 2: a killed
    /// producer is seen while the other goes on.
    #[serde(default = "default::replicas")]
    #[schemars(range(min = 1, max = 512))]
    pub replicas: u32,

    /// Events a second of the whole run, all producers together, sent on an absolute schedule (open model: the
    /// producers do not slow down when Kafka does); or `max`, which sends as fast as Kafka acknowledges (closed loop:
    /// it has no response latencies); or `search`, which looks for the highest rate that holds by runs of fixed rates,
    /// each a LoadTest of its own (see `spec.search`). Required: a rate that fits every cluster does not exist.
    #[schemars(schema_with = "rate_schema")]
    pub rate: IntOrString,

    /// Number of events of the whole run. Give either this or `durationSeconds`, and neither with `rate: search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub events: Option<u64>,

    /// How long events are sent, seconds, warm-up included. Give either this or `events`. The number of events then
    /// follows from what is in the log at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub duration_seconds: Option<u32>,

    /// The first seconds of sending that latencies leave out, because caches, connections and JIT compilers are cold.
    /// Their events are counted like all others. Default 10.
    #[serde(default = "default::warmup_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub warmup_seconds: u32,

    /// Who must have written an event before it is acknowledged: `all` (every in-sync replica), `1` (the leader) or
    /// `0` (nobody: the broker is not waited for); the digits in quotes. Default `all`: with less, an acknowledged
    /// event may be lost, and exactly-once begins at the producer.
    #[serde(default)]
    pub acks: Acks,

    /// Whether the broker drops duplicates that retries of a producer make, and keeps their order; needs `acks: all`.
    /// Default `true`. Without it a retry may overtake what was sent after it, and what was overtaken is not counted.
    #[serde(default = "default::idempotence")]
    pub idempotence: bool,

    /// How long a producer waits for a batch to fill, milliseconds. Default 5: a compromise between 0 (lowest latency)
    /// and 50 (largest batches).
    #[serde(default = "default::linger_ms")]
    #[schemars(range(min = 0, max = 10_000))]
    pub linger_ms: u32,

    /// Size of a full batch, bytes. Default 65536.
    #[serde(default = "default::batch_size_bytes")]
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub batch_size_bytes: u32,

    /// Compression codec. Default `none`, so that a first number is not one about padding.
    #[serde(default)]
    pub compression: Compression,

    /// Kafka clients (and threads) in each producer pod; partitions are dealt out among them. Default 1; more than one
    /// helps when a client's single broker thread is the bottleneck.
    #[serde(default = "default::clients_per_pod")]
    #[schemars(range(min = 1, max = 64))]
    pub clients_per_pod: u32,

    /// How long an event may wait for its acknowledgement before it is reported failed, milliseconds; 0 means without
    /// end. Default 0: a failed event ends the hope for exactness, so a run rather waits for the broker.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3_600_000))]
    pub delivery_timeout_ms: u32,

    /// CPU and memory of a producer pod. Default: 100m and 256Mi requested, 2Gi memory at most, CPU without limit (a
    /// throttled producer measures its own limit).
    #[serde(default = "default::resources")]
    pub resources: Resources,
}

fn rate_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 20,
        "x-kubernetes-validations": cel::RATE,
    })
}

mod default {
    use super::Resources;

    pub(super) fn replicas() -> u32 {
        2
    }
    pub(super) fn warmup_seconds() -> u32 {
        10
    }
    pub(super) fn idempotence() -> bool {
        true
    }
    pub(super) fn linger_ms() -> u32 {
        5
    }
    pub(super) fn batch_size_bytes() -> u32 {
        65_536
    }
    pub(super) fn clients_per_pod() -> u32 {
        1
    }
    pub(super) fn resources() -> Resources {
        Resources::of("100m", "256Mi", "2Gi")
    }
}

impl ProducerSpec {
    /// Whether the rate is to be found.
    pub fn is_search(&self) -> bool {
        matches!(&self.rate, IntOrString::String(text) if text == "search")
    }

    /// A producer at `rate` events a second that sends `events` events; everything else at its default.
    pub fn new(rate: i32, events: u64) -> Self {
        Self {
            replicas: default::replicas(),
            rate: IntOrString::Int(rate),
            events: Some(events),
            duration_seconds: None,
            warmup_seconds: default::warmup_seconds(),
            acks: Acks::default(),
            idempotence: default::idempotence(),
            linger_ms: default::linger_ms(),
            batch_size_bytes: default::batch_size_bytes(),
            compression: Compression::default(),
            clients_per_pod: default::clients_per_pod(),
            delivery_timeout_ms: 0,
            resources: default::resources(),
        }
    }
}
