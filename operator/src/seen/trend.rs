//! How numbers move: rates over the last seconds, and whether a run holds its rate.

use std::collections::VecDeque;

use super::slope::growth_per_second;

/// Rates are taken over about this time.
const RATE_WINDOW_US: i64 = 5_000_000;
/// A steady state is judged over at least this time.
const STEADY_WINDOW_MIN_US: i64 = 8_000_000;
/// A steady state is judged over at most this time.
const STEADY_WINDOW_US: i64 = 12_000_000;
/// The growth of the lag is judged over at most this time; samples older than this are dropped.
const KEPT_US: i64 = 30_000_000;
/// Most samples kept.
const SAMPLES_MAX: usize = 100;
/// A rate counts as reached from this share on, over a window of seconds.
const STEADY_SHARE: f64 = 0.98;
/// What is sent later than this after it was due is not merely on its way, s.
const BEHIND_MAX_S: f64 = 1.0;
/// What is due and not sent grows only if it does by this share of the rate.
const BEHIND_GROWTH_MIN: f64 = 0.005;
/// A lag that grows by less than this share of the rate is taken to be flat,
const GROWTH_SHARE_MIN: f64 = 0.01;
/// as long as no more waits than is sent in this time, s.
const LAG_MAX_S: f64 = 1.0;

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
    /// Whether ever more is due and not sent, or a second's worth of it: less than that is on its way, as a batch waits
    /// for the one before it.
    pub is_behind: bool,
    /// By how many events a second the lag was growing; 0 where it was flat.
    pub lag_growth: f64,
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
        let last = self.samples.back()?;
        let lately = self
            .samples
            .iter()
            .filter(|sample| last.at_us - sample.at_us <= STEADY_WINDOW_US);
        lately.map(|sample| sample.lag).min()
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
        let (first, last) = self.window(STEADY_WINDOW_US)?;
        let span_us = last.at_us - first.at_us;
        if span_us < STEADY_WINDOW_MIN_US {
            return None;
        }
        let rate = last.sent.saturating_sub(first.sent) as f64 * 1e6 / span_us as f64;
        let reached = target.map_or(rate > 0.0, |target| rate >= STEADY_SHARE * target as f64);
        Some(reached && self.lag_growth(first.at_us, rate) == 0.0)
    }

    /// Notes what was achieved so far; call it with every complete look at producers that still send.
    pub fn achieved_so_far(&mut self, start_us: i64, target: Option<u64>, events: Option<u64>) {
        let Some(last) = self.samples.back() else { return };
        let elapsed_us = last.at_us - start_us;
        let is_over = events.is_some_and(|events| last.sent >= events);
        if elapsed_us <= 0 || is_over {
            return;
        }
        let rate = last.sent as f64 * 1e6 / elapsed_us as f64;
        // Also past the number of events: what is sent then should have been sent before.
        let due = |target: u64, at_us: i64| target as f64 * (at_us - start_us) as f64 / 1e6;
        let share = target.map(|target| last.sent as f64 / due(target, last.at_us).max(1.0));
        let is_behind = target.is_some_and(|target| {
            let unsent = |sample: &Sample| (due(target, sample.at_us) as u64).saturating_sub(sample.sent);
            unsent(last) as f64 > target as f64 * BEHIND_MAX_S
                || self.growth(start_us, unsent) > target as f64 * BEHIND_GROWTH_MIN
        });
        let lag_growth = self.lag_growth(start_us, rate);
        self.achieved = Some(Achieved {
            rate,
            share,
            is_behind,
            lag_growth,
        });
    }

    /// By how many events a second the lag has grown since then; 0 where that is little at this rate, or may be chance.
    /// Where much waits, more than before is enough.
    fn lag_growth(&self, since_us: i64, rate: f64) -> f64 {
        let growth = self.growth(since_us, |sample| sample.lag);
        if growth >= rate * GROWTH_SHARE_MIN {
            return growth;
        }
        let first = self.samples.iter().find(|sample| sample.at_us >= since_us);
        let (Some(first), Some(last)) = (first, self.samples.back()) else {
            return 0.0;
        };
        let more = last.lag.saturating_sub(first.lag) as f64;
        match last.lag as f64 > rate * LAG_MAX_S && more > 0.0 {
            true => more * 1e6 / (last.at_us - first.at_us).max(1) as f64,
            false => 0.0,
        }
    }

    /// By how much a second a number of the samples has grown since then.
    fn growth(&self, since_us: i64, of: impl Fn(&Sample) -> u64) -> f64 {
        let since = self.samples.iter().filter(|sample| sample.at_us >= since_us);
        let values: Vec<(i64, u64)> = since.map(|sample| (sample.at_us, of(sample))).collect();
        growth_per_second(&values)
    }

    /// What was achieved up to the last look at which producers still sent; unknown after a restart of the operator
    /// that came later.
    pub fn achieved(&self) -> Option<Achieved> {
        self.achieved
    }
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
        type Lag = fn(u64) -> u64;
        let table: [(&str, i64, u64, Lag, Option<bool>); 7] = [
            ("too short", 5, 1000, |_| 0, None),
            ("steady", 10, 1000, |second| 10 + second % 2, Some(true)),
            ("too slow", 10, 900, |_| 10, Some(false)),
            ("falling behind", 10, 1000, |second| 10 + second * 20, Some(false)),
            (
                "two seconds behind, and falling",
                10,
                1000,
                |second| 2000 + second,
                Some(false),
            ),
            (
                "falling behind by next to nothing",
                10,
                1000,
                |second| 10 + second * 9,
                Some(true),
            ),
            (
                "behind and catching up",
                10,
                1000,
                |second| 9000 - second * 700,
                Some(true),
            ),
        ];
        for (name, seconds, rate, lag, steady) in table {
            let samples: Vec<_> = (0..=seconds)
                .map(|at| (at, at as u64 * rate, 0, lag(at as u64)))
                .collect();
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
        trend.achieved_so_far(1, None, None);
        let closed = trend.achieved().expect("a sample");
        assert_eq!((closed.rate, closed.share, closed.lag_growth), (990.0, None, 0.0));
    }

    #[test]
    fn what_is_sent_late_is_late_up_to_the_last_event() {
        let mut trend = trend(&[(10, 9000, 0, 0), (18, 11_800, 0, 0)]);
        let achieved = |trend: &mut Trend| {
            trend.achieved_so_far(1, Some(1000), Some(12_000));
            trend
                .achieved()
                .map(|achieved| (achieved.is_behind, achieved.share < Some(0.7)))
        };
        assert_eq!(
            achieved(&mut trend),
            Some((true, true)),
            "6 s after the last should have been sent"
        );
        trend.push(19_000_001, 12_000, None, None);
        assert_eq!(achieved(&mut trend), Some((true, true)), "all is sent: nothing new");
    }

    #[test]
    fn what_is_on_its_way_is_not_behind() {
        let behind = |sent: fn(u64) -> u64| {
            let samples: Vec<_> = (0..=20).map(|at| (at, sent(at as u64), 0, 0)).collect();
            let mut trend = trend(&samples);
            trend.achieved_so_far(1, Some(1000), None);
            trend.achieved().map(|achieved| achieved.is_behind)
        };
        assert_eq!(
            behind(|second| (second * 1000).saturating_sub(200 + second % 3)),
            Some(false),
            "a fifth of a second"
        );
        assert_eq!(
            behind(|second| (second * 1000).saturating_sub(1100)),
            Some(true),
            "more than a second"
        );
        assert_eq!(behind(|second| second * 990), Some(true), "ever more");
        assert_eq!(behind(|second| second * 997), Some(false), "three in a thousand");
    }

    #[test]
    fn the_lag_is_judged_from_the_start_on() {
        let filled = |lag: fn(u64) -> u64| {
            let samples: Vec<_> = (0..=20).map(|at| (at, at as u64 * 1000, 0, lag(at as u64))).collect();
            let mut trend = trend(&samples);
            trend.achieved_so_far(5_000_001, Some(1000), None);
            trend.achieved().map(|achieved| achieved.lag_growth)
        };
        assert_eq!(filled(|second| second * 50), Some(50.0));
        assert_eq!(
            filled(|second| second.min(5) * 150),
            Some(0.0),
            "that was before the start"
        );
        assert_eq!(
            filled(|second| 2000 + second),
            Some(1.0),
            "little growth, but much waits"
        );
    }
}
