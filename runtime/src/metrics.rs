//! Metrics. The hot paths count in plain numbers of their own; a scrape turns a snapshot of them into families, so
//! that nothing is counted twice and no atomic is touched per event.

use prometheus::core::Collector;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};

/// Metric names that more than one pod exports.
pub mod names {
    /// CPU time of the process, user and system.
    pub const CPU_SECONDS_TOTAL: &str = "eoslab_cpu_seconds_total";
    /// 1 while the pod is ready.
    pub const READY: &str = "eoslab_ready";
    /// Time that brokers held back by a quota.
    pub const QUOTA_SECONDS_TOTAL: &str = "eoslab_quota_seconds_total";
    /// Help of [`QUOTA_SECONDS_TOTAL`].
    pub const QUOTA_HELP: &str = "Time that a broker held its connection back by a quota.";
}

/// Upper bounds of latency buckets, microseconds: 0.5 ms to 60 s.
pub const LATENCY_BOUNDS_US: [u64; 17] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
    10_000_000, 20_000_000, 30_000_000, 60_000_000,
];

/// A latency histogram for Prometheus, cheap enough for one call per event. The HDR histograms of the reports are the
/// record of truth; this is the live view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyBuckets {
    counts: [u64; LATENCY_BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl LatencyBuckets {
    /// Adds one latency, in microseconds.
    pub fn record(&mut self, us: u64) {
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Adds all of another one's.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn to_histogram(&self) -> Histogram {
        let mut cumulative = 0;
        let mut buckets = Vec::with_capacity(LATENCY_BOUNDS_US.len());
        for (bound_us, count) in LATENCY_BOUNDS_US.into_iter().zip(self.counts) {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound_us as f64 / 1e6);
            bucket.set_cumulative_count(cumulative);
            buckets.push(bucket);
        }
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(self.count());
        histogram.set_sample_sum(self.sum_us as f64 / 1e6);
        histogram
    }
}

/// Label names and values of one metric.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Metric families made from a snapshot, at each scrape anew.
#[derive(Debug, Default)]
pub struct Families {
    families: Vec<MetricFamily>,
}

impl Families {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a counter without labels.
    pub fn counter(self, name: &str, help: &str, value: f64) -> Self {
        self.counters(name, help, [(&[] as Labels, value)])
    }

    /// Adds a counter, one value for each set of labels.
    pub fn counters<'a>(self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels<'a>, f64)>) -> Self {
        self.family(name, help, MetricType::COUNTER, values, |metric, value| {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        })
    }

    /// Adds a gauge without labels.
    pub fn gauge(self, name: &str, help: &str, value: f64) -> Self {
        self.gauges(name, help, [(&[] as Labels, value)])
    }

    /// Adds a gauge, one value for each set of labels.
    pub fn gauges<'a>(self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels<'a>, f64)>) -> Self {
        self.family(name, help, MetricType::GAUGE, values, |metric, value| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        })
    }

    /// Adds a histogram in seconds, one for each set of labels.
    pub fn latencies<'a>(
        self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a>, &'a LatencyBuckets)>,
    ) -> Self {
        self.family(
            name,
            help,
            MetricType::HISTOGRAM,
            values,
            |metric, buckets: &LatencyBuckets| {
                metric.set_histogram(buckets.to_histogram());
            },
        )
    }

    fn family<'a, V>(
        mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl IntoIterator<Item = (Labels<'a>, V)>,
        set: impl Fn(&mut Metric, V),
    ) -> Self {
        let metrics = values.into_iter().map(|(labels, value)| {
            let mut metric = Metric::from_label(labels.iter().map(|(name, value)| label(name, value)).collect());
            set(&mut metric, value);
            metric
        });
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics.collect());
        self.families.push(family);
        self
    }

    /// All families in Prometheus's text format; families without any value are left out.
    pub fn encode(mut self) -> Result<String, prometheus::Error> {
        self.families.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode_to_string(&self.families)
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// A registry for metrics that are kept as Prometheus's own types.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a metric and returns it.
    pub fn register<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    /// What is registered, followed by families made at this scrape.
    pub fn encode(&self, families: Families) -> Result<String, prometheus::Error> {
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        text.push_str(&families.encode()?);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::IntCounter;

    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_that_ends_at_or_above_it() {
        let mut buckets = LatencyBuckets::default();
        for us in [0, 500, 501, 1_000, 60_000_000, 60_000_001] {
            buckets.record(us);
        }
        assert_eq!((buckets.counts[0], buckets.counts[1]), (2, 2));
        assert_eq!((buckets.counts[16], buckets.counts[17]), (1, 1));
        let mut both = buckets.clone();
        both.merge(&buckets);
        assert_eq!(both.count(), 12);
    }

    #[test]
    fn a_scrape_shows_counters_gauges_and_cumulative_buckets() -> Result<(), prometheus::Error> {
        let mut buckets = LatencyBuckets::default();
        buckets.record(700);
        buckets.record(1_500_000);
        let metrics = Metrics::new();
        metrics
            .register(IntCounter::new("registered_total", "kept by prometheus")?)?
            .inc_by(3);
        let families = Families::new()
            .counter("sent_total", "events", 5.0)
            .gauges("rate", "by basis", [(&[("basis", "actual")] as Labels, 2.5)])
            .gauges("nothing", "no value", [])
            .latencies(
                "latency_seconds",
                "waits",
                [(&[("basis", "intended")] as Labels, &buckets)],
            );
        let text = metrics.encode(families)?;
        for line in [
            "registered_total 3",
            "# TYPE sent_total counter",
            "sent_total 5",
            "rate{basis=\"actual\"} 2.5",
            "latency_seconds_bucket{basis=\"intended\",le=\"0.0005\"} 0",
            "latency_seconds_bucket{basis=\"intended\",le=\"0.001\"} 1",
            "latency_seconds_bucket{basis=\"intended\",le=\"+Inf\"} 2",
            "latency_seconds_count{basis=\"intended\"} 2",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        assert!(!text.contains("nothing"), "{text}");
        Ok(())
    }
}
