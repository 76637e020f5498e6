//! The counter without Kafka: takes records, applies batches to the ledger, and says where to read on.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use eoslab_runtime::clock::Clock;
use tracing::{info, warn};

use super::stats::Stats;
use crate::count::{Checker, NUMBER_MAX, Next, PartitionState, Position, RecordView, Taken};
use crate::ledger::{ApplyReply, Ledger, LedgerEntry, LedgerError, Mode, Outcome, Writer, decide};

/// When a batch is closed.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Records in it.
    pub events: u32,
    /// Time since its first record.
    pub interval: Duration,
}

/// Read a partition on from this offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seek {
    /// Partition of the topic.
    pub partition: u32,
    /// Next offset to read.
    pub offset: i64,
}

/// Which batches to apply.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// Those that are full or old enough, and those that wait for an answer.
    Ripe(Instant),
    /// All.
    All,
    /// Those of these partitions.
    Of(&'a [u32]),
}

/// What came of applying.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Batches that are counted now.
    pub applied: usize,
    /// Partitions to read again from elsewhere.
    pub seeks: Vec<Seek>,
    /// Why some batches are still waiting; the gravest error if there were several.
    pub failed: Option<LedgerError>,
    /// Whether Redis took or told something, or nothing is held that it could be asked about.
    pub answered: bool,
}

struct Held {
    state: PartitionState,
    opened_at: Instant,
}

impl Held {
    fn is_full(&self, limits: BatchLimits) -> bool {
        self.state.batch().records() >= limits.events || self.state.batch().is_full()
    }

    fn is_wanted(&self, partition: u32, which: Which<'_>, limits: BatchLimits) -> bool {
        match which {
            Which::All => true,
            Which::Of(partitions) => partitions.contains(&partition),
            Which::Ripe(now) => {
                self.is_full(limits) || self.state.is_sealed() || now.duration_since(self.opened_at) >= limits.interval
            }
        }
    }
}

/// Holds the partitions that are assigned, the ledger's connection, and the numbers of this process.
pub struct Engine {
    writer: Writer,
    limits: BatchLimits,
    ledger: Ledger,
    checker: Arc<Checker>,
    clock: Clock,
    partitions: Vec<Option<Held>>,
    stats: Stats,
    measure_from_us: i64,
    in_flight: Arc<AtomicU64>,
}

impl Engine {
    /// An engine without partitions.
    pub fn new(writer: Writer, limits: BatchLimits, ledger: Ledger, checker: Arc<Checker>) -> Self {
        Self {
            writer,
            limits,
            ledger,
            checker,
            clock: Clock::start(),
            partitions: Vec::new(),
            stats: Stats::default(),
            measure_from_us: 0,
            in_flight: Arc::default(),
        }
    }

    /// Keeps the number of batches on their way to Redis in `gauge`.
    pub fn show_in_flight(&mut self, gauge: Arc<AtomicU64>) {
        self.in_flight = gauge;
    }

    /// The numbers so far.
    pub fn stats(&mut self) -> &mut Stats {
        &mut self.stats
    }

    /// Whether the ledger is compared before a batch is added.
    pub fn mode(&self) -> Mode {
        self.writer.mode
    }

    /// Latencies of events with an earlier `ts` are not recorded from now on, us since the Unix epoch.
    pub fn set_measure_from(&mut self, measure_from_us: i64) {
        self.measure_from_us = measure_from_us;
    }

    /// Takes partitions over. Exactly-once: returns where to read on, from the ledger alone. At-least-once: nothing is
    /// returned, the group's committed offsets say it. On an error nothing is taken over.
    pub fn assign(&mut self, partitions: &[u32]) -> Result<Vec<Seek>, LedgerError> {
        let starts: Vec<Position> = match self.writer.mode {
            Mode::ExactlyOnce => {
                let entries = self
                    .ledger
                    .read(partitions)
                    .inspect_err(|error| self.note_error(error))?;
                entries
                    .iter()
                    .map(|entry| Position {
                        offset: entry.offset,
                        seq: Some(entry.seq),
                    })
                    .collect()
            }
            Mode::AtLeastOnce => vec![Position { offset: -1, seq: None }; partitions.len()],
        };
        for (&partition, &start) in partitions.iter().zip(&starts) {
            let state = PartitionState::new(partition, self.checker.slots(partition), start);
            let index = partition as usize;
            if self.partitions.len() <= index {
                self.partitions.resize_with(index + 1, || None);
            }
            self.stats.note_assigned(partition, true);
            self.stats.note_position(partition, &state);
            self.partitions[index] = Some(Held {
                state,
                opened_at: Instant::now(),
            });
        }
        let seek = |(&partition, start): (&u32, &Position)| Seek {
            partition,
            offset: start.offset + 1,
        };
        let seeks = partitions.iter().zip(&starts).map(seek);
        Ok(if self.writer.mode == Mode::ExactlyOnce {
            seeks.collect()
        } else {
            Vec::new()
        })
    }

