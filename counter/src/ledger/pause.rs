//! Pauses: times in which a partition's ledger did not move although events waited.
//!
//! They are told from the answers of `apply.lua` and noted by commands of their own, one each, so that no script of the
//! ledger ever writes twice. A note that is lost with its writer is one pause less in a report, never a wrong total.

use std::collections::HashMap;

use eoslab_core::report::Pause;

use super::words::Words;

/// Most pauses that are kept for each partition.
pub(super) const PAUSES_MAX: i64 = 1_000;

/// A pause as it is stored: `<ended_at_us> <length_us> <id of the member before> <id of the member after>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    ended_at_us: i64,
    length_us: u64,
    before: i64,
    after: i64,
}

impl Note {
    /// The pause that an apply ended at `now_us`, if there was one: events have waited since `first_waiting_us`, and
    /// the partition came to another member or stood still for `stall_us`.
    pub fn of(was: &Words, now_us: i64, first_waiting_us: i64, stall_us: u64, member: i64) -> Option<Self> {
        if was.at_us() <= 0 {
            return None;
        }
        let length_us = u64::try_from(now_us - was.at_us().max(first_waiting_us)).unwrap_or(0);
        let pause = length_us > 0 && (was.member() != member || length_us >= stall_us);
        pause.then_some(Self {
            ended_at_us: now_us,
            length_us,
            before: was.member(),
            after: member,
        })
    }

    /// How long it was, us.
    pub fn length_us(&self) -> u64 {
        self.length_us
    }

    /// As stored.
    pub fn text(&self) -> String {
        format!("{} {} {} {}", self.ended_at_us, self.length_us, self.before, self.after)
    }

    /// From what is stored.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<i64> = text.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [ended_at_us, length_us, before, after] = <[i64; 4]>::try_from(numbers).ok()?;
        let length_us = u64::try_from(length_us).ok()?;
        Some(Self {
            ended_at_us,
            length_us,
            before,
            after,
        })
    }

    /// With the members' names.
    pub fn named(&self, partition: u32, names: &Names) -> Pause {
        Pause {
            partition,
            ended_at_us: self.ended_at_us,
            length_us: self.length_us,
            member_before: names.of(self.before),
            member_after: names.of(self.after),
        }
    }
}

/// Names of members by their ids, as `HGETALL` answers them.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub fn new(names: HashMap<String, String>) -> Self {
        Self(names)
    }

    /// The name of a member: empty for nobody, its id where the name is not noted.
    pub fn of(&self, id: i64) -> String {
        match id {
            0 => String::new(),
            id => self.0.get(&id.to_string()).cloned().unwrap_or_else(|| id.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{LEDGER_BYTES, MEMBER};
    use super::*;

    fn words(at_us: i64, member: i64) -> Words {
        let mut bytes = [0; LEDGER_BYTES];
        bytes[40..48].copy_from_slice(&at_us.to_be_bytes());
        let first = MEMBER as usize * 8;
        bytes[first..first + 8].copy_from_slice(&member.to_be_bytes());
        Words::parse(&bytes).expect("16 words")
    }

    #[test]
    fn a_pause_is_a_gap_in_which_events_waited() {
        // (last apply, its member, now, first waiting) -> length, with member 7 and a stall of 1000
        let table = [
            (0, 0, 5_000, 0, None),
            (4_000, 7, 4_999, 0, None),
            (4_000, 7, 5_000, 0, Some(1_000)),
            (4_000, 7, 5_000, 4_001, None),
            (4_000, 8, 4_001, 0, Some(1)),
            (4_000, 8, 4_000, 0, None),
            (4_000, 8, 9_000, 8_998, Some(2)),
            (4_000, 8, 9_000, 9_500, None),
            (9_500, 8, 9_000, 0, None),
        ];
        for (at_us, member, now_us, first_waiting_us, length_us) in table {
            let note = Note::of(&words(at_us, member), now_us, first_waiting_us, 1_000, 7);
            assert_eq!(
                note.map(|note| note.length_us()),
                length_us,
                "{at_us} {member} {now_us} {first_waiting_us}"
            );
        }
    }

    #[test]
    fn a_note_reads_back_with_names() {
        let note = Note::of(&words(1_000, 5), 3_500, 0, 1, 6).expect("moved");
        let names = Names::new(HashMap::from([("5".to_owned(), "lt-counter-0".to_owned())]));
        let pause = Note::parse(&note.text()).expect("well-formed").named(9, &names);
        assert_eq!((pause.partition, pause.ended_at_us, pause.length_us), (9, 3_500, 2_500));
        assert_eq!(
            (pause.member_before.as_str(), pause.member_after.as_str()),
            ("lt-counter-0", "6")
        );
        for bad in ["", "1 2 3", "1 2 3 4 5", "x 2 3 4", "1 -2 3 4"] {
            assert_eq!(Note::parse(bad), None, "{bad:?}");
        }
        assert_eq!(names.of(0), "");
    }
}
