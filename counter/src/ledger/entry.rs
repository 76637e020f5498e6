//! What is stored for a partition, read back.

use eoslab_core::Tally;

/// State of one partition's ledger. A partition to which nothing was ever applied has offset and seq -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Partition of the topic.
    pub partition: u32,
    /// Offset of the last record applied, -1 before the first.
    pub offset: i64,
    /// Seq of the last event applied, -1 before the first.
    pub seq: i64,
    /// Tally of all events applied.
    pub tally: Tally,
    /// When the last batch was applied, by Redis's clock, us since the Unix epoch; 0 before the first.
    pub at_us: i64,
    /// `ts` of the last event applied, us since the Unix epoch; 0 before the first.
    pub ts_us: i64,
    /// Member that applied last; empty before the first.
    pub member: String,
    /// Records skipped because their seq was already counted.
    pub log_duplicates: u64,
    /// Seqs that were missing between two records.
    pub holes: u64,
    /// Records that are no event.
    pub malformed: u64,
}

impl LedgerEntry {
    /// The entry of a partition to which nothing was ever applied.
    pub fn empty(partition: u32) -> Self {
        Self {
            partition,
            offset: -1,
            seq: -1,
            tally: Tally::default(),
            at_us: 0,
            ts_us: 0,
            member: String::new(),
            log_duplicates: 0,
            holes: 0,
            malformed: 0,
        }
    }
}
