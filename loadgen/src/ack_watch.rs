//! How long a partition goes without an acknowledgement while sends wait for one.

use std::collections::VecDeque;

use eoslab_core::report::{ACK_GAP_MIN_US, ACK_GAPS_MAX, AckGap};

/// Watches one partition: two numbers, for it is asked of every send. Times are microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct AckWatch {
    acked_at_us: i64,
    /// First send since then whose outcome is known.
    waiting_since_us: i64,
}

impl Default for AckWatch {
    fn default() -> Self {
        Self {
            acked_at_us: i64::MIN,
            waiting_since_us: i64::MAX,
        }
    }
}

impl AckWatch {
    /// A partition that a former process has sent to, and whose next event has waited since then: that no process was
    /// there to send it does not make it wait less.
    pub fn waiting_since(at_us: i64) -> Self {
        Self {
            waiting_since_us: at_us,
            ..Self::default()
        }
    }

    /// Takes the outcome of a send that was sent at `sent_at_us`. Returns for how long there was no acknowledgement if
    /// this is one: since the one before, or the first send that waited, whichever is later. Sends that failed have
    /// waited as well.
    #[inline]
    pub fn resolve(&mut self, sent_at_us: i64, is_acked: bool, now_us: i64) -> Option<u64> {
        self.waiting_since_us = self.waiting_since_us.min(sent_at_us);
        if !is_acked {
            return None;
        }
        let since_us = self.acked_at_us.max(self.waiting_since_us);
        *self = Self {
            acked_at_us: now_us,
            waiting_since_us: i64::MAX,
        };
        Some(now_us.saturating_sub(since_us).max(0) as u64)
    }
}

/// The last times without an acknowledgement that are long enough to be noted, in the order of their ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckGaps(VecDeque<AckGap>);

impl AckGaps {
    /// Notes a time without an acknowledgement that ended at `now_us`, if it is long enough.
    #[inline]
    pub fn note(&mut self, partition: u32, length_us: u64, now_us: i64) {
        if length_us >= ACK_GAP_MIN_US {
            self.push(AckGap {
                partition,
                ended_at_us: now_us,
                length_us,
            });
        }
    }

    /// Adds another client's.
    pub fn merge(&mut self, other: Self) {
        let mut all: Vec<AckGap> = std::mem::take(&mut self.0).into_iter().chain(other.0).collect();
        all.sort_by_key(|gap| gap.ended_at_us);
        all.into_iter().for_each(|gap| self.push(gap));
    }

    /// As they are reported.
    pub fn into_vec(self) -> Vec<AckGap> {
        self.0.into()
    }

    fn push(&mut self, gap: AckGap) {
        if self.0.len() >= ACK_GAPS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, watch, outcomes as (sent, acknowledged, now), and the gap that each acknowledgement ends.
    type Row<'a> = (&'a str, AckWatch, &'a [(i64, bool, i64)], &'a [u64]);

    #[test]
    fn a_gap_is_the_time_in_which_a_send_waited_and_none_was_acknowledged() {
        let (acked, failed) = (true, false);
        let fresh = AckWatch::default();
        let resumed = AckWatch::waiting_since(400);
        let table: [Row; 8] = [
            ("the first waits from its send", fresh, &[(100, acked, 130)], &[30]),
            (
                "of one answer only the first ends a gap",
                fresh,
                &[(100, acked, 130), (110, acked, 130), (120, acked, 130)],
                &[30, 0, 0],
            ),
            (
                "one that was sent before the last answer waits from that on",
                fresh,
                &[(100, acked, 130), (110, acked, 160)],
                &[30, 30],
            ),
            (
                "nothing waits while nothing is sent",
                fresh,
                &[(100, acked, 130), (900, acked, 920)],
                &[30, 20],
            ),
            (
                "what failed has waited",
                fresh,
                &[(100, acked, 130), (150, failed, 700), (650, acked, 720)],
                &[30, 570],
            ),
            (
                "and is forgotten with the next answer",
                fresh,
                &[(150, failed, 700), (650, acked, 720), (800, acked, 830)],
                &[570, 30],
            ),
            (
                "a restart is part of the gap",
                resumed,
                &[(2000, acked, 2030), (2010, acked, 2040)],
                &[1630, 10],
            ),
            ("a clock that lags is no gap", fresh, &[(100, acked, 90)], &[0]),
        ];
        for (name, mut watch, outcomes, gaps) in table {
            let seen: Vec<u64> = outcomes
                .iter()
                .filter_map(|(sent, is_acked, now)| watch.resolve(*sent, *is_acked, *now))
                .collect();
            assert_eq!(seen, gaps, "{name}");
        }
    }

    #[test]
    fn only_long_gaps_are_noted_and_the_oldest_go_first() {
        let mut gaps = AckGaps::default();
        gaps.note(1, ACK_GAP_MIN_US - 1, 5);
        assert_eq!(gaps, AckGaps::default());
        for at_us in 0..ACK_GAPS_MAX as i64 + 3 {
            gaps.note(1, ACK_GAP_MIN_US, at_us);
        }
        let ends: Vec<i64> = gaps.into_vec().iter().map(|gap| gap.ended_at_us).collect();
        assert_eq!((ends.len(), ends[0]), (ACK_GAPS_MAX, 3));
    }

    #[test]
    fn gaps_of_several_clients_are_in_the_order_of_their_ends() {
        let of = |partition: u32, ends: &[i64]| {
            let mut gaps = AckGaps::default();
            ends.iter().for_each(|end| gaps.note(partition, ACK_GAP_MIN_US, *end));
            gaps
        };
        let mut gaps = of(0, &[10, 30]);
        gaps.merge(of(1, &[20, 40]));
        let seen: Vec<(u32, i64)> = gaps
            .into_vec()
            .iter()
            .map(|gap| (gap.partition, gap.ended_at_us))
            .collect();
        assert_eq!(seen, [(0, 10), (1, 20), (0, 30), (1, 40)]);
    }
}
