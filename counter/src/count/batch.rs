//! Records of one partition on their way to the ledger, added up by account.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use eoslab_core::Tally;

use super::record::CheckedEvent;
use crate::ledger::DELTAS_MAX;

/// Spreads slots over a table: they are dense and nobody's choice, so one multiplication is enough.
#[derive(Debug, Default)]
struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, slot: u32) {
        let product = (self.0 ^ u64::from(slot)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The table takes the bucket from the low bits and a tag from the high ones.
        self.0 = product ^ (product >> 32);
    }
}

/// The records of one partition since the last apply.
#[derive(Debug, Default)]
pub struct OpenBatch {
    sums: HashMap<u32, i64, BuildHasherDefault<SlotHasher>>,
    ts_us: Vec<i64>,
    deltas: Vec<(u32, i64)>,
    records: u32,
    tally: Tally,
    first_waiting_us: i64,
    log_duplicates: u64,
    holes: u64,
    malformed: u64,
}

impl OpenBatch {
    /// Notes that a record arrived, whatever it holds. `waiting_us`: since when it has waited, us since the Unix epoch.
    pub fn note_record(&mut self, waiting_us: i64) {
        if self.records == 0 {
            self.first_waiting_us = waiting_us;
        }
        self.records += 1;
    }

    /// Adds an event.
    pub fn add(&mut self, partition: u32, event: &CheckedEvent) {
        self.tally
            .add(partition, event.seq as u64, event.account_id, i64::from(event.amount));
        *self.sums.entry(event.slot).or_default() += i64::from(event.amount);
        self.ts_us.push(event.ts_us);
    }

    /// Notes a record whose seq was counted before.
    pub fn note_duplicate(&mut self) {
        self.log_duplicates += 1;
    }

    /// Notes seqs that are missing.
    pub fn note_holes(&mut self, missing: u64) {
        self.holes = self.holes.saturating_add(missing);
    }

    /// Notes a record that is no event.
    pub fn note_malformed(&mut self) {
        self.malformed += 1;
    }

    /// Whether it touches as many accounts as the ledger takes at once.
    pub fn is_full(&self) -> bool {
        self.sums.len() >= DELTAS_MAX
    }

    /// Brings the sums in order; must come before [`Self::deltas`]. Once is enough until the next record.
    pub fn seal(&mut self) {
        self.deltas.clear();
        self.deltas.extend(self.sums.iter().map(|(slot, sum)| (*slot, *sum)));
        self.deltas.sort_unstable();
    }

    /// What to add to each slot, ascending; as of the last [`Self::seal`].
    pub fn deltas(&self) -> &[(u32, i64)] {
        &self.deltas
    }

    /// Intended send times of the events, in the order of the log, us since the Unix epoch.
    pub fn ts_us(&self) -> &[i64] {
        &self.ts_us
    }

    /// Number of records, events or not.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Tally of the events.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Since when the first record has waited, us since the Unix epoch.
    pub fn first_waiting_us(&self) -> i64 {
        self.first_waiting_us
    }

    /// Records skipped as counted before, seqs missing, records that are no event.
    pub fn flaws(&self) -> (u64, u64, u64) {
        (self.log_duplicates, self.holes, self.malformed)
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        let Self {
            mut sums,
            mut ts_us,
            mut deltas,
            ..
        } = std::mem::take(self);
        sums.clear();
        ts_us.clear();
        deltas.clear();
        *self = Self {
            sums,
            ts_us,
            deltas,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;

    fn event(slot: u32, amount: u32, seq: i64) -> CheckedEvent {
        CheckedEvent {
            account_id: u64::from(slot) + 1,
            slot,
            amount,
            ts_us: 100 + seq,
            seq,
        }
    }

    #[test]
    fn the_first_record_says_since_when_the_batch_waits() {
        let mut batch = OpenBatch::default();
        batch.note_record(50);
        batch.note_malformed();
        batch.note_record(20);
        batch.add(0, &event(3, 5, 0));
        assert_eq!(
            (batch.records(), batch.first_waiting_us(), batch.flaws()),
            (2, 50, (0, 0, 1))
        );
        assert_eq!(batch.ts_us(), [100]);
        batch.clear();
        batch.seal();
        assert_eq!(
            (batch.records(), batch.flaws(), batch.deltas().len()),
            (0, (0, 0, 0), 0)
        );
        assert_eq!((batch.ts_us().len(), *batch.tally()), (0, Tally::default()));
    }

    proptest! {
        #[test]
        fn deltas_are_the_sums_by_account_in_ascending_order(
            events in prop::collection::vec((prop_oneof![0u32..20, any::<u32>()], 1u32..=1000), 0..500)
        ) {
            let mut batch = OpenBatch::default();
            let (mut wanted, mut tally) = (BTreeMap::new(), Tally::default());
            for (seq, &(slot, amount)) in events.iter().enumerate() {
                batch.add(7, &event(slot, amount, seq as i64));
                *wanted.entry(slot).or_insert(0i64) += i64::from(amount);
                tally.add(7, seq as u64, u64::from(slot) + 1, i64::from(amount));
            }
            batch.seal();
            batch.seal();
            prop_assert_eq!(batch.deltas().to_vec(), wanted.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(batch.tally(), &tally);
        }
    }
}
