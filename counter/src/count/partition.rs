//! One partition as its owner sees it: what the ledger is believed to hold, what has been read since, and what the
//! ledger's answers make of both. No I/O.

use super::batch::OpenBatch;
use super::record::{CheckedEvent, Malformed};
use super::seq::{SeqStep, step};
use crate::ledger::{ApplyReply, Batch, Outcome};

/// Most holes that are read a second time before they are believed; then they are believed at once.
const REREAD_HOLES_MAX: u32 = 16;

/// How far a partition is counted or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Offset of the last record, -1 before the first.
    pub offset: i64,
    /// Seq of the last event, -1 before the first; `None` where it is not known (at-least-once, after an assignment).
    pub seq: Option<i64>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in the batch: as an event, a duplicate, or no event at all.
    Counted,
    /// It was read before, or cannot be taken now; ignored.
    Ignored,
    /// Events before it are missing. Not taken: read again from this offset, to tell a hole in the log from records
    /// that were not delivered.
    ReadAgain(i64),
}

/// Where to go on after an answer of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The batch is counted; read on.
    Continue,
    /// The batch is dropped; read on from this offset.
    Seek(i64),
}

/// One assigned partition.
#[derive(Debug)]
pub struct PartitionState {
    partition: u32,
    slots: u32,
    applied: Position,
    taken: Position,
    batch: OpenBatch,
    sealed: bool,
    ambiguous: bool,
    suspected_at: Option<i64>,
    holes_believed: u32,
}

impl PartitionState {
    /// A partition that goes on behind `start`, with an array of `slots` totals.
    pub fn new(partition: u32, slots: u32, start: Position) -> Self {
        Self {
            partition,
            slots,
            applied: start,
            taken: start,
            batch: OpenBatch::default(),
            sealed: false,
            ambiguous: false,
            suspected_at: None,
            holes_believed: 0,
        }
    }

    /// What the ledger is believed to hold.
    pub fn applied(&self) -> Position {
        self.applied
    }

    /// Last record read, counted or not.
    pub fn taken(&self) -> Position {
        self.taken
    }

    /// What has been read since the last apply.
    pub fn batch(&self) -> &OpenBatch {
        &self.batch
    }

    /// Whether a sealed batch waits for an answer of the ledger.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Takes a record. `waiting_us`: since when it has waited, us since the Unix epoch.
    pub fn take(&mut self, offset: i64, waiting_us: i64, content: &Result<CheckedEvent, Malformed>) -> Taken {
        if offset <= self.taken.offset || self.sealed {
            return Taken::Ignored;
        }
        let event = match content {
            Ok(event) => event,
            Err(_) => {
                self.batch.note_record(waiting_us);
                self.batch.note_malformed();
                self.taken.offset = offset;
                return Taken::Counted;
            }
        };
        let step = step(self.taken.seq, event.seq);
        if let SeqStep::Hole { missing } = step {
            if self.suspected_at != Some(offset) && self.holes_believed < REREAD_HOLES_MAX {
                self.suspected_at = Some(offset);
                return Taken::ReadAgain(self.taken.offset + 1);
            }
            self.holes_believed += 1;
            self.batch.note_holes(missing);
        }
        self.batch.note_record(waiting_us);
        self.taken.offset = offset;
        if step == SeqStep::Duplicate {
            self.batch.note_duplicate();
        } else {
            self.taken.seq = Some(event.seq);
            self.batch.add(self.partition, event);
        }
        Taken::Counted
    }

