//! What was observed, as plain data: the input of every decision.

pub mod log;
pub mod members;
pub mod pods;
pub mod slope;
pub mod slots;
pub mod topic;
pub mod totals;
pub mod trend;
pub mod usage;
pub mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eoslab_api::UtilizationStatus;
use eoslab_core::report::{AckGap, Pause};
use eoslab_counter::ledger::LedgerEntry;

use log::LogRange;
use slots::Group;
use topic::{Cause, TopicState};
use totals::{CounterTotals, ProducerTotals};
use trend::Achieved;
use verify::VerifyState;

/// What is known of Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// Not looked at.
    #[default]
    NotLooked,
    /// It answers.
    Ready,
    /// It cannot be used.
    Unready(Cause),
}

/// The stream in numbers, computed from the spec alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Digest of the layout.
    pub digest: u64,
    /// Events of each partition; `None` where the run ends by time.
    pub counts: Option<Vec<u64>>,
}

/// Pauses noted in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// How many.
    pub count: u64,
    /// The sum of all, us.
    pub total_us: u64,
    /// The sum of those of each partition, us.
    pub by_partition_us: Vec<u64>,
    /// The longest.
    pub longest: Option<Pause>,
    /// Those that ended since the first disturbance began that is not over.
    pub recent: Vec<Pause>,
    /// All of them.
    pub all: Arc<[Pause]>,
}

impl Pauses {
    /// Sums pauses up, and keeps those that ended at `since_us` or later.
    pub fn new(pauses: Vec<Pause>, partitions: u32, since_us: Option<i64>) -> Self {
        let mut by_partition_us = vec![0; partitions as usize];
        for pause in &pauses {
            if let Some(sum_us) = by_partition_us.get_mut(pause.partition as usize) {
                *sum_us += pause.length_us;
            }
        }
        let is_recent = |pause: &&Pause| since_us.is_some_and(|since_us| pause.ended_at_us >= since_us);
        Self {
            count: pauses.len() as u64,
            total_us: pauses.iter().map(|pause| pause.length_us).sum(),
            by_partition_us,
            longest: pauses.iter().max_by_key(|pause| pause.length_us).cloned(),
            recent: pauses.iter().filter(is_recent).cloned().collect(),
            all: pauses.into(),
        }
    }
}

/// Everything that one look saw. What a phase does not need is not looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Another LoadTest on the same topic that goes first.
    pub rival: Option<String>,
    /// The topic.
    pub topic: TopicState,
    /// Redis.
    pub store: StoreState,
    /// The stream; `None` while it is not computed.
    pub stream: Option<Stream>,
    /// Producers.
    pub producers: Group,
    /// Counters.
    pub counters: Group,
    /// Producer slots that have nothing left to do.
    pub done: BTreeSet<u32>,
    /// Sums of the producers' reports.
    pub produced: ProducerTotals,
    /// Sums of the counters' reports.
    pub counted: CounterTotals,
    /// Rebalances that each living counter has reported, by the UID of its pod.
    pub rebalances: BTreeMap<String, u64>,
    /// Times without an acknowledgement that ended since the first disturbance began that is not over.
    pub ack_gaps: Vec<AckGap>,
    /// Least lag of the last seconds.
    pub least_lag: Option<u64>,
    /// Offsets of the log; `None` where they could not be read.
    pub log: Option<Vec<LogRange>>,
    /// Ledger; `None` where it could not be read.
    pub ledger: Option<Vec<LedgerEntry>>,
    /// Pauses; `None` where they were not read.
    pub pauses: Option<Pauses>,
    /// Last seq + 1 of each partition of the log; read only once nobody sends any more.
    pub tail: Option<Vec<u64>>,
    /// Events sent and counted a second lately.
    pub rates: Option<(u64, u64)>,
    /// What was achieved up to the last look at which producers still sent.
    pub achieved: Option<Achieved>,
    /// How busy every part was; `None` while too little was seen.
    pub utilization: Option<UtilizationStatus>,
    /// Whether the run holds its rate; `None` while too little was seen.
    pub is_steady: Option<bool>,
    /// For how long no event was written although some should be, us.
    pub no_progress_us: i64,
    /// The verification.
    pub verify: VerifyState,
    /// What could not be looked at this time, in words.
    pub blind: Option<Cause>,
}

impl Seen {
    /// Events that were sent: what a dead producer sent after its last report is in the log.
    pub fn sent_events(&self) -> u64 {
        let records: u64 = self.log.iter().flatten().map(LogRange::records).sum();
        self.produced.sent.max(records)
    }

    /// Events that the ledger says were counted.
    pub fn counted_events(&self) -> Option<u64> {
        self.ledger.as_deref().map(log::counted)
    }

    /// Events of the stream in the log.
    pub fn events_in_log(&self) -> Option<u64> {
        let (log, ledger) = (self.log.as_deref()?, self.ledger.as_deref()?);
        Some(log::events_in_log(log, ledger))
    }
}
