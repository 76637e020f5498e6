//! Which seq may come next: each partition's events are numbered densely from 0 by their one producer.

/// What a seq means after the last one counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeqStep {
    /// The next event.
    Next,
    /// Counted before: the log holds it twice.
    Duplicate,
    /// Events before it are missing from the log, or were not delivered.
    Hole {
        /// How many.
        missing: u64,
    },
}

/// Judges `seq` after `last`, the seq counted last (-1 before the first, `None` where it is not known).
pub fn step(last: Option<i64>, seq: i64) -> SeqStep {
    match last {
        None => SeqStep::Next,
        Some(last) if seq <= last => SeqStep::Duplicate,
        Some(last) if seq - 1 == last => SeqStep::Next,
        Some(last) => SeqStep::Hole {
            missing: (seq - 1 - last) as u64,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seq_is_next_a_duplicate_or_behind_a_hole() {
        let table = [
            (Some(-1), 0, SeqStep::Next),
            (Some(-1), 1, SeqStep::Hole { missing: 1 }),
            (Some(9), 10, SeqStep::Next),
            (Some(9), 9, SeqStep::Duplicate),
            (Some(9), 0, SeqStep::Duplicate),
            (Some(9), 13, SeqStep::Hole { missing: 3 }),
            (Some(i64::MAX), i64::MAX, SeqStep::Duplicate),
            (
                Some(-1),
                i64::MAX,
                SeqStep::Hole {
                    missing: i64::MAX as u64,
                },
            ),
            (None, 77, SeqStep::Next),
        ];
        for (last, seq, wanted) in table {
            assert_eq!(step(last, seq), wanted, "{seq} after {last:?}");
        }
    }
}
