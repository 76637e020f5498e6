//! One call of `apply.lua`: its arguments, its answer, and what the answer means.

use eoslab_core::Tally;
use redis::{Value, from_redis_value};

use super::pause::Note;
use super::resp::Pipeline;
use super::words::{
    COUNT, DIGEST, HOLES, LOG_DUPLICATES, MALFORMED, MEMBER, NEXT_OFFSET, NEXT_SEQ, SUM, TS_US, WORDS, Words,
    member_id, stored_offset,
};

/// Most accounts that one batch may touch: what one BITFIELD command takes from a script.
pub const DELTAS_MAX: usize = 1_980;

/// What a counter promises about each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Apply only where the stored offset is the expected one.
    ExactlyOnce,
    /// Apply always, commit afterwards: the control that over-counts after a kill.
    AtLeastOnce,
}

impl Mode {
    fn argument(self) -> &'static [u8] {
        match self {
            Self::ExactlyOnce => b"cas",
            Self::AtLeastOnce => b"add",
        }
    }
}

/// Who applies, and how: the same for every batch of a process.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Compare, or add without a look.
    pub mode: Mode,
    /// Name of the member's slot; no white space.
    pub member: String,
    /// A time without an apply of at least this many us, while events waited, is noted as a pause.
    pub stall_us: u64,
}

/// What a BITFIELD command does to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Set,
    Increment,
}

/// The aggregated records of one partition from behind `expected_offset` to `offset`.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// Partition of the topic.
    pub partition: u32,
    /// Offset believed to be applied last, -1 before the first.
    pub expected_offset: i64,
    /// Offset of the batch's last record.
    pub offset: i64,
    /// Seq of the last event up to `offset`, -1 before the first.
    pub seq: i64,
    /// `ts` of the batch's last event, us since the Unix epoch.
    pub ts_us: i64,
    /// When the batch's first record came to wait, us since the Unix epoch.
    pub first_waiting_us: i64,
    /// Size of the partition's array of totals, in accounts.
    pub slots: u32,
    /// Tally of the batch's events.
    pub tally: Tally,
    /// Records skipped because their seq was already counted.
    pub log_duplicates: u64,
    /// Seqs missing between two records.
    pub holes: u64,
    /// Records that are no event.
    pub malformed: u64,
    /// What to add to each account slot: ascending, every slot below `slots` and at most once, at
    /// most [`DELTAS_MAX`].
    pub deltas: &'a [(u32, i64)],
}

impl Batch<'_> {
    pub(super) fn pack(&self, pipeline: &mut Pipeline, sha: &str, key: &str, writer: &Writer) {
        // The last slot makes the array as long as it will ever be, at the first apply.
        let last = (self.slots.saturating_sub(1), 0);
        let words = self.words(writer);
        pipeline.command(6 + 4 * (words.len() + self.deltas.len() + 1));
        pipeline.bytes(b"EVALSHA");
        pipeline.bytes(sha.as_bytes());
        pipeline.number(1);
        pipeline.bytes(key.as_bytes());
        pipeline.bytes(writer.mode.argument());
        pipeline.bytes(&stored_offset(self.expected_offset));
        for (operation, word, number) in words {
            pipeline.operation(operation, word, number);
        }
        for &(slot, delta) in self.deltas.iter().chain([&last]) {
            pipeline.operation(Operation::Increment, WORDS + slot, delta);
        }
    }

    /// What the batch does to the ledger.
    fn words(&self, writer: &Writer) -> Vec<(Operation, u32, i64)> {
        let mut words = vec![
            (Operation::Set, NEXT_OFFSET, self.offset.saturating_add(1)),
            (Operation::Set, MEMBER, member_id(&writer.member)),
        ];
        if self.tally.count > 0 {
            words.push((Operation::Set, NEXT_SEQ, self.seq.saturating_add(1)));
            words.push((Operation::Set, TS_US, self.ts_us));
        }
        // Additions wrap in 64 bits on both sides, which is what a digest needs.
        let additions = [
            (COUNT, self.tally.count),
            (SUM, self.tally.sum as u64),
            (DIGEST, self.tally.digest),
            (LOG_DUPLICATES, self.log_duplicates),
            (HOLES, self.holes),
            (MALFORMED, self.malformed),
        ];
        let additions = additions.into_iter().filter(|(_, number)| *number != 0);
        words.extend(additions.map(|(word, number)| (Operation::Increment, word, number as i64)));
        words
    }
}

