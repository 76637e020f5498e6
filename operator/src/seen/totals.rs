//! Reports of members, added up.

use std::collections::{BTreeMap, BTreeSet};

use eoslab_core::report::{
    CounterReport, MALFORMED_SAMPLES_MAX, MalformedSample, PartitionProduced, ProducerReport, SEQ_RANGES_MAX, SeqRange,
};
use eoslab_core::{LatencyHistogram, Tally};
use serde::{Deserialize, Serialize};

/// What producers did in one partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartitionTotals {
    /// Events acknowledged. A seq that two incarnations sent is in it twice.
    pub acked: Tally,
    /// Highest seq acknowledged.
    pub highest_acked_seq: Option<u64>,
    /// Sends certainly not written.
    pub failed: u64,
    /// Sends of unknown outcome.
    pub indeterminate: u64,
    /// Seqs of the failed sends.
    pub failed_ranges: Vec<SeqRange>,
}

/// What all producers did, over every incarnation whose report is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerTotals {
    /// Events handed to the client.
    pub sent: u64,
    /// Time spent waiting because the client's queue was full.
    pub queue_full_us: u64,
    /// Times that a client was rebuilt.
    pub client_rebuilds: u64,
    /// Actual minus intended send.
    pub lateness: LatencyHistogram,
    /// Acknowledgement minus intended send.
    pub response: LatencyHistogram,
    /// Acknowledgement minus actual send.
    pub service: LatencyHistogram,
    /// By partition.
    pub partitions: BTreeMap<u32, PartitionTotals>,
    /// Digests of the layouts that were sent; more than one is an error.
    pub layouts: BTreeSet<u64>,
}

impl ProducerTotals {
    /// Adds a report.
    pub fn add(&mut self, report: &ProducerReport) {
        self.sent += report.sent;
        self.queue_full_us += report.queue_full_us;
        self.client_rebuilds += report.client_rebuilds;
        self.lateness.merge(&report.lateness);
        self.response.merge(&report.response);
        self.service.merge(&report.service);
        self.layouts.extend(layout(report.layout_digest));
        for produced in &report.partitions {
            self.partitions.entry(produced.partition).or_default().add(produced);
        }
    }

    /// Events acknowledged, all partitions together.
    pub fn acked(&self) -> u64 {
        self.partitions.values().map(|partition| partition.acked.count).sum()
    }

    /// Events certainly not written.
    pub fn failed(&self) -> u64 {
        self.partitions.values().map(|partition| partition.failed).sum()
    }

    /// Events of unknown fate.
    pub fn indeterminate(&self) -> u64 {
        self.partitions.values().map(|partition| partition.indeterminate).sum()
    }
}

impl PartitionTotals {
    fn add(&mut self, produced: &PartitionProduced) {
        self.acked += produced.acked;
        self.highest_acked_seq = self.highest_acked_seq.max(produced.highest_acked_seq);
        self.failed += produced.failed;
        self.indeterminate += produced.indeterminate;
        let room = SEQ_RANGES_MAX - self.failed_ranges.len().min(SEQ_RANGES_MAX);
        self.failed_ranges.extend(produced.failed_ranges.iter().take(room));
    }
}

/// What all counters did, over every incarnation whose report is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CounterTotals {
    /// Events applied.
    pub applied: u64,
    /// Batches applied.
    pub batches: u64,
    /// Applies refused because the ledger was ahead.
    pub conflicts: u64,
    /// Applies refused because the ledger was behind.
    pub rewinds: u64,
    /// Times that partitions were assigned or revoked.
    pub rebalances: u64,
    /// Samples below zero.
    pub negative_latencies: u64,
    /// Acknowledged count minus intended send.
    pub end_to_end: LatencyHistogram,
    /// The first malformed records.
    pub malformed_samples: Vec<MalformedSample>,
    /// Digests of the layouts that were assumed; more than one is an error.
    pub layouts: BTreeSet<u64>,
}

impl CounterTotals {
    /// Adds a report.
    pub fn add(&mut self, report: &CounterReport) {
        self.applied += report.applied;
        self.batches += report.batches;
        self.conflicts += report.conflicts;
        self.rewinds += report.rewinds;
        self.rebalances += report.rebalances;
        self.negative_latencies += report.negative_latencies;
        self.end_to_end.merge(&report.end_to_end);
        self.layouts.extend(layout(report.layout_digest));
        for sample in &report.malformed_samples {
            if self.malformed_samples.len() < MALFORMED_SAMPLES_MAX && !self.malformed_samples.contains(sample) {
                self.malformed_samples.push(sample.clone());
            }
        }
    }
}

/// A member that has not built its layout yet reports 0.
fn layout(digest: u64) -> Option<u64> {
    (digest != 0).then_some(digest)
}
