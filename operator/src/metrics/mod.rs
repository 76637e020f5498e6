//! Metrics of the operator, and of the runs as it sees them.
//!
//! `kafka_consumergroup_lag` can be left to exporters that give it as well; `eoslab_consumer_lag_records` is by LoadTest.
//! Neither vanishes while the group is empty.

mod run;
mod targets;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use eoslab_api::{LoadTest, LoadTestStatus};
use prometheus::{Histogram, HistogramOpts, HistogramTimer, IntCounterVec, Opts, Registry, TextEncoder};

use crate::error::Error;
use crate::names::key;
use crate::seen::Seen;
use run::{RunView, families};

/// How long reconciliations take.
pub const RECONCILE_SECONDS: &str = "eoslab_operator_reconcile_duration_seconds";
/// Reconciliations that failed, by kind.
pub const RECONCILE_FAILURES: &str = "eoslab_operator_reconcile_failures_total";
/// The metrics.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    reconcile: Histogram,
    failures: IntCounterVec,
    runs: Arc<Mutex<BTreeMap<String, RunView>>>,
    has_group_lag: bool,
}

impl Metrics {
    /// Registers everything, with `kafka_consumergroup_lag` or without.
    ///
    /// # Errors
    /// When a name is registered twice.
    pub fn new(has_group_lag: bool) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let help = "How long a reconciliation took";
        let reconcile = Histogram::with_opts(HistogramOpts::new(RECONCILE_SECONDS, help).buckets(buckets))?;
        let help = "Reconciliations that failed, by kind of error";
        let failures = IntCounterVec::new(Opts::new(RECONCILE_FAILURES, help), &["kind"])?;
        // At 0 from the start, for a rate needs a value before the first failure.
        for kind in Error::LABELS {
            failures.with_label_values(&[kind]);
        }
        registry.register(Box::new(reconcile.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        Ok(Self {
            registry,
            reconcile,
            failures,
            runs: Arc::default(),
            has_group_lag,
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
        self.note(loadtest, RunView::new(loadtest, status, seen, now_us));
    }

    /// Notes a run that is over.
    pub fn observe(&self, loadtest: &LoadTest) {
        let status = loadtest.status.clone().unwrap_or_default();
        self.note(loadtest, RunView::over(loadtest, &status));
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

    fn note(&self, loadtest: &LoadTest, mut view: RunView) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = runs.get(&key(loadtest)).filter(|before| before.uid == view.uid) {
            view.follow(before);
        }
        runs.insert(key(loadtest), view);
    }

    /// All metrics in Prometheus's text format.
    ///
    /// # Errors
    /// When they cannot be written as text.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        text.push_str(&families(&self.runs(), self.has_group_lag).encode()?);
        Ok(text)
    }

    /// Load pods in the format of Prometheus's HTTP service discovery.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    pub fn targets(&self) -> Result<String, serde_json::Error> {
        let runs = self.runs();
        let targets: Vec<_> = runs.iter().flat_map(|run| &run.targets).collect();
        serde_json::to_string(&targets)
    }

    fn runs(&self) -> Vec<RunView> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use eoslab_api::Phase;
    use eoslab_counter::ledger::LedgerEntry;

    use super::*;
    use crate::fixtures::loadtest;
    use crate::seen::Pauses;
    use crate::seen::log::LogRange;
    use crate::seen::pods::PodView;

    #[test]
    fn lag_is_exported_while_a_run_is_seen_and_goes_with_it() -> Result<(), prometheus::Error> {
        let metrics = Metrics::new(true)?;
        metrics.failed("forbidden");
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
            "eoslab_operator_reconcile_failures_total{kind=\"forbidden\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        let targets = metrics
            .targets()
            .map_err(|error| prometheus::Error::Msg(error.to_string()))?;
        assert_eq!(targets, "[]", "nobody runs");
        metrics.keep_only(&HashSet::from(["lab/test".to_owned()]));
        assert!(metrics.encode()?.contains("loadtest="));
        metrics.keep_only(&HashSet::new());
        assert!(!metrics.encode()?.contains("loadtest="));
        Ok(())
    }

    /// The ledger keeps a partition's last pauses only, so their sum falls when it drops one.
    #[test]
    fn time_paused_never_goes_back() -> Result<(), prometheus::Error> {
        let metrics = Metrics::new(false)?;
        let mut loadtest = loadtest();
        let total_after = |loadtest: &LoadTest, length_us: u64| -> Result<Option<f64>, prometheus::Error> {
            let pause = eoslab_core::report::Pause {
                partition: 0,
                ended_at_us: 1,
                length_us,
                member_before: String::new(),
                member_after: String::new(),
            };
            let seen = Seen {
                pauses: Some(Pauses::new(vec![pause], 1, None)),
                ..Seen::default()
            };
            metrics.observe_run(loadtest, &LoadTestStatus::default(), &seen, 0);
            let own = "eoslab_partition_pause_seconds_total{namespace=\"lab\",loadtest=\"test\",partition=\"0\"} ";
            let text = metrics.encode()?;
            let value = text.lines().find_map(|line| line.strip_prefix(own));
            Ok(value.and_then(|value| value.parse().ok()))
        };
        assert_eq!(total_after(&loadtest, 5_000_000)?, Some(5.0));
        assert_eq!(total_after(&loadtest, 2_000_000)?, Some(5.0), "it stays");
        loadtest.metadata.uid = Some("another".to_owned());
        assert_eq!(total_after(&loadtest, 2_000_000)?, Some(2.0), "another run begins anew");
        Ok(())
    }

    #[test]
    fn load_pods_are_told_as_prometheus_wants_them() -> Result<(), Box<dyn std::error::Error>> {
        let pod = |name: &str, ip: Option<&str>| PodView {
            name: name.to_owned(),
            ip: ip.map(str::to_owned),
            ..PodView::default()
        };
        let mut seen = Seen::default();
        seen.producers.pods = vec![pod("p", Some("10.0.0.1")), pod("no-address-yet", None)];
        seen.counters.pods = vec![pod("c", Some("fd00::1"))];
        let metrics = Metrics::new(true)?;
        metrics.observe_run(&loadtest(), &LoadTestStatus::default(), &seen, 0);
        let targets: serde_json::Value = serde_json::from_str(&metrics.targets()?)?;
        let of = |ip: &str, role: &str, pod: &str| {
            let labels = serde_json::json!({"namespace": "lab", "loadtest": "test", "role": role, "pod": pod});
            serde_json::json!({"targets": [ip], "labels": labels})
        };
        let wanted = [
            of("10.0.0.1:8080", "producer", "p"),
            of("[fd00::1]:8080", "counter", "c"),
        ];
        assert_eq!(targets, serde_json::Value::from(wanted.to_vec()));
        Ok(())
    }

    #[test]
    fn the_table_of_metrics_is_what_the_operator_exports() -> Result<(), Box<dyn std::error::Error>> {
        let report: eoslab_report::Report =
            serde_json::from_str(include_str!("../../../report/tests/page/sample.json"))?;
        let seen = Seen {
            log: Some(vec![LogRange { begin: 0, end: 5 }]),
            ledger: Some(vec![LedgerEntry::empty(0)]),
            pauses: Some(Pauses::new(Vec::new(), 1, None)),
            ..Seen::default()
        };
        let status = LoadTestStatus {
            phase: Phase::Running,
            ..report.status
        };
        for has_group_lag in [false, true] {
            let metrics = Metrics::new(has_group_lag)?;
            metrics.observe_run(&loadtest(), &status, &seen, 0);
            let exported = metrics.encode()?;
            assert_eq!(exported.contains("kafka_consumergroup_lag"), has_group_lag);
            if has_group_lag {
                eoslab_runtime::metrics_table::check("operator", &exported)?;
            }
        }
        Ok(())
    }
}
