//! Seqs of failed sends as a bounded list of ranges.

use eoslab_core::report::{SEQ_RANGES_MAX, SeqRange};

/// A set of seqs, kept as at most [`SEQ_RANGES_MAX`] ranges; seqs that find no place are only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqRanges {
    /// Ascending, apart from each other.
    ranges: Vec<SeqRange>,
    count: u64,
}

impl SeqRanges {
    /// How many seqs, listed or not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[SeqRange] {
        &self.ranges
    }

    /// Adds one seq. A seq that is listed already is not counted again.
    pub fn insert(&mut self, seq: u64) {
        let after = self.ranges.partition_point(|range| range.first <= seq);
        let has_room = self.ranges.len() < SEQ_RANGES_MAX;
        let (left, right) = self.ranges.split_at_mut(after);
        let before = left.last_mut();
        if before.as_ref().is_some_and(|range| range.last >= seq) {
            return;
        }
        self.count += 1;
        let joins_before = before.filter(|range| range.last + 1 == seq);
        let joins_after = right.first_mut().filter(|range| seq + 1 == range.first);
        match (joins_before, joins_after) {
            (Some(before), Some(next)) => {
                before.last = next.last;
                self.ranges.remove(after);
            }
            (Some(before), None) => before.last = seq,
            (None, Some(next)) => next.first = seq,
            (None, None) if has_room => {
                self.ranges.insert(after, SeqRange { first: seq, last: seq });
            }
            (None, None) => {}
        }
    }

    /// Forgets all listed seqs from `seq` on: they will be sent again.
    pub fn truncate(&mut self, seq: u64) {
        while let Some(range) = self.ranges.last_mut() {
            if range.first >= seq {
                self.count -= range.last - range.first + 1;
                self.ranges.pop();
                continue;
            }
            if range.last >= seq {
                self.count -= range.last - seq + 1;
                range.last = seq - 1;
            }
            break;
        }
    }

    /// Sets the count where it is known from elsewhere, as of seqs that found no place.
    pub fn set_count(&mut self, count: u64) {
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(seqs: &[u64]) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        seqs.iter().for_each(|seq| ranges.insert(*seq));
        ranges
    }

    fn listed(ranges: &SeqRanges) -> Vec<(u64, u64)> {
        ranges.ranges().iter().map(|range| (range.first, range.last)).collect()
    }

    #[test]
    fn neighbours_join_in_any_order() {
        assert_eq!(listed(&of(&[5, 7, 6, 1, 2, 2])), [(1, 2), (5, 7)]);
        assert_eq!(of(&[5, 7, 6, 1, 2, 2]).count(), 5);
    }

    #[test]
    fn beyond_the_bound_seqs_are_only_counted() {
        let ranges = of(&(0..200).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!((ranges.ranges().len(), ranges.count()), (SEQ_RANGES_MAX, 200));
    }

    #[test]
    fn truncating_cuts_within_a_range() {
        let mut ranges = of(&[1, 2, 3, 4, 8, 9]);
        ranges.truncate(3);
        assert_eq!((listed(&ranges), ranges.count()), (vec![(1, 2)], 2));
        ranges.truncate(0);
        assert_eq!((listed(&ranges), ranges.count()), (vec![], 0));
    }

    proptest! {
        #[test]
        fn ranges_hold_what_a_set_holds(seqs in prop::collection::vec(0_u64..100, 0..100), cut in 0_u64..110) {
            let mut ranges = of(&seqs);
            let mut set: BTreeSet<u64> = seqs.iter().copied().collect();
            ranges.truncate(cut);
            set.retain(|seq| *seq < cut);
            let held: BTreeSet<u64> = ranges.ranges().iter().flat_map(|range| range.first..=range.last).collect();
            prop_assert_eq!(ranges.count(), set.len() as u64);
            prop_assert_eq!(held, set);
        }
    }
}
