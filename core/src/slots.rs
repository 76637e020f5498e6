//! Where an account's total is kept.

use std::collections::BTreeSet;

use crate::{Key, Layout};

/// Finds the slot of an account in the dense array of totals of its partition; 4 bytes an account.
///
/// Salted accounts (ids `1..=n`) have slot `id - 1` in every partition. The others follow in ascending order of their
/// ids, each in the one partition that its key belongs to.
#[derive(Clone, Debug)]
pub struct SlotIndex {
    partitions: u32,
    salted_accounts: u32,
    salts: u16,
    /// Slot of each account that is not salted.
    slots: Box<[u32]>,
}

impl SlotIndex {
    /// Numbers the accounts of a layout.
    pub fn new(layout: &Layout) -> Self {
        let spec = layout.spec();
        let (partitions, salted_accounts) = (spec.partitions, spec.salted_accounts());
        let mut next = vec![salted_accounts; partitions as usize];
        let mut number = |account: u32| {
            let next = &mut next[plain_home(account, partitions) as usize];
            *next += 1;
            *next - 1
        };
        let slots = (salted_accounts + 1..=spec.accounts).map(&mut number).collect();
        Self {
            partitions,
            salted_accounts,
            salts: spec.salts(),
            slots,
        }
    }

    /// The slot of an account in a partition; `None` where the account cannot be: not an account of the run, or at home
    /// in another partition.
    #[inline]
    pub fn slot(&self, account_id: u64, partition: u32) -> Option<u32> {
        let account = u32::try_from(account_id).ok()?;
        let rank = account.checked_sub(1)?;
        match rank.checked_sub(self.salted_accounts) {
            None => (partition < self.partitions).then_some(rank),
            Some(plain) => {
                let slot = *self.slots.get(plain as usize)?;
                (plain_home(account, self.partitions) == partition).then_some(slot)
            }
        }
    }

    /// The partitions that hold parts of an account's total, ascending; empty if it is no account of the run.
    pub fn homes(&self, account_id: u64) -> Vec<u32> {
        let accounts = u64::from(self.salted_accounts) + self.slots.len() as u64;
        if !(1..=accounts).contains(&account_id) {
            return Vec::new();
        }
        if account_id > u64::from(self.salted_accounts) {
            return vec![Key::new(account_id, None).partition(self.partitions)];
        }
        let homes = (0..self.salts).map(|salt| Key::new(account_id, Some(salt)).partition(self.partitions));
        homes.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The account at a slot of a partition. Searches all accounts: milliseconds, not nanoseconds.
    pub fn account(&self, partition: u32, slot: u32) -> Option<u64> {
        if partition >= self.partitions {
            return None;
        }
        if slot < self.salted_accounts {
            return Some(u64::from(slot) + 1);
        }
        (self.salted_accounts + 1..)
            .zip(&self.slots)
            .find(|(account, at)| **at == slot && plain_home(*account, self.partitions) == partition)
            .map(|(account, _)| u64::from(account))
    }
}

#[inline(always)]
fn plain_home(account: u32, partitions: u32) -> u32 {
    Key::new(u64::from(account), None).partition(partitions)
}
