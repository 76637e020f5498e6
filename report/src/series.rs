//! How a run went over time.

use eoslab_core::LatencyHistogram;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most points of a series.
pub const POINTS_MAX: usize = 900;
/// Points that a run of the planned length gets: a third of what may be kept, as draining may take long.
const POINTS_PLANNED: u64 = 300;

/// How a run went over time: a point each interval, none of them made from others. Where one does not begin at the end of the
/// one before, nobody looked in between.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// The moment from which times are counted: the intended send of the first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// Wanted length of a point, milliseconds: a three-hundredth of the planned length, and longer as the series fills up.
    pub interval_ms: u64,
    /// Whether the run took so long that its end is not in the series.
    pub is_cut: bool,
    /// The points, in the order of time.
    pub points: Vec<Point>,
}

impl Series {
    /// An empty one for a run that is planned to take so many seconds.
    pub fn planned(seconds: u64) -> Self {
        Self {
            interval_ms: (seconds * 1000 / POINTS_PLANNED).max(1000),
            ..Self::default()
        }
    }

    /// Adds a point, or notes that there is no room. The last third is filled more and more slowly.
    pub fn push(&mut self, point: Point) {
        let filled = self.points.len();
        if filled >= POINTS_MAX {
            self.is_cut = true;
            return;
        }
        self.points.push(point);
        if filled + 1 >= POINTS_MAX * 2 / 3 && (filled + 1).is_multiple_of(POINTS_MAX / 9) {
            self.interval_ms *= 2;
        }
    }
}

/// What happened in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Begin of its time, milliseconds since `startedAt`.
    pub from_ms: i64,
    /// End of its time, milliseconds since `startedAt`.
    pub at_ms: i64,
    /// Events sent a second.
    pub sent_per_second: u64,
    /// Events counted a second.
    pub counted_per_second: u64,
    /// Events in the log that were not counted, at its end; absent where Kafka or Redis did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_records: Option<u64>,
    /// Age of the oldest of them, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// End-to-end latency of the events counted in its time; absent where there was none (the warm-up).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_to_end: Option<LatencyPoint>,
    /// Response latency of the events acknowledged in its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<LatencyPoint>,
    /// CPU used in its time.
    pub cpu: Cpu,
    /// Ready producers and counters, at its end.
    pub ready: u32,
}

/// A latency of the events of one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyPoint {
    /// Events.
    pub samples: u64,
    /// Median, microseconds.
    #[serde(rename = "p50Us")]
    pub p50_us: u64,
    /// 99th percentile, microseconds.
    #[serde(rename = "p99Us")]
    pub p99_us: u64,
    /// Largest, microseconds.
    #[serde(rename = "maxUs")]
    pub max_us: u64,
}

impl LatencyPoint {
    /// Of these samples, if there are any.
    pub fn new(samples: &LatencyHistogram) -> Option<Self> {
        (!samples.is_empty()).then(|| Self {
            samples: samples.count(),
            p50_us: samples.quantile(0.5),
            p99_us: samples.quantile(0.99),
            max_us: samples.max(),
        })
    }
}

/// CPU used in the time of a point; absent where nobody told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    /// All producers together, thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producers_millicores: Option<u64>,
    /// All counters together, thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters_millicores: Option<u64>,
    /// The busiest node, percent of all its cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_percent: Option<u32>,
}

/// How the latencies after the warm-up are distributed, for plots. The quantiles stand in `status.latency`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// From the intended send to the acknowledged count in Redis.
    pub end_to_end: Vec<Bin>,
    /// From the intended send to the broker's acknowledgement; empty with `rate: max`.
    pub response: Vec<Bin>,
    /// From the actual send to the broker's acknowledgement.
    pub service: Vec<Bin>,
}

/// Latencies above the bound of the bin before and up to this one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bin {
    /// The bound, microseconds: twenty of them a decade.
    #[serde(rename = "upToUs")]
    pub up_to_us: u64,
    /// How many events.
    pub count: u64,
}

/// Twenty bins a decade, from the first that holds a sample to the last.
pub fn bins(samples: &LatencyHistogram) -> Vec<Bin> {
    let bounds = (0..).map(|index| 10_f64.powf(f64::from(index) / 20.0).round() as u64);
    let mut bins: Vec<Bin> = Vec::new();
    let mut before = 0;
    for up_to_us in bounds.take_while(|bound| *bound < LatencyHistogram::US_MAX * 2) {
        let below = samples.count_up_to(up_to_us);
        // The first bounds are so close that some are the same microsecond.
        if bins.last().is_some_and(|last| last.up_to_us == up_to_us) {
            continue;
        }
        if below > before || (before > 0 && before < samples.count()) {
            bins.push(Bin {
                up_to_us,
                count: below - before,
            });
        }
        before = below;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_sample_once() {
        let mut samples = LatencyHistogram::default();
        for us in [0, 1, 3, 950, 1_000, 1_000, 70_000, LatencyHistogram::US_MAX + 5] {
            samples.record(us);
        }
        let bins = bins(&samples);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), samples.count());
        let of = |up_to_us| bins.iter().find(|bin| bin.up_to_us == up_to_us).map(|bin| bin.count);
        assert_eq!(
            of(1_000),
            Some(3),
            "950 is in the bin that ends with a thousand: {bins:?}"
        );
        assert!(
            bins.windows(2).all(|pair| pair[0].up_to_us < pair[1].up_to_us),
            "{bins:?}"
        );
    }

    #[test]
    fn a_series_fills_up_more_and_more_slowly_and_says_when_it_is_full() {
        assert_eq!(Series::planned(60).interval_ms, 1000);
        let mut series = Series::planned(3000);
        assert_eq!(series.interval_ms, 10_000);
        for _ in 0..POINTS_MAX * 2 / 3 - 1 {
            series.push(Point::default());
        }
        assert_eq!(series.interval_ms, 10_000);
        for _ in 0..=POINTS_MAX / 3 {
            series.push(Point::default());
        }
        assert!(series.interval_ms >= 80_000, "{}", series.interval_ms);
        assert!(!series.is_cut);
        series.push(Point::default());
        assert_eq!((series.points.len(), series.is_cut), (POINTS_MAX, true));
    }
}
