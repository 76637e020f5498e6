//! `spec.counter`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod::Resources;
use crate::terms::terms;

terms! {
    /// What a counter guarantees.
    Mode {
        /// Every event is counted once, whatever dies: the ledger in Redis decides, by compare-and-set.
        #[default]
        ExactlyOnce = "exactly-once",
        /// The classic baseline: add, then commit the group's offset. A killed counter counts events twice.
        AtLeastOnce = "at-least-once",
    }
}

terms! {
    /// The protocol of the group.
    Protocol {
        /// The members' leader hands out partitions, and the group synchronizes at each change.
        #[default]
        Classic = "classic",
        /// The coordinator hands out partitions, to each member at its own pace (KIP-848, Kafka 4.0 and newer).
        Consumer = "consumer",
    }
}

terms! {
    /// How the group hands out partitions.
    Assignor {
        /// Only the partitions that move are taken away.
        #[default]
        CooperativeSticky = "cooperative-sticky",
        /// Ranges of partitions; with the protocol `classic` every partition is taken from every member on each change
        /// (stop-the-world).
        Range = "range",
    }
}

/// The counters: the consumer group that adds up the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CounterSpec {
    /// Number of counter pods, at most the number of partitions. May be changed during a run, also by
    /// `kubectl scale`. Default 3.
    #[schemars(range(min = 1, max = 512))]
    pub replicas: u32,

    /// What is guaranteed: `exactly-once` or the baseline `at-least-once`. Default `exactly-once`.
    pub mode: Mode,

    /// The group's protocol (`group.protocol`): `classic`, or `consumer` (KIP-848, Kafka 4.0 and newer), with which
    /// brokers hand out partitions and no member waits for another. Default `classic`: after a kill, `consumer` keeps a
    /// static member's partitions waiting for the brokers' session timeout, even if it is back at once.
    pub protocol: Protocol,

    /// How partitions are handed out: `cooperative-sticky` or `range`. Default `cooperative-sticky`: `range` stops all
    /// members at each change. With the protocol `consumer` they are the brokers' `uniform` and `range`, and neither
    /// stops members.
    pub assignor: Assignor,

    /// Whether a restarted counter comes back as the same member of the group (`group.instance.id`), so that a restart
    /// within the session timeout moves no partition. Default `true`.
    pub static_membership: bool,

    /// After this time without a heartbeat a counter is taken for dead and its partitions move, milliseconds. Must be
    /// above the time that a pod needs to restart. Default 10000; brokers accept 6000 and more by default. Without
    /// effect with the protocol `consumer`: there the brokers' `group.consumer.session.timeout.ms` holds, 45 s by default.
    #[schemars(range(min = 6000, max = 300_000))]
    pub session_timeout_ms: u32,

    /// Most events that a counter applies to the ledger at once, in each partition. Default 5000.
    #[schemars(range(min = 1, max = 50_000))]
    pub batch_events: u32,

    /// Longest time that a counter gathers a batch, milliseconds. Default 20: it adds to every latency, and below it
    /// Redis sees many small writes.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_interval_ms: u32,

    /// Whether the counters stay after the run and go on serving `GET /count/{account_id}`. Default `false`: they give
    /// their CPU and memory back.
    pub keep_running: bool,

    /// CPU and memory of a counter pod. Default: 100m and 256Mi requested, 1Gi memory at most, CPU without limit.
    pub resources: Resources,
}

impl Default for CounterSpec {
    fn default() -> Self {
        Self {
            replicas: 3,
            mode: Mode::default(),
            protocol: Protocol::default(),
            assignor: Assignor::default(),
            static_membership: true,
            session_timeout_ms: 10_000,
            batch_events: 5000,
            batch_interval_ms: 20,
            keep_running: false,
            resources: Resources::of("100m", "256Mi", "1Gi"),
        }
    }
}
