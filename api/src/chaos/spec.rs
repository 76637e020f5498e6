//! `spec` of a ChaosRun.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cel;
use super::status::ChaosRunStatus;
use crate::terms::terms;

/// Longest freeze of a process: Strimzi may restart a pod that does not answer for longer.
pub const PAUSE_SECONDS_MAX: u32 = 60;

terms! {
    /// What is done.
    FaultType {
        /// SIGKILL to a broker's Java process: a crash, in the same pod.
        #[default]
        KillBroker = "KillBroker",
        /// Deletion of a broker's pod: a graceful stop, and a new pod.
        StopBroker = "StopBroker",
        /// SIGSTOP to a broker, SIGCONT after `pauseSeconds`: it keeps its connections and answers nobody.
        PauseBroker = "PauseBroker",
        /// SIGKILL to a counter.
        KillCounter = "KillCounter",
        /// SIGSTOP to a counter past its session timeout, then SIGCONT: the zombie.
        PauseCounter = "PauseCounter",
        /// SIGKILL to a producer.
        KillProducer = "KillProducer",
        /// SIGKILL to Redis: with `appendfsync everysec` it may lose its last second.
        KillRedis = "KillRedis",
        /// SIGKILL to the operator that reconciles the LoadTest.
        KillOperator = "KillOperator",
        /// Rolling restart of the counters or of the brokers.
        RollingRestart = "RollingRestart",
        /// Another number of counters, and back again.
        ScaleCounters = "ScaleCounters",
    }
}

terms! {
    /// What a rolling restart restarts.
    RestartTarget {
        /// The counters, as `kubectl rollout restart` does.
        #[default]
        Counters = "Counters",
        /// The brokers, one by one: by Strimzi, or by their StatefulSet.
        Brokers = "Brokers",
    }
}

terms! {
    /// What the faults are expected to do to the totals.
    Expectation {
        /// Nothing: every account is exact.
        #[default]
        Exact = "Exact",
        /// A control: events are counted twice.
        Duplicates = "Duplicates",
        /// A control: events are lost.
        Loss = "Loss",
    }
}

/// Faults against one LoadTest, one after another. Each begins in a steady state, is measured, and is over when
/// everything is steady again. The verdict waits for that of the LoadTest.
///
/// What is done, to whom and what is expected of it is fixed at creation; `abort` and the time limits may change.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "eoslab.dev",
    version = "v1alpha1",
    kind = "ChaosRun",
    doc = "Faults against a running LoadTest, one after another: what was hit, how long each partition stood still, how long it took to recover, and whether anything was lost or doubled.",
    namespaced,
    shortname = "chaos",
    category = "eoslab",
    status = "ChaosRunStatus",
    derive = "PartialEq",
    validation = crate::cel::rule(&crate::cel::NAME),
    selectable = ".status.verdict",
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase", description = "Where the run stands"),
    printcolumn(name = "FAULT", type_ = "string", json_path = ".status.currentFault", description = "The fault at work"),
    printcolumn(name = "DONE", type_ = "string", json_path = ".status.progress", description = "Injections that are over, of all"),
    printcolumn(name = "PAUSE", type_ = "string", json_path = ".status.longestPause", description = "Longest pause of any partition"),
    printcolumn(name = "LOST", type_ = "integer", json_path = ".status.lost", description = "Events lost in the windows of the faults"),
    printcolumn(name = "DOUBLED", type_ = "integer", json_path = ".status.duplicated", description = "Events counted twice in the windows of the faults"),
    printcolumn(name = "VERDICT", type_ = "string", json_path = ".status.verdict", description = "Result of the run"),
    printcolumn(name = "REASON", type_ = "string", json_path = ".status.reason", priority = 1, description = "Why phase or verdict are what they are"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::SPEC))]
pub struct ChaosRunSpec {
    /// The LoadTest, in the same namespace. It must run for as long as the faults take.
    #[schemars(length(min = 1, max = 63))]
    pub load_test: String,

    /// The faults, in order.
    #[schemars(length(min = 1, max = 20))]
    pub faults: Vec<Fault>,

    /// Picks the victims where a fault names none. The same seed picks the same ones. Default 1.
    #[serde(default = "default_seed")]
    #[schemars(range(min = 0, max = 4_294_967_295_u64))]
    pub seed: u64,

    /// What must hold before each fault. Default: 5 s of less than 2 s of lag, every pod ready, every replica in sync.
    #[serde(default)]
    pub steady_state: SteadyState,