    /// Gives partitions up, with whatever is in their batches.
    pub fn drop_partitions(&mut self, partitions: &[u32]) {
        for &partition in partitions {
            if let Some(held) = self.partitions.get_mut(partition as usize) {
                *held = None;
                self.stats.note_assigned(partition, false);
            }
        }
    }

    /// The partitions held.
    pub fn held(&self) -> Vec<u32> {
        self.each().map(|(partition, _)| partition).collect()
    }

    /// How far each partition held is counted.
    pub fn applied(&self) -> Vec<(u32, Position)> {
        self.each()
            .map(|(partition, held)| (partition, held.state.applied()))
            .collect()
    }

    /// Where to read each partition held on, if nothing that was read but not counted is dropped. At-least-once does
    /// not know it before the first record.
    pub fn read_positions(&self) -> Vec<Seek> {
        let known = |held: &Held| self.writer.mode == Mode::ExactlyOnce || held.state.taken().offset >= 0;
        let held = self.each().filter(|(_, held)| known(held));
        held.map(|(partition, held)| Seek {
            partition,
            offset: held.state.taken().offset + 1,
        })
        .collect()
    }

    /// Takes a record. `now` may be a moment old: it only dates batches. Returns where to read again, if need be.
    pub fn take(&mut self, record: &RecordView<'_>, now: Instant) -> Option<Seek> {
        self.stats.received += 1;
        let held = self.partitions.get_mut(record.partition as usize)?.as_mut()?;
        let content = self.checker.check(record);
        let intended_us = content.as_ref().map_or(0, |event| event.ts_us);
        let arrived_us = record.timestamp_us.unwrap_or_else(|| self.clock.now_us());
        let waiting_us = intended_us.max(arrived_us).clamp(0, NUMBER_MAX);
        if held.state.batch().records() == 0 {
            held.opened_at = now;
        }
        match held.state.take(record.offset, waiting_us, &content) {
            Taken::Counted => {
                if let Err(reason) = &content
                    && self.stats.sample_malformed(record.partition, record.offset, reason)
                {
                    warn!(partition = record.partition, offset = record.offset, %reason, "malformed record");
                }
                None
            }
            Taken::Ignored => None,
            Taken::ReadAgain(offset) => {
                warn!(
                    partition = record.partition,
                    found = record.offset,
                    from = offset,
                    "events are missing, reading again"
                );
                Some(Seek {
                    partition: record.partition,
                    offset,
                })
            }
        }
    }

    /// Whether the batch of a partition is full: it must be applied before the next record is taken.
    pub fn is_full(&self, partition: u32) -> bool {
        let held = self.partitions.get(partition as usize).and_then(Option::as_ref);
        held.is_some_and(|held| held.is_full(self.limits))
    }

    /// When the next batch becomes ripe; `None` while all are empty.
    pub fn next_ripe(&self) -> Option<Instant> {
        let open = self.each().filter(|(_, held)| held.state.batch().records() > 0);
        open.map(|(_, held)| held.opened_at + self.limits.interval).min()
    }

    /// Applies batches in one round trip. What fails for now stays sealed and is sent again by the next call.
    pub fn flush(&mut self, which: Which<'_>) -> Flushed {
        let limits = self.limits;
        let mut batches = Vec::new();
        for (partition, held) in (0..).zip(&mut self.partitions) {
            if let Some(held) = held
                && held.is_wanted(partition, which, limits)
            {
                batches.extend(held.state.seal());
            }
        }
        if batches.is_empty() {
            self.in_flight.store(0, Relaxed);
            return Flushed::default();
        }
        let sent: Vec<_> = batches
            .iter()
            .map(|batch| (batch.partition, batch.expected_offset, batch.offset))
            .collect();
        self.in_flight.store(sent.len() as u64, Relaxed);
        let started = Instant::now();
        let results = self.ledger.apply(&self.writer, &batches);
        self.stats.report.redis_us += started.elapsed().as_micros() as u64;
        let is_sent = |result: &Result<_, _>| !matches!(result, Err(LedgerError::BackingOff { .. }));
        self.stats.report.redis_calls += u64::from(results.iter().any(is_sent));
        let unanswered = results.iter().filter(|result| result.is_err()).count();
        self.in_flight.store(unanswered as u64, Relaxed);
        let now_us = self.clock.now_us();
        let mut flushed = Flushed::default();
        let mut failures = BTreeSet::new();
        for ((partition, expected, offset), result) in sent.into_iter().zip(results) {
            flushed.answered |= result.is_ok();
            let settled =
                result.and_then(|reply| self.settle(partition, decide(expected, offset, &reply), &reply, now_us));
            match settled {
                Ok(next) => {
                    flushed.applied += usize::from(next.is_none());
                    flushed.seeks.extend(next);
                }
                Err(error) => {
                    // One call, however many batches were in it.
                    if failures.insert(error.label()) {
                        self.note_error(&error);
                    }
                    self.note_failure(partition, error, &mut flushed);
                }
            }
        }
        flushed
    }

