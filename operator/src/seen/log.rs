//! The log and the ledger side by side: lag, and whether the counters are through.

use eoslab_counter::ledger::LedgerEntry;

/// Offsets of one partition of the log: `begin..end` are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRange {
    /// First offset.
    pub begin: i64,
    /// Offset that the next record will get.
    pub end: i64,
}

impl LogRange {
    /// Records that were ever written, deleted ones included.
    pub fn written(&self) -> u64 {
        self.end.max(0) as u64
    }

    /// Records in the log.
    pub fn records(&self) -> u64 {
        (self.end - self.begin).max(0) as u64
    }
}

/// Events that wait to be counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events, all partitions together.
    pub records: u64,
    /// Age of the oldest of them, ms.
    pub millis: u64,
    /// Partition with the most events waiting, if any wait.
    pub worst_partition: Option<u32>,
    /// Events and ms, by partition.
    pub partitions: Vec<(u64, u64)>,
}

/// Compares ends that were read first with a ledger that was read second: a partition can only look further than it
/// is, and never behind by events that came in between.
pub fn lag(log: &[LogRange], ledger: &[LedgerEntry], now_us: i64) -> Lag {
    let partitions: Vec<(u64, u64)> = log
        .iter()
        .zip(ledger)
        .map(|(log, entry)| of_one(log, entry, now_us))
        .collect();
    let worst = partitions.iter().enumerate().max_by_key(|(_, (records, _))| *records);
    Lag {
        records: partitions.iter().map(|(records, _)| records).sum(),
        millis: partitions.iter().map(|(_, millis)| *millis).max().unwrap_or(0),
        worst_partition: worst
            .filter(|(_, (records, _))| *records > 0)
            .map(|(partition, _)| partition as u32),
        partitions,
    }
}

fn of_one(log: &LogRange, entry: &LedgerEntry, now_us: i64) -> (u64, u64) {
    let next = (entry.offset + 1).max(log.begin);
    let records = (log.end - next).max(0) as u64;
    let age_us = if records > 0 && entry.ts_us > 0 {
        now_us - entry.ts_us
    } else {
        0
    };
    (records, (age_us / 1000).max(0) as u64)
}

/// Partitions that are not counted to their end: neither has the last event of the stream been counted, nor everything
/// that is in the log. The latter counts only when nobody sends any more.
pub fn undrained(counts: Option<&[u64]>, log: Option<&[LogRange]>, ledger: &[LedgerEntry]) -> Vec<u32> {
    let all_events = |entry: &LedgerEntry, partition: usize| {
        let count = counts.and_then(|counts| counts.get(partition));
        count.is_some_and(|count| entry.seq >= *count as i64 - 1)
    };
    let all_records = |entry: &LedgerEntry, partition: usize| {
        let range = log.and_then(|log| log.get(partition));
        range.is_some_and(|range| entry.offset >= range.end - 1 || range.records() == 0)
    };
    ledger
        .iter()
        .enumerate()
        .filter(|(partition, entry)| !all_events(entry, *partition) && !all_records(entry, *partition))
        .map(|(partition, _)| partition as u32)
        .collect()
}

/// Events of the stream in the log: records without duplicates and without what is no event. Both are known from the
/// counters, so the number is right only once they are through.
pub fn events_in_log(log: &[LogRange], ledger: &[LedgerEntry]) -> u64 {
    let records: u64 = log.iter().map(LogRange::records).sum();
    let others: u64 = ledger.iter().map(|entry| entry.log_duplicates + entry.malformed).sum();
    records.saturating_sub(others)
}

/// Events that the ledger says were counted.
pub fn counted(ledger: &[LedgerEntry]) -> u64 {
    ledger.iter().map(|entry| entry.tally.count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(partition: u32, offset: i64, seq: i64, ts_us: i64) -> LedgerEntry {
        LedgerEntry {
            offset,
            seq,
            ts_us,
            ..LedgerEntry::empty(partition)
        }
    }

    fn ends(ends: &[i64]) -> Vec<LogRange> {
        ends.iter().map(|end| LogRange { begin: 0, end: *end }).collect()
    }

    #[test]
    fn lag_is_what_the_log_has_and_the_ledger_has_not() {
        let ledger = [
            entry(0, 99, 99, 1_000_000),
            entry(1, 9, 9, 400_000),
            entry(2, -1, -1, 0),
        ];
        let lag = lag(&ends(&[100, 30, 5]), &ledger, 1_500_000);
        assert_eq!(lag.partitions, [(0, 0), (20, 1100), (5, 0)]);
        assert_eq!((lag.records, lag.millis, lag.worst_partition), (25, 1100, Some(1)));
    }

    #[test]
    fn lag_is_never_below_zero_and_begins_where_the_log_does() {
        let ahead = lag(&ends(&[90]), &[entry(0, 99, 99, 1)], 2_000_000);
        assert_eq!((ahead.records, ahead.millis, ahead.worst_partition), (0, 0, None));
        let later = [LogRange { begin: 40, end: 50 }];
        assert_eq!(lag(&later, &[entry(0, -1, -1, 0)], 0).records, 10);
    }

    #[test]
    fn a_partition_is_drained_at_the_end_of_its_stream_or_of_the_log() {
        let ledger = [
            entry(0, 9, 9, 1),
            entry(1, 4, 4, 1),
            entry(2, -1, -1, 0),
            entry(3, 7, 6, 1),
        ];
        let counts = [10, 10, 0, 10];
        assert_eq!(undrained(Some(&counts), None, &ledger), [1, 3]);
        assert_eq!(
            undrained(Some(&counts), Some(&ends(&[10, 10, 0, 8])), &ledger),
            [1],
            "3: the log has no more"
        );
        assert_eq!(undrained(None, Some(&ends(&[10, 5, 0, 9])), &ledger), [3]);
        assert_eq!(undrained(None, None, &ledger), [0, 1, 2, 3], "nothing is known");
    }

    #[test]
    fn duplicates_and_foreign_records_are_no_events() {
        let mut ledger = vec![entry(0, 11, 9, 1)];
        (ledger[0].log_duplicates, ledger[0].malformed) = (1, 1);
        assert_eq!(events_in_log(&ends(&[12]), &ledger), 10);
    }
}
