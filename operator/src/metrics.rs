//! Metrics of the operator, and of the runs as it sees them.
//!
//! `kafka_consumergroup_lag` is left to the exporters that own the name; ours is `eoslab_consumer_lag_records`, which
//! does not vanish while the group is empty.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use eoslab_api::{LoadTest, LoadTestStatus};
use eoslab_runtime::metrics::{Families, Labels};
use kube::ResourceExt;
use prometheus::{Histogram, HistogramOpts, HistogramTimer, IntCounterVec, Opts, Registry, TextEncoder};

use crate::names::key;
use crate::seen::{Seen, log};

/// How long reconciliations take.
pub const RECONCILE_SECONDS: &str = "eoslab_operator_reconcile_duration_seconds";
/// Reconciliations that failed, by kind.
pub const RECONCILE_FAILURES: &str = "eoslab_operator_reconcile_failures_total";
/// Events of a partition that are not counted yet.
pub const LAG_RECORDS: &str = "eoslab_consumer_lag_records";
/// Age of the oldest event of a partition that is not counted yet.
pub const LAG_SECONDS: &str = "eoslab_consumer_lag_seconds";
/// 1 for each run, with its phase and verdict.
pub const RUN_INFO: &str = "eoslab_run_info";
/// Longest pause of any partition.
pub const LONGEST_PAUSE_SECONDS: &str = "eoslab_longest_pause_seconds";
/// Events sent a second.
pub const SENT_RATE: &str = "eoslab_run_sent_events_per_second";
/// Events counted a second.
pub const COUNTED_RATE: &str = "eoslab_run_counted_events_per_second";

/// What is exported of a run.
#[derive(Clone, Debug, Default)]
struct RunView {
    namespace: String,
    name: String,
    phase: String,
    verdict: String,
    lag: Vec<(u64, u64)>,
    longest_pause_ms: u64,
    sent_rate: u64,
    counted_rate: u64,
}

/// The metrics.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    reconcile: Histogram,
    failures: IntCounterVec,
    runs: Arc<Mutex<BTreeMap<String, RunView>>>,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When a name is registered twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let help = "How long a reconciliation took";
        let reconcile = Histogram::with_opts(HistogramOpts::new(RECONCILE_SECONDS, help).buckets(buckets))?;
        let help = "Reconciliations that failed, by kind of error";
        let failures = IntCounterVec::new(Opts::new(RECONCILE_FAILURES, help), &["kind"])?;
        registry.register(Box::new(reconcile.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        Ok(Self {
            registry,
            reconcile,
            failures,
            runs: Arc::default(),
        })
    }

    /// Times a reconciliation.
    pub fn reconcile_timer(&self) -> HistogramTimer {
        self.reconcile.start_timer()
    }

    /// Counts a failure.
    pub fn failed(&self, kind: &str) {
        self.failures.with_label_values(&[kind]).inc();
    }

    /// Notes what was seen of a run.
    pub fn observe_run(&self, loadtest: &LoadTest, status: &LoadTestStatus, seen: &Seen, now_us: i64) {
        let mut view = view(loadtest, status);
        if let (Some(log), Some(ledger)) = (&seen.log, &seen.ledger) {
            view.lag = log::lag(log, ledger, now_us).partitions;
        }
        self.note(loadtest, view);
    }

    /// Notes a run that is over.
    pub fn observe(&self, loadtest: &LoadTest) {
        let mut view = view(loadtest, &loadtest.status.clone().unwrap_or_default());
        (view.sent_rate, view.counted_rate) = (0, 0);
        self.note(loadtest, view);
    }

    /// Drops a run.
    pub fn forget(&self, loadtest: &LoadTest) {
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key(loadtest));
    }

    /// Drops every run but these, by `namespace/name`.
    pub fn keep_only(&self, keys: &HashSet<String>) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|key, _| keys.contains(key));
    }

    fn note(&self, loadtest: &LoadTest, view: RunView) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(key(loadtest), view);
    }

    /// All metrics in Prometheus's text format.
    ///
    /// # Errors
    /// When they cannot be written as text.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        let runs: Vec<RunView> = self
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        text.push_str(&families(&runs).encode()?);
        Ok(text)
    }
}

fn view(loadtest: &LoadTest, status: &LoadTestStatus) -> RunView {
    RunView {
        namespace: loadtest.namespace().unwrap_or_default(),
        name: loadtest.name_any(),
        phase: status.phase.to_string(),
        verdict: status.verdict.to_string(),
        lag: Vec::new(),
        longest_pause_ms: status.pauses.as_ref().map_or(0, |pauses| pauses.longest_ms),
        sent_rate: status
            .producers
            .as_ref()
            .map_or(0, |producers| producers.rate_per_second),
        counted_rate: status.counters.as_ref().map_or(0, |counters| counters.rate_per_second),
    }
}