    /// Compares the ledger with what it is believed to hold of partitions that have nothing to apply: what Redis lost of
    /// them shows nowhere else.
    pub fn check(&mut self) -> Flushed {
        let idle = self.each().filter(|(_, held)| held.state.batch().records() == 0);
        let idle: Vec<u32> = idle.map(|(partition, _)| partition).collect();
        let mut flushed = Flushed::default();
        if idle.is_empty() {
            flushed.answered = self.each().next().is_none();
            return flushed;
        }
        let started = Instant::now();
        let read = self.ledger.read(&idle);
        self.stats.report.redis_us += started.elapsed().as_micros() as u64;
        match read {
            Ok(entries) => {
                flushed.answered = true;
                flushed.seeks = entries.iter().filter_map(|entry| self.compare(entry)).collect();
            }
            Err(error) => {
                self.note_error(&error);
                flushed.failed = Some(error);
            }
        }
        flushed
    }

    /// Where to read on, if the ledger of a partition without a batch is elsewhere. At-least-once goes by the group.
    fn compare(&mut self, entry: &LedgerEntry) -> Option<Seek> {
        let held = self.partitions[entry.partition as usize].as_ref()?;
        let outcome = match entry.offset.cmp(&held.state.applied().offset) {
            _ if self.writer.mode == Mode::AtLeastOnce => return None,
            Ordering::Equal => return None,
            Ordering::Less => Outcome::Behind,
            Ordering::Greater => Outcome::Ahead,
        };
        let reply = ApplyReply {
            applied: false,
            offset: entry.offset,
            seq: entry.seq,
            mine: false,
            pause_us: 0,
        };
        self.settle(entry.partition, outcome, &reply, self.clock.now_us())
            .ok()?
    }

    fn settle(
        &mut self,
        partition: u32,
        outcome: Outcome,
        reply: &ApplyReply,
        now_us: i64,
    ) -> Result<Option<Seek>, LedgerError> {
        let Some(held) = self.partitions[partition as usize].as_mut() else {
            return Ok(None);
        };
        let expected = held.state.applied().offset;
        // An answer that was lost before this one may have been the apply: then the work is this member's.
        let mine = held.state.is_ambiguous() && reply.mine;
        match outcome {
            Outcome::Contradiction => {
                return Err(LedgerError::contradiction(partition, expected, reply));
            }
            Outcome::Applied => self.stats.note_applied(partition, &held.state),
            Outcome::Landed if mine => self.stats.note_applied(partition, &held.state),
            Outcome::Landed | Outcome::Ahead => {
                self.stats.report.conflicts += 1;
                info!(
                    partition,
                    expected,
                    ledger = reply.offset,
                    "another member has counted this"
                );
            }
            Outcome::Behind => {
                self.stats.report.rewinds += 1;
                warn!(
                    partition,
                    expected,
                    ledger = reply.offset,
                    "redis has lost its tail, going back"
                );
            }
        }
        if outcome == Outcome::Applied || (outcome == Outcome::Landed && mine) {
            self.stats
                .note_latencies(held.state.batch().ts_us(), now_us, self.measure_from_us);
        }
        let next = held.state.settle(outcome, reply);
        self.stats.note_position(partition, &held.state);
        Ok(match next {
            Next::Continue => None,
            Next::Seek(offset) => Some(Seek { partition, offset }),
        })
    }

    fn note_failure(&mut self, partition: u32, error: LedgerError, flushed: &mut Flushed) {
        if error.is_ambiguous()
            && let Some(held) = self.partitions[partition as usize].as_mut()
        {
            held.state.note_ambiguous();
        }
        if flushed.failed.as_ref().is_none_or(LedgerError::is_transient) {
            flushed.failed = Some(error);
        }
    }

    fn note_error(&mut self, error: &LedgerError) {
        // Nothing was called.
        if !matches!(error, LedgerError::BackingOff { .. }) {
            *self.stats.ledger_errors.entry(error.label()).or_default() += 1;
        }
    }

    fn each(&self) -> impl Iterator<Item = (u32, &Held)> {
        let held = self.partitions.iter().enumerate();
        held.filter_map(|(partition, held)| Some((partition as u32, held.as_ref()?)))
    }
}
