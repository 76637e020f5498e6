//! What one client's thread has done: written by it, read by `/report`, `/metrics` and the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use eoslab_core::report::PartitionProduced;
use eoslab_core::{Event, LatencyHistogram, Tally};
use eoslab_runtime::metrics::LatencyBuckets;

use crate::ack_watch::{AckGaps, AckWatch};
use crate::client::Outcome;
use crate::ranges::SeqRanges;
use crate::schedule::Schedule;

/// What was done in one partition.
#[derive(Clone, Debug)]
pub struct LaneProgress {
    /// Partition of the topic.
    pub partition: u32,
    /// First seq that this process was to send.
    pub first_seq: u64,
    /// Next seq to hand over.
    pub next_seq: u64,
    /// Next seq to admit: what lies between waits for its batch.
    pub admitted_seq: u64,
    /// End (exclusive) of the stream, unless the run ends by time.
    pub end_seq: Option<u64>,
    /// The open model's schedule; `None` in a closed loop.
    pub schedule: Option<Schedule>,
    /// How long it goes without an acknowledgement.
    pub acks: AckWatch,
    acked: Tally,
    highest_acked_seq: Option<u64>,
    failed: SeqRanges,
    indeterminate: SeqRanges,
    failed_sends: u64,
    indeterminate_sends: u64,
}

impl LaneProgress {
    /// Nothing was sent yet; the first is to be `first_seq`.
    pub fn new(partition: u32, first_seq: u64, end_seq: Option<u64>, schedule: Option<Schedule>) -> Self {
        Self {
            partition,
            first_seq,
            next_seq: first_seq,
            admitted_seq: first_seq,
            end_seq,
            schedule,
            acks: AckWatch::default(),
            acked: Tally::default(),
            highest_acked_seq: None,
            failed: SeqRanges::default(),
            indeterminate: SeqRanges::default(),
            failed_sends: 0,
            indeterminate_sends: 0,
        }
    }

    /// Books the outcome of one send.
    #[inline]
    pub fn book(&mut self, event: &Event, outcome: Outcome) {
        match outcome {
            Outcome::Acked => {
                self.acked
                    .add(self.partition, event.seq, event.account_id, event.amount);
                self.highest_acked_seq = self.highest_acked_seq.max(Some(event.seq));
            }
            Outcome::Failed(_) => {
                self.failed.insert(event.seq);
                self.failed_sends += 1;
            }
            Outcome::Indeterminate(_) => {
                self.indeterminate.insert(event.seq);
                self.indeterminate_sends += 1;
            }
        }
    }

    /// Takes the partition up at `seq`, which is behind the last event of its log. What was not acknowledged below it
    /// keeps its outcome; what lies above is sent again, and its former outcome forgotten.
    pub fn rewind(&mut self, seq: u64) {
        self.failed.truncate(seq);
        self.indeterminate.truncate(seq);
        let open = seq.saturating_sub(self.first_seq).saturating_sub(self.acked.count);
        let failed = self.failed.count().min(open);
        self.failed.set_count(failed);
        self.indeterminate.set_count(open - failed);
        self.next_seq = seq;
        self.admitted_seq = seq;
    }

    /// Events acknowledged.
    pub fn acked(&self) -> u64 {
        self.acked.count
    }

    /// Highest seq acknowledged.
    pub fn highest_acked_seq(&self) -> Option<u64> {
        self.highest_acked_seq
    }

    /// Sends that were certainly not written.
    pub fn failed(&self) -> u64 {
        self.failed.count()
    }

    /// Sends of unknown outcome.
    pub fn indeterminate(&self) -> u64 {
        self.indeterminate.count()
    }

    /// How late the next event is, in microseconds; 0 in a closed loop, at the end, and when it is not due.
    pub fn behind_us(&self, now_us: i64) -> u64 {
        let ended = self.end_seq.is_some_and(|end| self.admitted_seq >= end);
        match self.schedule {
            Some(schedule) if !ended => {
                u64::try_from(now_us.saturating_sub(schedule.due_at(self.admitted_seq))).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// The entry of the report.
    pub fn report(&self) -> PartitionProduced {
        PartitionProduced {
            partition: self.partition,
            first_seq: self.first_seq,
            next_seq: self.next_seq,
            end_seq: self.end_seq,
            acked: self.acked,
            highest_acked_seq: self.highest_acked_seq,
            failed: self.failed.count(),
            indeterminate: self.indeterminate.count(),
            failed_ranges: self.failed.ranges().to_vec(),
            indeterminate_ranges: self.indeterminate.ranges().to_vec(),
        }
    }
}

/// What one client's thread has done in all its partitions.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Events handed over.
    pub sent: u64,
    /// Time spent waiting because the queue was full, microseconds.
    pub queue_full_us: u64,
    /// Time that a broker held the connection back by a quota, microseconds.
    pub quota_us: u64,
    /// Times the client was rebuilt.
    pub client_rebuilds: u64,
    /// Events admitted whose outcome is open.
    pub open: u64,
    /// Actual minus intended send.
    pub lateness: LatencyHistogram,
    /// Acknowledgement minus intended send.
    pub response: LatencyHistogram,
    /// Acknowledgement minus actual send.
    pub service: LatencyHistogram,
    /// The response latencies for Prometheus.
    pub response_buckets: LatencyBuckets,
    /// The service latencies for Prometheus.
    pub service_buckets: LatencyBuckets,
    /// Times without an acknowledgement.
    pub ack_gaps: AckGaps,
    /// One entry for each partition.
    pub lanes: Vec<LaneProgress>,
}

impl Progress {
    /// Adds another client's.
    pub fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.queue_full_us += other.queue_full_us;
        self.quota_us += other.quota_us;
        self.client_rebuilds += other.client_rebuilds;
        self.open += other.open;
        self.lateness.merge(&other.lateness);
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.response_buckets.merge(&other.response_buckets);
        self.service_buckets.merge(&other.service_buckets);
        self.ack_gaps.merge(other.ack_gaps);
        self.lanes.extend(other.lanes);
        self.lanes.sort_by_key(|lane| lane.partition);
    }

    /// Records the latencies of one acknowledgement; a closed loop has no response latency.
    #[inline]
    pub fn record(&mut self, service_us: u64, response_us: Option<u64>) {
        self.service.record(service_us);
        self.service_buckets.record(service_us);
        if let Some(response_us) = response_us {
            self.response.record(response_us);
            self.response_buckets.record(response_us);
        }
    }

    /// Events acknowledged.
    pub fn acked(&self) -> u64 {
        self.lanes.iter().map(LaneProgress::acked).sum()
    }

    /// Sends that were certainly not written.
    pub fn failed(&self) -> u64 {
        self.lanes.iter().map(LaneProgress::failed).sum()
    }

    /// Sends of unknown outcome.
    pub fn indeterminate(&self) -> u64 {
        self.lanes.iter().map(LaneProgress::indeterminate).sum()
    }

    /// Sends that were certainly not written, also if they were sent again; never less than before.
    pub fn failed_sends(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.failed_sends).sum()
    }