fn families(runs: &[RunView]) -> Families {
    let gauge = |families: Families, name: &str, help: &str, of: fn(&RunView) -> f64| {
        let labels: Vec<[(&'static str, &str); 2]> = runs.iter().map(own_labels).collect();
        let values = labels.iter().zip(runs).map(|(labels, run)| (labels as Labels, of(run)));
        families.gauges(name, help, values)
    };
    let mut families = Families::new();
    let info: Vec<[(&'static str, &str); 4]> = runs
        .iter()
        .map(|run| {
            let [namespace, name] = own_labels(run);
            [namespace, name, ("phase", &run.phase), ("verdict", &run.verdict)]
        })
        .collect();
    let help = "1 for each run, with its phase and verdict";
    families = families.gauges(RUN_INFO, help, info.iter().map(|labels| (labels as Labels, 1.0)));
    families = lag(families, runs);
    families = gauge(
        families,
        LONGEST_PAUSE_SECONDS,
        "Longest pause of any partition",
        |run| run.longest_pause_ms as f64 / 1e3,
    );
    families = gauge(families, SENT_RATE, "Events sent a second", |run| run.sent_rate as f64);
    gauge(families, COUNTED_RATE, "Events counted a second", |run| {
        run.counted_rate as f64
    })
}

fn lag(families: Families, runs: &[RunView]) -> Families {
    let partitions: Vec<(&RunView, String, (u64, u64))> = runs
        .iter()
        .flat_map(|run| {
            run.lag
                .iter()
                .enumerate()
                .map(move |(partition, lag)| (run, partition.to_string(), *lag))
        })
        .collect();
    let labels: Vec<[(&'static str, &str); 3]> = partitions
        .iter()
        .map(|(run, partition, _)| {
            let [namespace, name] = own_labels(run);
            [namespace, name, ("partition", partition)]
        })
        .collect();
    let lags = || labels.iter().zip(&partitions);
    let help = "Events of a partition that are in the log and not counted yet";
    let records = lags().map(|(labels, (_, _, (records, _)))| (labels as Labels, *records as f64));
    let families = families.gauges(LAG_RECORDS, help, records);
    let help = "Age of the oldest event of a partition that is in the log and not counted yet";
    let seconds = lags().map(|(labels, (_, _, (_, millis)))| (labels as Labels, *millis as f64 / 1e3));
    families.gauges(LAG_SECONDS, help, seconds)
}

fn own_labels(run: &RunView) -> [(&'static str, &str); 2] {
    [("namespace", run.namespace.as_str()), ("loadtest", run.name.as_str())]
}

#[cfg(test)]
mod tests {
    use eoslab_counter::ledger::LedgerEntry;

    use super::*;
    use crate::fixtures::loadtest;
    use crate::seen::log::LogRange;

    #[test]
    fn lag_is_exported_while_a_run_is_seen_and_goes_with_it() -> Result<(), prometheus::Error> {
        let metrics = Metrics::new()?;
        metrics.failed("conflict");
        let seen = Seen {
            log: Some(vec![LogRange { begin: 0, end: 5 }]),
            ledger: Some(vec![LedgerEntry {
                offset: 1,
                ts_us: 1_000_000,
                ..LedgerEntry::empty(0)
            }]),
            ..Seen::default()
        };
        let loadtest = loadtest();
        metrics.observe_run(&loadtest, &LoadTestStatus::default(), &seen, 3_500_000);
        let text = metrics.encode()?;
        for line in [
            "eoslab_consumer_lag_records{namespace=\"lab\",loadtest=\"test\",partition=\"0\"} 3",
            "eoslab_consumer_lag_seconds{namespace=\"lab\",loadtest=\"test\",partition=\"0\"} 2.5",
            "eoslab_run_info{namespace=\"lab\",loadtest=\"test\",phase=\"Pending\",verdict=\"Pending\"} 1",
            "eoslab_operator_reconcile_failures_total{kind=\"conflict\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        metrics.keep_only(&HashSet::from(["lab/test".to_owned()]));
        assert!(metrics.encode()?.contains("loadtest="));
        metrics.keep_only(&HashSet::new());
        assert!(!metrics.encode()?.contains("loadtest="));
        Ok(())
    }
}