/// The answer of `apply.lua`: whether it applied, and what is stored now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyReply {
    /// Whether the batch was added.
    pub applied: bool,
    /// Offset stored now.
    pub offset: i64,
    /// Seq stored now.
    pub seq: i64,
    /// Whether the writer is the member that applied last, now.
    pub mine: bool,
    /// Length of the pause that this apply ended, us; 0 where there was none.
    pub pause_us: u64,
}

/// The answer of `apply.lua` with what is to be noted afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub reply: ApplyReply,
    /// The pause that this apply ended.
    pub pause: Option<Note>,
    /// Whether another member, or none, had applied before.
    pub takes_over: bool,
}

pub(super) fn read_answer(answer: Value, batch: &Batch<'_>, writer: &Writer) -> Option<Answer> {
    let (applied, was, now): (i64, Vec<u8>, String) = from_redis_value(answer).ok()?;
    let (was, now_us) = (Words::parse(&was)?, now.parse().ok()?);
    let member = member_id(&writer.member);
    if applied != 1 {
        let mine = was.member() == member;
        let (offset, seq) = (was.offset(), was.seq());
        let reply = ApplyReply {
            applied: false,
            offset,
            seq,
            mine,
            pause_us: 0,
        };
        return Some(Answer {
            reply,
            pause: None,
            takes_over: false,
        });
    }
    let pause = Note::of(&was, now_us, batch.first_waiting_us, writer.stall_us, member);
    let seq = if batch.tally.count > 0 { batch.seq } else { was.seq() };
    let pause_us = pause.map_or(0, |note| note.length_us());
    let reply = ApplyReply {
        applied: true,
        offset: batch.offset,
        seq,
        mine: true,
        pause_us,
    };
    Some(Answer {
        reply,
        pause,
        takes_over: was.member() != member,
    })
}

/// What an answer means for the writer of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The batch was added now.
    Applied,
    /// The batch, or the same records in other batches, was added before: by the same call whose answer was lost,
    /// or by another member.
    Landed,
    /// The ledger is ahead: another member has counted records of this batch. Drop it and go on behind the ledger.
    Ahead,
    /// The ledger is behind: Redis lost its tail. Drop the batch and go back to the ledger.
    Behind,
    /// Refused although what is stored is what was expected: no script of this program does that.
    Contradiction,
}

