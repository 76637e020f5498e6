//! How numbers move: rates over the last seconds, and whether a run holds its rate.

use std::collections::VecDeque;

/// Rates are taken over about this time.
const RATE_WINDOW_US: i64 = 5_000_000;
/// A steady state is judged over at least this time.
const STEADY_WINDOW_US: i64 = 8_000_000;
/// Samples older than this are dropped.
const KEPT_US: i64 = 12_000_000;
/// Most samples kept.
const SAMPLES_MAX: usize = 100;
/// A rate counts as reached from this share on, over a window of seconds.
const STEADY_SHARE: f64 = 0.98;
/// Lag that is no sign of growth: what a run sends in this time, s.
const LAG_SLACK_S: f64 = 1.0;

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, us since the Unix epoch.
    pub at_us: i64,
    /// Events sent since the beginning.
    pub sent: u64,
    /// Events counted since the beginning.
    pub counted: u64,
    /// Events waiting.
    pub lag: u64,
}

/// The last look at which producers were still sending: what the run achieved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Achieved {
    /// Events sent a second since the start.
    pub rate: f64,
    /// Share of the schedule that was sent, 0 to 1 (or a little above); `None` in a closed loop.
    pub share: Option<f64>,
    /// Whether the lag was growing.
    pub is_lag_growing: bool,
}

/// Samples of the last seconds.
#[derive(Clone, Debug, Default)]
pub struct Trend {
    samples: VecDeque<Sample>,
    achieved: Option<Achieved>,
}

impl Trend {
    /// Adds what was seen; what was not is taken to be as before, and no count goes back. A sample that is not later
    /// than the last is ignored.
    pub fn push(&mut self, at_us: i64, sent: u64, counted: Option<u64>, lag: Option<u64>) {
        let last = self.samples.back().copied().unwrap_or_default();
        if last.at_us >= at_us {
            return;
        }
        self.samples.push_back(Sample {
            at_us,
            sent: sent.max(last.sent),
            counted: counted.unwrap_or(last.counted),
            lag: lag.unwrap_or(last.lag),
        });
        let old = |first: &Sample| at_us - first.at_us > KEPT_US;
        while self.samples.len() > SAMPLES_MAX || self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
    }

    /// Events sent a second lately.
    pub fn sent_rate(&self) -> u64 {
        self.rate(|sample| sample.sent)
    }

    /// Events counted a second lately.
    pub fn counted_rate(&self) -> u64 {
        self.rate(|sample| sample.counted)
    }

    /// Least events that waited at any of the last looks.
    pub fn least_lag(&self) -> Option<u64> {
        self.samples.iter().map(|sample| sample.lag).min()
    }

    fn rate(&self, of: impl Fn(&Sample) -> u64) -> u64 {
        let Some((first, last)) = self.window(RATE_WINDOW_US) else {
            return 0;
        };
        // A member's restart or a Redis that lost its tail may take a count back: that is no negative rate.
        let more = of(&last).saturating_sub(of(&first)) as f64;
        (more * 1e6 / (last.at_us - first.at_us) as f64).round() as u64
    }

    /// The last sample and the earliest within `span_us` before it, if these are two.
    fn window(&self, span_us: i64) -> Option<(Sample, Sample)> {
        let last = *self.samples.back()?;
        let first = *self
            .samples
            .iter()
            .find(|sample| last.at_us - sample.at_us <= span_us)?;
        (last.at_us > first.at_us).then_some((first, last))
    }

    /// Whether the wanted rate is reached (any rate, in a closed loop) and the lag does not grow. `None` while too
    /// little was seen.
    pub fn is_steady(&self, target: Option<u64>) -> Option<bool> {
        let (first, last) = self.window(KEPT_US)?;
        let span_us = last.at_us - first.at_us;
        if span_us < STEADY_WINDOW_US {
            return None;
        }
        let rate = last.sent.saturating_sub(first.sent) as f64 * 1e6 / span_us as f64;
        let reached = target.map_or(rate > 0.0, |target| rate >= STEADY_SHARE * target as f64);
        Some(reached && !grows(first, last, rate))
    }

    /// Notes what was achieved so far; call it with every complete look at producers that still send.
    pub fn achieved_so_far(&mut self, start_us: i64, target: Option<u64>, events: Option<u64>) {
        let Some(last) = self.samples.back() else { return };
        let elapsed_us = last.at_us - start_us;
        if elapsed_us <= 0 {
            return;
        }
        let rate = last.sent as f64 * 1e6 / elapsed_us as f64;
        let due = |target: u64| {
            let due = target as f64 * elapsed_us as f64 / 1e6;
            events.map_or(due, |events| due.min(events as f64))
        };
        let (first, now) = self.window(KEPT_US).unwrap_or((*last, *last));
        self.achieved = Some(Achieved {
            rate,
            share: target.map(|target| last.sent as f64 / due(target).max(1.0)),
            is_lag_growing: grows(first, now, rate),
        });
    }

