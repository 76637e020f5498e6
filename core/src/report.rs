//! What the pods publish under `GET /report` and what the operator reads: the wire contract between them.
//!
//! Every count is cumulative for one *incarnation* (one process), so a reader may miss any number of polls and loses
//! nothing but the samples between the last poll and a crash. Times are microseconds since the Unix epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{LatencyHistogram, ResourceUse, Tally};

/// Most failed or indeterminate seq ranges that one partition keeps; further ones are only counted.
pub const SEQ_RANGES_MAX: usize = 64;
/// Most malformed records that one counter keeps as samples; further ones are only counted.
pub const MALFORMED_SAMPLES_MAX: usize = 20;
/// Most times without an acknowledgement that one producer keeps; the oldest go first.
pub const ACK_GAPS_MAX: usize = 500;
/// Shortest time without an acknowledgement that is noted, microseconds: above what a full batch takes.
pub const ACK_GAP_MIN_US: u64 = 100_000;
/// Most wrong accounts that a verification names; further ones are only counted.
pub const WRONG_ACCOUNTS_MAX: usize = 10;

/// Who publishes a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Identity of the run: the UID of the LoadTest.
    pub run_id: String,
    /// Slot of the member within its role, from 0.
    pub slot: u32,
    /// Identity of this process: `<pod name>/<pod uid>/<process start, us>`; changes with every restart.
    pub incarnation: String,
    /// When this process started.
    pub started_at_us: i64,
}

/// Where a producer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum ProducerState {
    /// Claims its slot, builds its streams, reads the tails of its partitions.
    #[default]
    Preparing,
    /// Ready; the slot's Lease does not carry a start time yet.
    Waiting,
    /// Sends on its schedule.
    Sending,
    /// Every event of its partitions is acknowledged, failed or indeterminate; nothing is in flight.
    Done,
}

/// An inclusive range of seqs of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeqRange {
    /// First seq of the range.
    pub first: u64,
    /// Last seq of the range.
    pub last: u64,
}

/// What one producer incarnation did in one partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionProduced {
    /// Partition of the topic.
    pub partition: u32,
    /// First seq that this incarnation was to send: 0, or the log's last seq + 1 after a restart.
    pub first_seq: u64,
    /// Next seq to hand to the client: `first_seq..next_seq` were handed over.
    pub next_seq: u64,
    /// End of the partition's stream (`N_p`), or `None` where the run ends by time.
    pub end_seq: Option<u64>,
    /// Events acknowledged by the broker.
    pub acked: Tally,
    /// Highest seq acknowledged.
    pub highest_acked_seq: Option<u64>,
    /// Sends that the client reports as certainly not written.
    pub failed: u64,
    /// Sends of unknown outcome (possibly written).
    pub indeterminate: u64,
    /// Seqs of the failed sends, at most [`SEQ_RANGES_MAX`] ranges.
    pub failed_ranges: Vec<SeqRange>,
    /// Seqs of the indeterminate sends, at most [`SEQ_RANGES_MAX`] ranges.
    pub indeterminate_ranges: Vec<SeqRange>,
}

/// A time in which a partition got no acknowledgement although sends waited for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AckGap {
    /// Partition of the topic.
    pub partition: u32,
    /// When the acknowledgement came that ended it.
    pub ended_at_us: i64,
    /// Length: that acknowledgement minus the later of the one before and the first send that waited. After a restart
    /// of the producer the one before is the log's last record.
    pub length_us: u64,
}

/// What one producer incarnation did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerReport {
    /// Who publishes.
    pub member: Member,
    /// Where it stands.
    pub state: ProducerState,
    /// Digest of the stream layout it sends; equal in all members of a run.
    pub layout_digest: u64,
    /// Wanted rate of this member, events a second; `None` in a closed loop (`rate: max`).
    pub target_rate_per_second: Option<f64>,
    /// Events handed to the client.
    pub sent: u64,
    /// Time spent waiting because the client's queue was full.
    pub queue_full_us: u64,
    /// Times the client was rebuilt after a fatal error.
    pub client_rebuilds: u64,
    /// Time that a broker held its connection back by a quota, all clients of the process together.
    pub quota_us: u64,
    /// What its Kafka client was configured with; everything else is as librdkafka has it.
    pub client_config: BTreeMap<String, String>,
    /// What the process and its node use.
    pub usage: ResourceUse,
    /// Schedule lateness: when an event was ready to be sent, minus its intended send. Empty in a closed loop.
    pub lateness: LatencyHistogram,
    /// Response latency: acknowledgement minus *intended* send. Empty in a closed loop.
    pub response: LatencyHistogram,
    /// Service latency: acknowledgement minus *actual* send, which is the hand-over to the Kafka client. With
    /// idempotence what waits for its batch to fill, or for the batch before it, is not handed over yet.
    pub service: LatencyHistogram,
    /// One entry for each owned partition.
    pub partitions: Vec<PartitionProduced>,
    /// The last times without an acknowledgement of at least [`ACK_GAP_MIN_US`], at most [`ACK_GAPS_MAX`].
    #[serde(default)]
    pub ack_gaps: Vec<AckGap>,
}

