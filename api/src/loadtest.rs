//! The LoadTest resource and the top level of its spec.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cel;
use crate::spec::{
    CounterSpec, DeletionPolicy, KafkaSpec, LedgerSpec, LimitsSpec, PodTemplateSpec, ProducerSpec, SearchSpec, SloSpec,
    StreamSpec, TopicSpec,
};
use crate::status::LoadTestStatus;

/// One load test: producers send a deterministic stream of events into a topic, counters add them up exactly once in
/// Redis, and a verifier compares every account afterwards.
///
/// A LoadTest is one run. All of it but `suspend`, `stop`, `abort` and `counter.replicas` is fixed at creation: for
/// other values create a new LoadTest.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "eoslab.dev",
    version = "v1alpha1",
    kind = "LoadTest",
    doc = "A load test of a Kafka cluster: a deterministic stream of events is produced, counted exactly once in Redis, and verified account by account. One LoadTest is one run.",
    namespaced,
    shortname = "lt",
    category = "eoslab",
    status = "LoadTestStatus",
    derive = "PartialEq",
    validation = cel::rule(&cel::NAME),
    selectable = ".status.verdict",
    scale(
        spec_replicas_path = ".spec.counter.replicas",
        status_replicas_path = ".status.counters.replicas",
        label_selector_path = ".status.counters.selector"
    ),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase", description = "Where the run stands"),
    printcolumn(name = "RATE", type_ = "string", json_path = ".status.display.rate", description = "Events sent a second"),
    printcolumn(name = "PRODUCED", type_ = "string", json_path = ".status.display.produced", description = "Events acknowledged by Kafka"),
    printcolumn(name = "COUNTED", type_ = "string", json_path = ".status.display.counted", description = "Events counted in the ledger"),
    printcolumn(name = "LAG", type_ = "string", json_path = ".status.display.lag", description = "Events produced and not yet counted"),
    printcolumn(name = "P99", type_ = "string", json_path = ".status.display.p99", description = "End-to-end latency, 99th percentile"),
    printcolumn(name = "VERDICT", type_ = "string", json_path = ".status.verdict", description = "Result of the run"),
    printcolumn(name = "PROGRESS", type_ = "string", json_path = ".status.progress", priority = 1, description = "Counted of expected"),
    printcolumn(name = "REASON", type_ = "string", json_path = ".status.reason", priority = 1, description = "Why the phase or verdict is what it is"),
    printcolumn(name = "GROUP", type_ = "string", json_path = ".status.group", priority = 1, description = "Consumer group of the counters"),
    printcolumn(name = "PAUSE", type_ = "string", json_path = ".status.display.pause", priority = 1, description = "Longest pause of any partition"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::SPEC))]
pub struct LoadTestSpec {
    /// Keeps the run from starting while `true`; one that sends already goes on. Default `false`.
    #[serde(default)]
    pub suspend: bool,

    /// Ends the sending: what is in the log then is counted, verified and judged like a whole run. Before the first event
    /// the verdict is `Aborted`; once all is sent it changes nothing. It can be set and not taken back. Default `false`.
    #[serde(default)]
    pub stop: bool,

    /// Ends the run at once with the verdict `Aborted`; what was measured so far is kept. It can be set and not taken
    /// back. Default `false`.
    #[serde(default)]
    pub abort: bool,

    /// The Kafka cluster under test.
    pub kafka: KafkaSpec,

    /// The topic that the run writes and reads. Default: a topic `events` of 12 partitions that is deleted with the
    /// LoadTest.
    #[serde(default)]
    pub topic: TopicSpec,

    /// The event stream: which accounts, how skewed, how large. The same values always give the same events, so a run
    /// can be repeated and its result recomputed.
    #[serde(default)]
    pub stream: StreamSpec,

    /// The producers: how fast, how many events, how durable.
    pub producer: ProducerSpec,

    /// The counters: the consumer group that adds up the events.
    #[serde(default)]
    pub counter: CounterSpec,

    /// The store of the totals and of the idempotency ledger.
    pub ledger: LedgerSpec,

    /// How the highest rate that holds is looked for, with `producer.rate: search`. Default: see its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSpec>,

    /// Objectives that the run must meet for the verdict `Pass`. Exactness is always required and not listed here.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<SloSpec>,

    /// Times after which a phase is given up, so that no run waits forever.
    #[serde(default)]
    pub limits: LimitsSpec,

    /// Image of the load pods, if other than the operator's own (`EOSLAB_IMAGE`, set by the Helm chart). Default: the
    /// operator's, so that operator and load pods always fit together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-validations" = cel::IMAGE))]
    pub image: Option<String>,

    /// Where load pods may run. Narrow on purpose: the rest of the pod is the operator's. Default: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplateSpec>,
}

impl LoadTestSpec {
    /// The same run at one rate, measured for `seconds`, on a topic of its own: what a search tries as its `number`th.
    /// Topic and ledger go with it whatever the policies say, for a search leaves a lot behind.
    pub fn at_rate(&self, number: usize, per_second: u64, seconds: u32) -> Self {
        let mut spec = self.clone();
        (spec.suspend, spec.stop, spec.abort, spec.search) = (false, false, false, None);
        spec.producer.rate = IntOrString::Int(i32::try_from(per_second).unwrap_or(i32::MAX));
        spec.producer.events = None;
        spec.producer.duration_seconds = Some(spec.producer.warmup_seconds + seconds);
        spec.counter.keep_running = false;
        spec.topic.name = format!("{}-{number:02}", spec.topic.name);
        spec.topic.deletion_policy = DeletionPolicy::Delete;
        spec.ledger.deletion_policy = DeletionPolicy::Delete;
        spec
    }
}