/// What `reply` means for a batch that reached from behind `expected_offset` to `offset`.
pub fn decide(expected_offset: i64, offset: i64, reply: &ApplyReply) -> Outcome {
    match reply {
        ApplyReply {
            applied: true,
            offset: stored,
            ..
        } if *stored == offset => Outcome::Applied,
        ApplyReply { applied: true, .. } => Outcome::Contradiction,
        ApplyReply { offset: stored, .. } if *stored == offset => Outcome::Landed,
        ApplyReply { offset: stored, .. } if *stored > expected_offset => Outcome::Ahead,
        ApplyReply { offset: stored, .. } if *stored < expected_offset => Outcome::Behind,
        ApplyReply { .. } => Outcome::Contradiction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_one_meaning() {
        // (expected, offset of the batch, applied, stored) -> outcome
        let table = [
            (99, 149, true, 149, Outcome::Applied),
            (-1, 0, true, 0, Outcome::Applied),
            (99, 149, false, 149, Outcome::Landed),
            (99, 149, false, 120, Outcome::Ahead),
            (99, 149, false, 500, Outcome::Ahead),
            (-1, 149, false, 0, Outcome::Ahead),
            (99, 149, false, 98, Outcome::Behind),
            (99, 149, false, -1, Outcome::Behind),
            (99, 149, false, 99, Outcome::Contradiction),
            (99, 149, true, 99, Outcome::Contradiction),
            (99, 149, true, 150, Outcome::Contradiction),
        ];
        for (expected, offset, applied, stored, outcome) in table {
            let reply = ApplyReply {
                applied,
                offset: stored,
                seq: stored,
                mine: false,
                pause_us: 0,
            };
            assert_eq!(
                decide(expected, offset, &reply),
                outcome,
                "{expected} {offset} {reply:?}"
            );
        }
    }

    fn batch() -> Batch<'static> {
        Batch {
            partition: 5,
            expected_offset: 9,
            offset: 20,
            seq: 15,
            ts_us: 77,
            first_waiting_us: 0,
            slots: 100,
            tally: Tally {
                count: 2,
                sum: 7,
                digest: u64::MAX,
            },
            log_duplicates: 0,
            holes: 0,
            malformed: 1,
            deltas: &[(3, 4), (8, 3)],
        }
    }

    fn writer() -> Writer {
        Writer {
            mode: Mode::ExactlyOnce,
            member: "m".into(),
            stall_us: 1_000,
        }
    }

    #[test]
    fn a_batch_is_one_command_of_increments_behind_the_ledger() {
        let mut pipeline = Pipeline::default();
        batch().pack(&mut pipeline, "sha", "key", &writer());
        let text = String::from_utf8_lossy(pipeline.as_bytes()).into_owned();
        let arguments: Vec<&str> = text.split("\r\n").skip(2).step_by(2).collect();
        assert!(text.starts_with(&format!("*{}\r\n", arguments.len())), "{text}");
        assert_eq!(arguments[..5], ["EVALSHA", "sha", "1", "key", "cas"]);
        let operations: Vec<String> = arguments[6..].chunks(4).map(|four| four.join(" ")).collect();
        for wanted in [
            "SET i64 #0 21",
            "SET i64 #1 16",
            "INCRBY i64 #2 2",
            "INCRBY i64 #4 -1",
            "INCRBY i64 #10 1",
            "INCRBY i64 #19 4",
            "INCRBY i64 #24 3",
            "INCRBY i64 #115 0",
        ] {
            assert!(
                operations.iter().any(|operation| operation == wanted),
                "{wanted} is missing in {operations:?}"
            );
        }
        assert!(
            !operations.iter().any(|operation| operation.contains("#8 ")),
            "nothing to add: {operations:?}"
        );
    }

    #[test]
    fn a_batch_without_events_leaves_seq_and_ts_alone() {
        let nothing = Batch {
            tally: Tally::default(),
            deltas: &[],
            ..batch()
        };
        let words = nothing.words(&writer());
        assert!(
            words.iter().all(|(_, word, _)| ![NEXT_SEQ, TS_US].contains(word)),
            "{words:?}"
        );
    }

    #[test]
    fn an_answer_of_another_form_is_none() {
        let read = |parts: Vec<Value>| read_answer(Value::Array(parts), &batch(), &writer());
        let (text, words) = (|text: &[u8]| Value::BulkString(text.to_vec()), [1u8; 128]);
        let applied = read(vec![Value::Int(1), text(&[]), text(b"5")]).expect("well-formed");
        assert!(applied.takes_over && applied.pause.is_none());
        assert_eq!(
            (applied.reply.offset, applied.reply.seq, applied.reply.mine),
            (20, 15, true)
        );
        let refused = read(vec![Value::Int(0), text(&words), text(b"5")])
            .expect("well-formed")
            .reply;
        assert_eq!(
            (refused.offset, refused.seq),
            (0x0101_0101_0101_0100, 0x0101_0101_0101_0100),
            "exact beyond 2^53"
        );
        assert_eq!(read(vec![Value::Int(1)]), None);
        assert_eq!(read(vec![Value::Int(1), text(&words[1..]), text(b"5")]), None);
        assert_eq!(read(vec![Value::Int(1), text(&[]), text(b"now")]), None);
        assert_eq!(read_answer(Value::Nil, &batch(), &writer()), None);
    }
}