/// What one counter incarnation did in one partition that it holds or held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionCounted {
    /// Partition of the topic.
    pub partition: u32,
    /// Whether it is assigned to this member now.
    pub assigned: bool,
    /// Offset of the last record this member saw applied, -1 before the first.
    pub applied_offset: i64,
    /// Seq of the last event this member saw applied, -1 before the first.
    pub applied_seq: i64,
    /// Events that this member applied.
    pub applied: u64,
    /// Records skipped because their seq was already counted (duplicates in the log).
    pub log_duplicates: u64,
    /// Seqs that were missing between two records of the log.
    pub holes: u64,
    /// Records that are no event: wrong size, key or account.
    pub malformed: u64,
}

/// A record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MalformedSample {
    /// Partition of the record.
    pub partition: u32,
    /// Offset of the record.
    pub offset: i64,
    /// What is wrong with it, in words.
    pub reason: String,
}

/// A time in which a partition's ledger did not move although events waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Partition of the topic.
    pub partition: u32,
    /// End of the pause by the ledger's own clock.
    pub ended_at_us: i64,
    /// Length: this apply minus the later of the last apply and the arrival of the first waiting event.
    pub length_us: u64,
    /// Slot identity that applied last before the pause.
    pub member_before: String,
    /// Slot identity that applied first after it.
    pub member_after: String,
}

/// What one counter incarnation did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CounterReport {
    /// Who publishes.
    pub member: Member,
    /// Digest of the stream layout it assumes.
    pub layout_digest: u64,
    /// Events applied to the ledger.
    pub applied: u64,
    /// Batches applied to the ledger.
    pub batches: u64,
    /// Batches cut but not yet acknowledged by Redis.
    pub in_flight_batches: u64,
    /// Applies refused because the ledger was ahead: another member had counted the events.
    pub conflicts: u64,
    /// Applies refused because the ledger was behind: Redis lost its tail and the member went back.
    pub rewinds: u64,
    /// Times partitions were assigned or revoked.
    pub rebalances: u64,
    /// Time spent in Redis calls, and waiting while Redis took none.
    pub redis_us: u64,
    /// Redis calls, each with a batch of every partition that had one.
    pub redis_calls: u64,
    /// Time spent waiting for records while Redis would have taken them.
    pub idle_us: u64,
    /// Time that a broker held its connection back by a quota.
    pub quota_us: u64,
    /// What its Kafka client was configured with; everything else is as librdkafka has it.
    pub client_config: BTreeMap<String, String>,
    /// What the process and its node use.
    pub usage: ResourceUse,
    /// Samples with an end-to-end latency below zero, which a histogram cannot hold (clock skew).
    pub negative_latencies: u64,
    /// End-to-end latency: Redis's acknowledgement minus the intended send time.
    pub end_to_end: LatencyHistogram,
    /// One entry for each partition held in this incarnation's life.
    pub partitions: Vec<PartitionCounted>,
    /// The first malformed records, at most [`MALFORMED_SAMPLES_MAX`].
    pub malformed_samples: Vec<MalformedSample>,
}

/// An account whose total is not what the stream says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrongAccount {
    /// The account.
    pub account_id: u64,
    /// The partition whose share of the account is wrong.
    pub partition: u32,
    /// Total that the stream says.
    pub expected: i64,
    /// Total in the ledger.
    pub counted: i64,
}

/// Result of `counter verify`: the streams regenerated and compared with the ledger, account by account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// Identity of the run.
    pub run_id: String,
    /// Digest of the stream layout.
    pub layout_digest: u64,
    /// Events that the streams hold.
    pub expected: Tally,
    /// What the ledger says was counted.
    pub counted: Tally,
    /// Events missing, summed over the partitions that hold too few.
    pub lost: u64,
    /// Events too many, summed over the partitions that hold too many.
    pub duplicated: u64,
    /// Partitions whose tally (count, sum or digest) is not the stream's.
    pub partitions_wrong: Vec<u32>,
    /// Accounts compared: every account slot of every partition.
    pub accounts_compared: u64,
    /// Accounts whose total is wrong.
    pub accounts_wrong: u64,
    /// The first wrong accounts, at most [`WRONG_ACCOUNTS_MAX`].
    pub wrong_accounts: Vec<WrongAccount>,
    /// How long the verification took.
    pub elapsed_ms: u64,
}

impl VerifyReport {
    /// Whether every account and every partition's tally is exactly what the stream says.
    pub fn is_exact(&self) -> bool {
        self.accounts_wrong == 0
            && self.partitions_wrong.is_empty()
            && self.lost == 0
            && self.duplicated == 0
            && self.expected == self.counted
    }
}