    /// Closes the batch, so that it stays the same until the ledger has answered. `None` if there is nothing in it.
    pub fn seal(&mut self) -> Option<Batch<'_>> {
        if self.batch.records() == 0 {
            return None;
        }
        if !self.sealed {
            self.batch.seal();
            self.sealed = true;
        }
        let (log_duplicates, holes, malformed) = self.batch.flaws();
        Some(Batch {
            partition: self.partition,
            expected_offset: self.applied.offset,
            offset: self.taken.offset,
            seq: self.taken.seq.unwrap_or(-1),
            ts_us: self.batch.ts_us().last().copied().unwrap_or(0),
            first_waiting_us: self.batch.first_waiting_us(),
            slots: self.slots,
            tally: *self.batch.tally(),
            log_duplicates,
            holes,
            malformed,
            deltas: self.batch.deltas(),
        })
    }

    /// Notes that the ledger may or may not have executed the sealed batch.
    pub fn note_ambiguous(&mut self) {
        self.ambiguous = true;
    }

    /// Whether an answer to the sealed batch was lost since it was sealed.
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Takes over what the ledger holds, after an answer that means `outcome`. The batch is done with, either way.
    pub fn settle(&mut self, outcome: Outcome, reply: &ApplyReply) -> Next {
        let seq_known = self.taken.seq.is_some();
        let stored = Position {
            offset: reply.offset,
            seq: seq_known.then_some(reply.seq),
        };
        self.batch.clear();
        self.sealed = false;
        self.ambiguous = false;
        self.applied = stored;
        match outcome {
            Outcome::Applied | Outcome::Landed => {
                self.applied.offset = self.taken.offset;
                self.taken = self.applied;
                Next::Continue
            }
            Outcome::Ahead | Outcome::Behind | Outcome::Contradiction => {
                self.taken = stored;
                self.suspected_at = None;
                Next::Seek(stored.offset + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::decide;

    fn event(seq: i64) -> Result<CheckedEvent, Malformed> {
        Ok(CheckedEvent {
            account_id: 1,
            slot: 0,
            amount: 5,
            ts_us: 1000 + seq,
            seq,
        })
    }

    fn state(offset: i64, seq: i64) -> PartitionState {
        PartitionState::new(3, 10, Position { offset, seq: Some(seq) })
    }

    fn reply(applied: bool, offset: i64, seq: i64) -> ApplyReply {
        ApplyReply {
            applied,
            offset,
            seq,
            mine: false,
            pause_us: 0,
        }
    }

    #[test]
    fn a_batch_reaches_from_behind_the_ledger_to_the_last_record_whatever_that_is() {
        let mut state = state(99, 49);
        assert!(state.seal().is_none(), "nothing to apply");
        assert_eq!(state.take(99, 1, &event(49)), Taken::Ignored, "read before");
        assert_eq!(state.take(100, 2, &event(50)), Taken::Counted);
        assert_eq!(
            state.take(103, 3, &event(51)),
            Taken::Counted,
            "gaps of offsets are fine"
        );
        assert_eq!(state.take(104, 4, &event(50)), Taken::Counted);
        assert_eq!(state.take(105, 5, &Err(Malformed::NoKey)), Taken::Counted);
        let batch = state.seal().expect("four records");
        assert_eq!((batch.expected_offset, batch.offset, batch.seq), (99, 105, 51));
        assert_eq!((batch.first_waiting_us, batch.ts_us), (2, 1051));
        assert_eq!(
            (batch.tally.count, batch.log_duplicates, batch.holes, batch.malformed),
            (2, 1, 0, 1)
        );
        assert_eq!(batch.deltas, [(0, 10)]);
    }

    #[test]
    fn a_sealed_batch_stays_as_it_is() {
        let mut state = state(-1, -1);
        state.take(0, 1, &event(0));
        state.seal();
        assert_eq!(state.take(1, 1, &event(1)), Taken::Ignored);
        assert_eq!(state.seal().expect("the same batch").offset, 0);
    }

    #[test]
    fn a_batch_without_events_still_advances_the_offset() {
        let mut state = state(9, 4);
        state.take(10, 1, &Err(Malformed::NoKey));
        state.take(11, 1, &event(4));
        let batch = state.seal().expect("two records");
        assert_eq!(
            (batch.offset, batch.seq, batch.tally.count, batch.deltas.len()),
            (11, 4, 0, 0)
        );
    }

    #[test]
    fn a_hole_is_believed_when_it_is_read_a_second_time() {
        let mut state = state(9, 4);
        assert_eq!(state.take(10, 1, &event(5)), Taken::Counted);
        assert_eq!(state.take(15, 1, &event(9)), Taken::ReadAgain(11));
        assert_eq!(state.batch().flaws(), (0, 0, 0));
        assert_eq!(state.take(11, 1, &event(6)), Taken::Counted, "it was there after all");
        assert_eq!(
            state.take(15, 1, &event(9)),
            Taken::Counted,
            "and the rest is missing indeed"
        );
        assert_eq!(state.batch().flaws(), (0, 2, 0));
        assert_eq!(
            state.taken(),
            Position {
                offset: 15,
                seq: Some(9)
            }
        );
    }

    #[test]
    fn a_log_full_of_holes_is_not_read_twice_for_ever() {
        let mut state = state(-1, -1);
        let mut again = 0;
        for offset in 0..100 {
            while let Taken::ReadAgain(_) = state.take(offset, 1, &event(offset * 2 + 1)) {
                again += 1;
            }
        }
        assert_eq!((again, state.batch().flaws().1), (REREAD_HOLES_MAX, 100));
    }

    #[test]
    fn the_ledgers_answer_says_where_to_go_on() {
        // (applied, stored offset, stored seq) -> next, position afterwards
        let table = [
            (true, 12, 7, Next::Continue, 12, 7),
            (false, 12, 7, Next::Continue, 12, 7),
            (false, 30, 20, Next::Seek(31), 30, 20),
            (false, 11, 6, Next::Seek(12), 11, 6),
            (false, 5, 2, Next::Seek(6), 5, 2),
            (false, -1, -1, Next::Seek(0), -1, -1),
        ];
        for (applied, offset, seq, next, offset_after, seq_after) in table {
            let mut state = state(9, 4);
            (0..3).for_each(|i| assert_eq!(state.take(10 + i, 1, &event(5 + i)), Taken::Counted));
            state.seal();
            let reply = reply(applied, offset, seq);
            assert_eq!(state.settle(decide(9, 12, &reply), &reply), next, "{reply:?}");
            let after = Position {
                offset: offset_after,
                seq: Some(seq_after),
            };
            assert_eq!((state.applied(), state.taken()), (after, after));
            assert!(!state.is_sealed() && state.batch().records() == 0);
        }
    }

    #[test]
    fn without_a_known_seq_the_first_event_sets_it() {
        let mut state = PartitionState::new(0, 10, Position { offset: -1, seq: None });
        state.take(500, 1, &Err(Malformed::NoKey));
        assert_eq!(state.seal().expect("one record").seq, -1);
        state.settle(Outcome::Applied, &reply(true, 500, 3));
        assert_eq!(state.applied().seq, None, "the ledger's seq is not this reader's");
        assert_eq!(state.take(501, 1, &event(40)), Taken::Counted);
        assert_eq!(state.take(502, 1, &event(40)), Taken::Counted);
        assert_eq!(state.batch().flaws(), (1, 0, 0));
    }
}
