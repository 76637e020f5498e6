//! What standstills lie within a window of time: a fault, a restart, a whole run.

use crate::report::{AckGap, Pause};

/// A span of time, microseconds since the Unix epoch; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Begin.
    pub from_us: i64,
    /// End.
    pub to_us: i64,
}

/// How long one partition stood still within a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standstill {
    /// Partition of the topic.
    pub partition: u32,
    /// The longest time, whole, also where it reaches beyond the window.
    pub longest_us: u64,
    /// Member that counted before the longest; empty where that is not known.
    pub member_before: String,
    /// Member that counted after the longest; empty where that is not known.
    pub member_after: String,
}

impl Window {
    /// Longest pause of each partition that has one, the longest first.
    pub fn pauses(&self, pauses: &[Pause]) -> Vec<Standstill> {
        let within = pauses
            .iter()
            .filter(|pause| self.meets(pause.ended_at_us, pause.length_us));
        longest_of_each(within.map(|pause| Standstill {
            partition: pause.partition,
            longest_us: pause.length_us,
            member_before: pause.member_before.clone(),
            member_after: pause.member_after.clone(),
        }))
    }

    /// Longest time without an acknowledgement of each partition that has one, the longest first.
    pub fn ack_gaps(&self, gaps: &[AckGap]) -> Vec<Standstill> {
        let within = gaps.iter().filter(|gap| self.meets(gap.ended_at_us, gap.length_us));
        longest_of_each(within.map(|gap| Standstill {
            partition: gap.partition,
            longest_us: gap.length_us,
            ..Standstill::default()
        }))
    }

    fn meets(&self, ended_at_us: i64, length_us: u64) -> bool {
        ended_at_us >= self.from_us && ended_at_us.saturating_sub_unsigned(length_us) <= self.to_us
    }
}

fn longest_of_each(standstills: impl Iterator<Item = Standstill>) -> Vec<Standstill> {
    let mut all: Vec<Standstill> = standstills.collect();
    all.sort_by(|a, b| (a.partition, b.longest_us).cmp(&(b.partition, a.longest_us)));
    all.dedup_by_key(|standstill| standstill.partition);
    all.sort_by(|a, b| (b.longest_us, a.partition).cmp(&(a.longest_us, b.partition)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(partition: u32, ended_at_us: i64, length_us: u64) -> Pause {
        Pause {
            partition,
            ended_at_us,
            length_us,
            member_before: "a".to_owned(),
            member_after: "b".to_owned(),
        }
    }

    fn lengths(standstills: &[Standstill]) -> Vec<(u32, u64)> {
        standstills.iter().map(|one| (one.partition, one.longest_us)).collect()
    }

    #[test]
    fn a_pause_belongs_to_every_window_that_it_meets() {
        let window = Window {
            from_us: 1_000,
            to_us: 2_000,
        };
        let pauses = [
            pause(0, 999, 500),
            pause(1, 1_000, 500),
            pause(2, 2_500, 500),
            pause(3, 2_500, 499),
            pause(4, 9_000, 8_500),
        ];
        assert_eq!(lengths(&window.pauses(&pauses)), [(4, 8_500), (1, 500), (2, 500)]);
    }

    #[test]
    fn the_longest_of_a_partition_counts() {
        let window = Window { from_us: 0, to_us: 99 };
        let gap = |partition, length_us| AckGap {
            partition,
            ended_at_us: 50,
            length_us,
        };
        let gaps = [gap(7, 10), gap(3, 30), gap(7, 40), gap(3, 20)];
        assert_eq!(lengths(&window.ack_gaps(&gaps)), [(7, 40), (3, 30)]);
        assert_eq!(window.ack_gaps(&[]), []);
    }
}
