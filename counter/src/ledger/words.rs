//! The ledger of a partition as it is stored: 16 words in front of the totals, in the same string.

use eoslab_core::Tally;

use super::entry::LedgerEntry;

/// Words in front of the first account's total.
pub(super) const WORDS: u32 = 16;
/// The same in bytes.
pub(crate) const LEDGER_BYTES: usize = WORDS as usize * 8;

/// Number of each word; `apply.lua` writes word 5, the time, by itself.
pub(super) const NEXT_OFFSET: u32 = 0;
pub(super) const NEXT_SEQ: u32 = 1;
pub(super) const COUNT: u32 = 2;
pub(super) const SUM: u32 = 3;
pub(super) const DIGEST: u32 = 4;
const AT_US: u32 = 5;
pub(super) const TS_US: u32 = 6;
pub(super) const MEMBER: u32 = 7;
pub(super) const LOG_DUPLICATES: u32 = 8;
pub(super) const HOLES: u32 = 9;
pub(super) const MALFORMED: u32 = 10;

/// The words as read; all zero before the first apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Words([i64; WORDS as usize]);

impl Words {
    /// Reads what `GETRANGE key 0 127` answers: everything or nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = [0; WORDS as usize];
        if bytes.is_empty() {
            return Some(Self(words));
        }
        let (found, rest) = bytes.as_chunks::<8>();
        if found.len() != words.len() || !rest.is_empty() {
            return None;
        }
        for (word, bytes) in words.iter_mut().zip(found) {
            *word = i64::from_be_bytes(*bytes);
        }
        Some(Self(words))
    }

    /// Offset of the last record applied, -1 before the first.
    pub fn offset(&self) -> i64 {
        self.0[NEXT_OFFSET as usize].wrapping_sub(1)
    }

    /// Seq of the last event applied, -1 before the first.
    pub fn seq(&self) -> i64 {
        self.0[NEXT_SEQ as usize].wrapping_sub(1)
    }

    /// When the last batch was applied, us since the Unix epoch; 0 before the first.
    pub fn at_us(&self) -> i64 {
        self.0[AT_US as usize]
    }

    /// Id of the member that applied last; 0 before the first.
    pub fn member(&self) -> i64 {
        self.0[MEMBER as usize]
    }

    /// The entry of `partition`, but for the member's name.
    pub fn entry(&self, partition: u32, member: String) -> LedgerEntry {
        let word = |index: u32| self.0[index as usize];
        LedgerEntry {
            partition,
            offset: self.offset(),
            seq: self.seq(),
            tally: Tally {
                count: word(COUNT) as u64,
                sum: word(SUM),
                digest: word(DIGEST) as u64,
            },
            at_us: self.at_us(),
            ts_us: word(TS_US),
            member,
            log_duplicates: word(LOG_DUPLICATES) as u64,
            holes: word(HOLES) as u64,
            malformed: word(MALFORMED) as u64,
        }
    }
}

/// Word 0 as it is stored while `offset` is the last one applied.
pub(super) fn stored_offset(offset: i64) -> [u8; 8] {
    offset.wrapping_add(1).to_be_bytes()
}

/// Id of a member: its name is too long for a word. Never 0.
pub(super) fn member_id(name: &str) -> i64 {
    // FNV-1a of 64 bits; only members of one run must differ.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 1).max(1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ledger_is_the_beginning() {
        let words = Words::parse(&[]).expect("nothing stored");
        assert_eq!(words.entry(3, String::new()), LedgerEntry::empty(3));
        assert_eq!(words, Words::default());
        assert_eq!(stored_offset(-1), [0; 8]);
    }

    #[test]
    fn words_are_big_endian_and_exact() {
        let mut bytes = [0; LEDGER_BYTES];
        for (index, chunk) in bytes.chunks_mut(8).enumerate() {
            chunk.copy_from_slice(&((1_i64 << 60) + index as i64).to_be_bytes());
        }
        let entry = Words::parse(&bytes).expect("16 words").entry(0, "m".into());
        assert_eq!((entry.offset, entry.seq), ((1 << 60) - 1, 1 << 60));
        assert_eq!((entry.tally.count, entry.malformed), ((1 << 60) + 2, (1 << 60) + 10));
        assert_eq!(Words::parse(&bytes[..120]), None);
    }

    #[test]
    fn members_have_ids_of_their_own() {
        let mut ids: Vec<i64> = (0..2_000)
            .map(|slot| member_id(&format!("lt-counter-{slot}")))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2_000);
        assert!(ids.iter().all(|id| *id > 0));
    }
}
