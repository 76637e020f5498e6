//! The events of one partition, as a pure function of their position.

use crate::alias::{AliasTable, Point};
use crate::mix::{below, fold, mix64, nth};

/// Smallest amount of an event.
pub const AMOUNT_MIN: i64 = 1;
/// Largest amount of an event: small enough that the total of 2^53 events fits 64 bits.
pub const AMOUNT_MAX: i64 = 1000;

/// Number of different amounts.
const AMOUNTS: u32 = (AMOUNT_MAX - AMOUNT_MIN + 1) as u32;

/// How many draws [`PartitionStream::fill`] has under way at once.
const BATCH: usize = 64;

/// What the stream holds at one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Draw {
    /// The account, from 1.
    pub account_id: u64,
    /// What is added to it, [`AMOUNT_MIN`] to [`AMOUNT_MAX`].
    pub amount: i64,
    /// Which of its keys a salted account is sent under.
    pub salt: Option<u16>,
    /// The account's place in the partition's dense array of totals.
    pub slot: u32,
}

/// The stream of events of one partition: draws from the accounts of the partition by their Zipf weights.
///
/// Holds about 12 bytes for each key of the partition. A draw costs one cache miss at random (the alias column); the
/// account is looked up by the index drawn, which is hot where the account is.
#[derive(Clone, Debug)]
pub struct PartitionStream {
    partition: u32,
    /// Where the random sequence of this partition starts. Sequences of two partitions could overlap by chance; for
    /// `P` partitions of `N` events each that chance is P² N / 2^64.
    key: u64,
    amount_key: u64,
    table: AliasTable,
    /// Account of each key: salted keys first, by account and salt, then the others by account.
    accounts: Box<[u32]>,
    /// Salt of each salted key.
    salts: Box<[u16]>,
    /// Slots that every partition keeps for salted accounts.
    salted_accounts: u32,
}

impl PartitionStream {
    /// The stream over `accounts` (at least one) with these weights, of which the first `salts.len()` are salted keys.
    pub(crate) fn new(
        (seed, partition): (u64, u32),
        weights: &[f64],
        accounts: Box<[u32]>,
        salts: Box<[u16]>,
        salted_accounts: u32,
    ) -> Self {
        let key = fold(fold(0, seed), u64::from(partition));
        let amount_key = fold(key, 1);
        Self {
            partition,
            key,
            amount_key,
            table: AliasTable::new(weights),
            accounts,
            salts,
            salted_accounts,
        }
    }

    /// The partition.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Number of keys that the stream draws from, at least 1; each salt of an account is a key.
    pub fn keys(&self) -> u32 {
        self.table.len() as u32
    }

    /// The account whose total is at `slot` of this partition, or `None` beyond the last slot.
    pub fn account(&self, slot: u32) -> Option<u64> {
        let Some(plain) = slot.checked_sub(self.salted_accounts) else {
            return Some(u64::from(slot) + 1);
        };
        let account = self.accounts.get(self.salts.len() + plain as usize)?;
        Some(u64::from(*account))
    }

    /// What the stream holds at position `seq`.
    #[inline]
    pub fn draw(&self, seq: u64) -> Draw {
        let word = nth(self.key, seq);
        let index = self.table.draw(word);
        self.resolve(word, index, self.accounts[index as usize])
    }

    /// What the stream holds at positions `first_seq..`, for all of `out`.
    ///
    /// Faster than one [`Self::draw`] each: each look-up has a short loop of its own, so that a core has many cache
    /// misses under way at once.
    pub fn fill(&self, first_seq: u64, out: &mut [Draw]) {
        let (mut words, mut points) = ([0; BATCH], [Point::default(); BATCH]);
        let (mut indices, mut accounts) = ([0; BATCH], [0; BATCH]);
        let mut seq = first_seq;
        for chunk in out.chunks_mut(BATCH) {
            let len = chunk.len();
            for (word, point) in words.iter_mut().zip(&mut points).take(len) {
                *word = nth(self.key, seq);
                *point = self.table.locate(*word);
                seq = seq.wrapping_add(1);
            }
            for (index, point) in indices.iter_mut().zip(points).take(len) {
                *index = self.table.choose(point);
            }
            for (account, index) in accounts.iter_mut().zip(indices).take(len) {
                *account = self.accounts[index as usize];
            }
            for (position, draw) in chunk.iter_mut().enumerate() {
                *draw = self.resolve(words[position], indices[position], accounts[position]);
            }
        }
    }

    #[inline(always)]
    fn resolve(&self, word: u64, index: u32, account: u32) -> Draw {
        let salt = self.salts.get(index as usize).copied();
        let slot = match salt {
            Some(_) => account - 1,
            None => index - self.salts.len() as u32 + self.salted_accounts,
        };
        let above = below(mix64(word ^ self.amount_key), AMOUNTS);
        Draw {
            account_id: u64::from(account),
            amount: AMOUNT_MIN + i64::from(above),
            salt,
            slot,
        }
    }
}
