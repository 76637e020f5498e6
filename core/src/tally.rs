//! Order-free sums over events.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::mix::{GAMMA, mix64};

/// What a set of events adds up to, whatever their order and however they are split between members.
///
/// The digest tells *which* events were counted: one lost and another counted twice leave the count as it is, and can
/// leave the sum as it is, but change the digest (but for a chance of 2^-64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Number of events.
    pub count: u64,
    /// Sum of their amounts, wrapping (which amounts of 1 to 1000 cannot reach).
    pub sum: i64,
    /// Wrapping sum of their [`digest_mix`].
    pub digest: u64,
}

impl Tally {
    /// Adds one event.
    #[inline]
    pub fn add(&mut self, partition: u32, seq: u64, account: u64, amount: i64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(amount);
        self.digest = self.digest.wrapping_add(digest_mix(partition, seq, account, amount));
    }

    /// Adds all events of another tally.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.wrapping_add(other.count);
        self.sum = self.sum.wrapping_add(other.sum);
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.merge(&other);
    }
}

/// What one event adds to [`Tally::digest`]: a mix in which every bit of all four numbers counts.
#[inline(always)]
pub const fn digest_mix(partition: u32, seq: u64, account: u64, amount: i64) -> u64 {
    // Distinct odd factors keep small numbers apart before they are mixed; the halves are mixed side by side.
    let place = (partition as u64)
        .wrapping_mul(0xd6e8_feb8_6659_fd93)
        .wrapping_add(seq)
        .wrapping_add(GAMMA);
    let effect = account.wrapping_mul(0xa076_1d64_78bd_642f).wrapping_add(amount as u64);
    mix64(mix64(place) ^ mix64(effect).rotate_left(32))
}