    /// Sends that were possibly written, also if they were sent again; never less than before.
    pub fn indeterminate_sends(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.indeterminate_sends).sum()
    }

    /// How late the latest partition is, microseconds.
    pub fn behind_us(&self, now_us: i64) -> u64 {
        self.lanes.iter().map(|lane| lane.behind_us(now_us)).max().unwrap_or(0)
    }
}

/// A progress that two threads share.
#[derive(Debug, Default)]
pub struct SharedProgress(Mutex<Progress>);

impl SharedProgress {
    /// Shares a progress.
    pub fn new(progress: Progress) -> Self {
        Self(Mutex::new(progress))
    }

    /// Locks it. It holds plain numbers only, which stay usable if a thread that held the lock panicked.
    pub fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use eoslab_core::report::SeqRange;
    use rdkafka::types::RDKafkaErrorCode::{MessageTimedOut, PurgeInflight};

    use super::*;

    const FAILED: Outcome = Outcome::Failed(MessageTimedOut);
    const INDETERMINATE: Outcome = Outcome::Indeterminate(PurgeInflight);

    fn event(seq: u64) -> Event {
        Event {
            account_id: 1,
            amount: 2,
            ts_us: 3,
            seq,
        }
    }

    fn lane(first: u64, outcomes: &[(std::ops::Range<u64>, Outcome)]) -> LaneProgress {
        let mut lane = LaneProgress::new(3, first, Some(1000), None);
        for (seqs, outcome) in outcomes {
            seqs.clone().for_each(|seq| lane.book(&event(seq), *outcome));
            lane.next_seq = seqs.end;
        }
        lane
    }

    fn is_balanced(lane: &LaneProgress) -> bool {
        lane.acked() + lane.failed() + lane.indeterminate() == lane.next_seq - lane.first_seq
    }

    #[test]
    fn a_rewind_forgets_the_outcome_of_what_is_sent_again() {
        let mut lane = lane(
            10,
            &[(10..20, Outcome::Acked), (20..30, INDETERMINATE), (30..35, FAILED)],
        );
        assert!(is_balanced(&lane));
        lane.rewind(26);
        assert!(is_balanced(&lane));
        let report = lane.report();
        assert_eq!((report.next_seq, report.failed, report.indeterminate), (26, 0, 6));
        assert_eq!(report.indeterminate_ranges, [SeqRange { first: 20, last: 25 }]);
        assert_eq!(report.highest_acked_seq, Some(19));
    }

    #[test]
    fn a_rewind_balances_what_was_too_scattered_to_list() {
        let mut lane = lane(0, &[(0..100, Outcome::Acked)]);
        for seq in 100..500 {
            lane.book(&event(seq), if seq % 2 == 0 { INDETERMINATE } else { FAILED });
        }
        lane.next_seq = 500;
        lane.rewind(300);
        assert!(is_balanced(&lane), "{lane:?}");
        lane.rewind(100);
        assert_eq!((lane.failed(), lane.indeterminate()), (0, 0));
    }

    #[test]
    fn a_log_that_lost_acknowledged_events_does_not_underflow() {
        let mut lane = lane(0, &[(0..100, Outcome::Acked), (100..110, INDETERMINATE)]);
        lane.rewind(50);
        assert_eq!((lane.next_seq, lane.acked(), lane.indeterminate()), (50, 100, 0));
    }

    #[test]
    fn a_partition_is_behind_only_while_something_is_due() {
        let mut lane = LaneProgress::new(0, 0, Some(3), Some(Schedule::new(1000, 0, 1.0 / 100.0)));
        assert_eq!(lane.behind_us(999), 0);
        assert_eq!(lane.behind_us(1500), 500);
        lane.admitted_seq = 2;
        assert_eq!((lane.behind_us(1100), lane.behind_us(1201)), (0, 1));
        lane.admitted_seq = 3;
        assert_eq!(lane.behind_us(9999), 0);
    }
}