    /// What was achieved up to the last look at which producers still sent; unknown after a restart of the operator
    /// that came later.
    pub fn achieved(&self) -> Option<Achieved> {
        self.achieved
    }
}

/// Whether more waits than a moment's worth, and more than before.
fn grows(first: Sample, last: Sample, rate: f64) -> bool {
    let slack = (rate * LAG_SLACK_S) as u64;
    last.lag > slack && last.lag > first.lag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(samples: &[(i64, u64, u64, u64)]) -> Trend {
        let mut trend = Trend::default();
        for (seconds, sent, counted, lag) in samples {
            trend.push(seconds * 1_000_000 + 1, *sent, Some(*counted), Some(*lag));
        }
        trend
    }

    #[test]
    fn a_rate_needs_two_samples_and_covers_the_last_seconds() {
        assert_eq!(trend(&[]).sent_rate(), 0);
        assert_eq!(trend(&[(1, 500, 0, 0)]).sent_rate(), 0);
        let trend = trend(&[(1, 0, 0, 0), (4, 3000, 10, 0), (6, 5000, 20, 0), (9, 11_000, 50, 0)]);
        assert_eq!((trend.sent_rate(), trend.counted_rate()), (1600, 8));
    }

    #[test]
    fn the_least_lag_is_that_of_the_last_seconds() {
        assert_eq!(trend(&[]).least_lag(), None);
        assert_eq!(
            trend(&[(1, 0, 0, 3), (20, 0, 0, 70), (21, 0, 0, 50), (22, 0, 0, 900)]).least_lag(),
            Some(50)
        );
    }

    #[test]
    fn a_count_that_goes_back_is_no_rate() {
        let trend = trend(&[(1, 1000, 500, 0), (2, 1100, 300, 0)]);
        assert_eq!((trend.sent_rate(), trend.counted_rate()), (100, 0));
    }

    #[test]
    fn what_could_not_be_seen_is_as_before() {
        let mut trend = trend(&[(1, 1000, 900, 7)]);
        trend.push(2_000_001, 1500, None, None);
        assert_eq!((trend.sent_rate(), trend.counted_rate()), (500, 0));
        assert_eq!(trend.samples.back().map(|last| last.lag), Some(7));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut trend = Trend::default();
        for at_us in 0..500 {
            trend.push(at_us + 1, 0, None, None);
        }
        assert_eq!(trend.samples.len(), SAMPLES_MAX);
        trend.push(1_000_000_000, 0, None, None);
        assert_eq!(trend.samples.len(), 1);
    }

    #[test]
    fn steady_is_the_wanted_rate_without_growing_lag() {
        let table = [
            ("too short", vec![(0, 0, 0, 0), (5, 5000, 0, 0)], None),
            ("steady", vec![(0, 0, 0, 10), (10, 10_000, 0, 20)], Some(true)),
            ("too slow", vec![(0, 0, 0, 10), (10, 9000, 0, 20)], Some(false)),
            (
                "behind and falling",
                vec![(0, 0, 0, 10), (10, 10_000, 0, 2000)],
                Some(false),
            ),
            (
                "behind and catching up",
                vec![(0, 0, 0, 9000), (10, 10_000, 0, 2000)],
                Some(true),
            ),
        ];
        for (name, samples, steady) in table {
            assert_eq!(trend(&samples).is_steady(Some(1000)), steady, "{name}");
        }
        assert_eq!(
            trend(&[(0, 0, 0, 0), (10, 1, 0, 0)]).is_steady(None),
            Some(true),
            "a closed loop has no target"
        );
    }

    #[test]
    fn achieved_compares_with_the_schedule_and_the_number_of_events() {
        let mut trend = trend(&[(10, 9900, 0, 0)]);
        assert_eq!(trend.achieved(), None);
        trend.achieved_so_far(1, Some(1000), None);
        assert_eq!(trend.achieved().and_then(|achieved| achieved.share), Some(0.99));
        trend.achieved_so_far(1, Some(1000), Some(9900));
        assert_eq!(trend.achieved().and_then(|achieved| achieved.share), Some(1.0));
        trend.achieved_so_far(1, None, None);
        let closed = trend.achieved().expect("a sample");
        assert_eq!((closed.rate, closed.share), (990.0, None));
    }
}