    /// How long a recovery may take. Default: 180 s.
    #[serde(default)]
    pub recovery: Recovery,

    /// Whether a fault from which nothing recovered in time ends the run. Default `true`.
    #[serde(default = "default_true")]
    pub stop_on_failure: bool,

    /// Only picks the victims, checks every guard and names them in the status; touches nothing. Default `false`.
    #[serde(default)]
    pub dry_run: bool,

    /// Injects also what would leave a partition with fewer than `min.insync.replicas`, or the controllers without a
    /// majority. Default `false`.
    #[serde(default)]
    pub allow_unsafe: bool,

    /// Ends the run: heals what is injected, then the verdict is `Aborted`. It can be set and not taken back. Default
    /// `false`.
    #[serde(default)]
    pub abort: bool,

    /// What the faults are expected to do to the totals: `Exact`, or for a control with the protection off
    /// `Duplicates` or `Loss`. A control that shows no harm is `Inconclusive`. Default `Exact`.
    #[serde(default)]
    pub expect: Expectation,

    /// The control, another ChaosRun of this namespace that expects harm: unless it showed harm, this run is
    /// `Inconclusive`, for then the fault might do none to anybody. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub control: Option<String>,

    /// The brokers' pods. Default: those of the Strimzi cluster in `spec.kafka.bootstrapServers` of the LoadTest
    /// (`<cluster>-kafka-bootstrap.<namespace>`), by their label `strimzi.io/cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<PodSelector>,

    /// Redis's pods. Default: the label `app.kubernetes.io/name: redis` in the namespace of the brokers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<PodSelector>,

    /// The operator's pods. Default: the label `app.kubernetes.io/component: operator` in the namespace of the chaos
    /// controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<PodSelector>,
}

fn default_seed() -> u64 {
    1
}

fn default_true() -> bool {
    true
}

fn one() -> u32 {
    1
}

/// Pods outside the LoadTest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSelector {
    /// Their namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Labels that they all have.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 10), schema_with = "crate::cel::short_strings")]
    pub match_labels: BTreeMap<String, String>,
    /// Container in which the process runs. Default: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// Name of the process. Default: `java`, `redis-server` or `operator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15))]
    pub process: Option<String>,
}

/// What must hold before each fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SteadyState {
    /// For how long it must have held, seconds. The time since the recovery from the fault before counts, which takes 2 to
    /// be sure of. Default 5.
    #[schemars(range(min = 1, max = 600))]
    pub seconds: u32,
    /// Most lag, milliseconds. Default 2000.
    #[schemars(range(min = 1, max = 600_000))]
    pub max_lag_ms: u32,
    /// The run is given up when it takes longer, seconds. Default 180.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
}

impl Default for SteadyState {
    fn default() -> Self {
        Self {
            seconds: 5,
            max_lag_ms: 2000,
            timeout_seconds: 180,
        }
    }
}

/// How long a recovery may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Recovery {
    /// From the end of the fault until every pod is ready, every replica in sync and the lag drained, seconds. After
    /// `ScaleCounters` the partitions must be with as many counters as before, too: more than their session timeout.
    /// Default 180.
    #[schemars(range(min = 5, max = 3600))]
    pub timeout_seconds: u32,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { timeout_seconds: 180 }
    }
}

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::FAULT))]
pub struct Fault {
    /// What is done.
    #[serde(rename = "type")]
    pub fault_type: FaultType,
    /// To whom. Default: a random one among those that qualify, by `spec.seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<FaultTarget>,
    /// Length of a freeze, seconds; for `PauseBroker` and `PauseCounter`. Default: 10 for a broker; for a counter two
    /// seconds more than its session timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub pause_seconds: Option<u32>,
    /// Number of counters; for `ScaleCounters`. Kept until all of them count and everything is steady, for half of
    /// `recovery.timeoutSeconds` at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub replicas: Option<u32>,
    /// How many times, each once everything has recovered from the one before and is steady. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 50))]
    pub repeat: u32,
}

/// Who is hit: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultTarget {
    /// The broker that leads this partition of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 511))]
    pub leader_of: Option<u32>,
    /// The broker of this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647_u32))]
    pub broker_id: Option<u32>,
    /// The active controller of the quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_controller: Option<bool>,
    /// The counter or producer of this slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 511))]
    pub slot: Option<u32>,
    /// What a `RollingRestart` restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartTarget>,
}
