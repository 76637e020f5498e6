//! What this process has done so far, in plain numbers; scrapes and reports read a copy.

use std::collections::BTreeMap;

use eoslab_core::report::{CounterReport, MALFORMED_SAMPLES_MAX, MalformedSample, PartitionCounted};
use eoslab_runtime::metrics::LatencyBuckets;

use crate::count::{Malformed, PartitionState};

/// Running totals of one process.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The report, but for its partitions and what a copy fills in.
    pub report: CounterReport,
    /// Records received, of whatever kind.
    pub received: u64,
    /// End-to-end latency for the live view; the report holds the record of truth.
    pub latencies: LatencyBuckets,
    /// Failed calls of the ledger, by kind.
    pub ledger_errors: BTreeMap<&'static str, u64>,
    partitions: BTreeMap<u32, PartitionCounted>,
}

impl Stats {
    /// Notes that a partition is assigned, or no longer.
    pub fn note_assigned(&mut self, partition: u32, assigned: bool) {
        self.partition(partition).assigned = assigned;
    }

    /// Notes that the sealed batch of `state` was counted by this member.
    pub fn note_applied(&mut self, partition: u32, state: &PartitionState) {
        let count = state.batch().tally().count;
        let (log_duplicates, holes, malformed) = state.batch().flaws();
        self.report.applied += count;
        self.report.batches += 1;
        let counted = self.partition(partition);
        counted.applied += count;
        counted.log_duplicates += log_duplicates;
        counted.holes += holes;
        counted.malformed += malformed;
    }

    /// Notes how far a partition is counted.
    pub fn note_position(&mut self, partition: u32, state: &PartitionState) {
        let applied = state.applied();
        let counted = self.partition(partition);
        counted.applied_offset = applied.offset;
        counted.applied_seq = applied.seq.unwrap_or(-1);
    }

    /// Records the latencies of events that were counted at `now_us`, but for those before `measure_from_us`.
    pub fn note_latencies(&mut self, ts_us: &[i64], now_us: i64, measure_from_us: i64) {
        for ts_us in ts_us.iter().filter(|ts_us| **ts_us >= measure_from_us) {
            match u64::try_from(now_us - ts_us) {
                Ok(us) => {
                    self.report.end_to_end.record(us);
                    self.latencies.record(us);
                }
                Err(_) => self.report.negative_latencies += 1,
            }
        }
    }

    /// Keeps a malformed record as a sample. `false` once there are enough.
    pub fn sample_malformed(&mut self, partition: u32, offset: i64, reason: &Malformed) -> bool {
        let more = self.report.malformed_samples.len() < MALFORMED_SAMPLES_MAX;
        if more {
            let reason = reason.to_string();
            self.report.malformed_samples.push(MalformedSample {
                partition,
                offset,
                reason,
            });
        }
        more
    }

    /// The report as it is now.
    pub fn report(&self) -> CounterReport {
        CounterReport {
            partitions: self.partitions.values().cloned().collect(),
            ..self.report.clone()
        }
    }

    fn partition(&mut self, partition: u32) -> &mut PartitionCounted {
        self.partitions.entry(partition).or_insert_with(|| PartitionCounted {
            partition,
            applied_offset: -1,
            applied_seq: -1,
            ..PartitionCounted::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_before_the_measurement_and_below_zero_are_no_samples() {
        let mut stats = Stats::default();
        stats.note_latencies(&[999, 1_000, 1_500, 3_000], 2_000, 1_000);
        assert_eq!((stats.report.end_to_end.count(), stats.latencies.count()), (2, 2));
        assert_eq!(stats.report.negative_latencies, 1);
        assert!(stats.report.end_to_end.max() >= 1_000);
    }

    #[test]
    fn samples_of_malformed_records_are_bounded() {
        let mut stats = Stats::default();
        let kept = (0..100)
            .filter(|offset| stats.sample_malformed(1, *offset, &Malformed::NoKey))
            .count();
        assert_eq!(
            (kept, stats.report.malformed_samples.len()),
            (MALFORMED_SAMPLES_MAX, MALFORMED_SAMPLES_MAX)
        );
    }

    #[test]
    fn a_report_holds_every_partition_ever_held() {
        let mut stats = Stats::default();
        stats.note_assigned(7, true);
        stats.note_assigned(3, true);
        stats.note_assigned(7, false);
        let partitions = stats.report().partitions;
        assert_eq!(
            partitions.iter().map(|p| (p.partition, p.assigned)).collect::<Vec<_>>(),
            [(3, true), (7, false)]
        );
        assert_eq!(partitions[0].applied_offset, -1);
    }
}
