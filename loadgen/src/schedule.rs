//! When the events of one partition are due. Absolute: the time of an event depends on its seq alone, never on when
//! the previous one was sent, so that being late once does not move what follows.

/// The times of one partition's events: event `seq` is due at `start + floor((seq - base) * interval)`.
///
/// The axis is wall-clock microseconds for an open model. A closed loop uses the same rule with an axis that counts
/// the events of all partitions of a client, which keeps partitions in proportion to their shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    start: i64,
    base: u64,
    interval: f64,
}

impl Schedule {
    /// Event `base` is due at `start`, and those after it `per_unit` for each unit of the axis; none ever if `per_unit`
    /// is not above 0.
    pub fn new(start: i64, base: u64, per_unit: f64) -> Self {
        let interval = if per_unit > 0.0 { 1.0 / per_unit } else { f64::INFINITY };
        Self { start, base, interval }
    }

    /// When event `seq` is due; events before the base are due at the start.
    pub fn due_at(&self, seq: u64) -> i64 {
        let ahead = seq.saturating_sub(self.base);
        if ahead == 0 {
            return self.start;
        }
        // Exact to the microsecond: seqs and times stay below 2^53. The cast saturates.
        self.start.saturating_add((ahead as f64 * self.interval).floor() as i64)
    }

    /// The end (exclusive) of what is due at `now`: every seq below it is due, it itself is not.
    pub fn due_end(&self, now: i64) -> u64 {
        if now < self.start || self.interval.is_infinite() {
            return self.base;
        }
        // The last moment is where times that cannot be told saturate: nothing is due then.
        let now = now.min(i64::MAX - 1);
        let mut end = self.base + ((now - self.start) as f64 / self.interval) as u64;
        // The division may be off by one; the times decide.
        while end > self.base && self.due_at(end - 1) > now {
            end -= 1;
        }
        while self.due_at(end) <= now {
            end += 1;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_are_due_at_the_rate_from_the_start_on() {
        let schedule = Schedule::new(1_000_000, 0, 50_000.0 / 1e6);
        assert_eq!(schedule.due_end(999_999), 0);
        assert_eq!(schedule.due_end(1_000_000), 1);
        assert_eq!(schedule.due_end(1_000_019), 1);
        assert_eq!(schedule.due_end(1_000_020), 2);
        assert_eq!(schedule.due_end(2_000_000), 50_001);
    }

    #[test]
    fn a_schedule_may_begin_at_any_seq() {
        let schedule = Schedule::new(0, 700, 1.0 / 1000.0);
        assert_eq!(
            (schedule.due_at(3), schedule.due_at(700), schedule.due_at(702)),
            (0, 0, 2000)
        );
        assert_eq!(schedule.due_end(1999), 702);
    }

    #[test]
    fn a_partition_without_share_is_never_due() {
        let schedule = Schedule::new(0, 5, 0.0);
        assert_eq!(schedule.due_end(i64::MAX), 5);
        assert_eq!(schedule.due_at(6), i64::MAX);
        let once_a_year = Schedule::new(i64::MAX - 10, 0, 1.0 / 3e13);
        assert_eq!(once_a_year.due_end(i64::MAX), 1);
    }

    #[test]
    fn an_hour_at_a_million_a_second_ends_on_the_exact_microsecond() {
        let schedule = Schedule::new(0, 0, 1.0);
        assert_eq!(schedule.due_at(3_600_000_000), 3_600_000_000);
        assert_eq!(schedule.due_end(3_600_000_000), 3_600_000_001);
    }

    proptest! {
        #[test]
        fn no_tick_loses_or_doubles_an_event(
            rate in 0.001_f64..5e6, start in 0_i64..2_000_000_000_000_000, base in 0_u64..1_000_000_000,
            steps in prop::collection::vec(0_i64..5_000_000, 1..60),
        ) {
            let schedule = Schedule::new(start, base, rate / 1e6);
            let (mut now, mut next) = (start - 1_000_000, base);
            for step in steps {
                now += step;
                let end = schedule.due_end(now);
                prop_assert!(end >= next, "time goes on, so what is due grows");
                if end > next {
                    prop_assert!(schedule.due_at(end - 1) <= now);
                }
                prop_assert!(schedule.due_at(end) > now);
                next = end;
            }
        }

        #[test]
        fn events_are_due_in_order_and_at_the_rate(rate in 0.001_f64..5e6, seq in 0_u64..1_000_000_000) {
            let schedule = Schedule::new(0, 0, rate / 1e6);
            prop_assert!(schedule.due_at(seq) <= schedule.due_at(seq + 1));
            let exact = seq as f64 * 1e6 / rate;
            prop_assert!((schedule.due_at(seq) as f64 - exact).abs() <= 1.0 + exact * 1e-12);
        }
    }
}
