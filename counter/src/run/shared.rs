//! What the consumer's thread shows to the HTTP server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eoslab_core::report::CounterReport;
use eoslab_runtime::http::PodState;
use eoslab_runtime::metrics::{Families, LatencyBuckets, Metrics, names};
use eoslab_runtime::usage::{process_cpu_us, resource_use};

/// Longest time between two rounds of the consumer's loop of a process that is alive, us.
const LOOP_SILENCE_MAX_US: i64 = 60_000_000;

/// A copy of the numbers, some 100 ms old at most.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The report.
    pub report: CounterReport,
    /// Records received, of whatever kind.
    pub received: u64,
    /// End-to-end latencies.
    pub latencies: LatencyBuckets,
}

/// Numbers that change also while nothing is counted.
#[derive(Clone, Debug, Default)]
struct Gauges {
    ledger_errors: BTreeMap<&'static str, u64>,
    lag: Vec<(u32, u64)>,
    rate: f64,
}

/// Numbers and readiness of the process.
#[derive(Debug)]
pub struct Shared {
    snapshot: Mutex<Snapshot>,
    gauges: Mutex<Gauges>,
    missing: Mutex<Option<String>>,
    in_flight: Arc<AtomicU64>,
    looped_at_us: AtomicI64,
    metrics: Metrics,
    now_us: fn() -> i64,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            snapshot: Mutex::default(),
            gauges: Mutex::default(),
            missing: Mutex::new(Some("starting".to_owned())),
            in_flight: Arc::default(),
            looped_at_us: AtomicI64::new(0),
            metrics: Metrics::new(),
            now_us: eoslab_runtime::clock::system_now_us,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Shows newer numbers.
    pub fn publish(&self, snapshot: Snapshot) {
        *lock(&self.snapshot) = snapshot;
    }

    /// Shows what changes also while nothing is counted: the records between the ledger and the end of each partition
    /// held, the events applied a second, and the failed calls of the ledger by kind.
    pub fn publish_gauges(&self, lag: Vec<(u32, u64)>, rate: f64, ledger_errors: BTreeMap<&'static str, u64>) {
        *lock(&self.gauges) = Gauges {
            ledger_errors,
            lag,
            rate,
        };
    }

    /// Says what is missing to be ready; `None`: nothing.
    pub fn set_missing(&self, missing: Option<String>) {
        let mut now = lock(&self.missing);
        if *now != missing {
            match &missing {
                None => tracing::info!("ready"),
                Some(what) => tracing::info!(what, "not ready"),
            }
            *now = missing;
        }
    }

    /// Number of batches on their way to Redis; the engine keeps it.
    pub fn in_flight(&self) -> Arc<AtomicU64> {
        self.in_flight.clone()
    }

    /// Notes that the consumer's loop goes round.
    pub fn note_loop(&self) {
        self.looped_at_us.store((self.now_us)(), Ordering::Relaxed);
    }

    fn report_now(&self) -> CounterReport {
        let mut report = lock(&self.snapshot).report.clone();
        report.in_flight_batches = self.in_flight.load(Ordering::Relaxed);
        report.usage = resource_use();
        report
    }

    fn families(&self) -> Families {
        let Snapshot {
            report,
            received,
            latencies,
        } = lock(&self.snapshot).clone();
        let Gauges {
            ledger_errors,
            lag,
            rate,
        } = lock(&self.gauges).clone();
        let of = |field: fn(&eoslab_core::report::PartitionCounted) -> u64| {
            report.partitions.iter().map(field).sum::<u64>() as f64
        };
        let lag: Vec<(String, u64)> = lag
            .into_iter()
            .map(|(partition, lag)| (partition.to_string(), lag))
            .collect();
        let lag_labels: Vec<_> = lag
            .iter()
            .map(|(partition, lag)| ([("partition", partition.as_str())], *lag))
            .collect();
        let error_labels: Vec<_> = ledger_errors
            .iter()
            .map(|(kind, count)| ([("kind", *kind)], *count))
            .collect();
        let latency_labels: [(&str, &str); 0] = [];
        Families::new()
            .counter(
                "eoslab_records_received_total",
                "Records received from Kafka",
                received as f64,
            )
            .counter(
                "eoslab_records_applied_total",
                "Events applied to the ledger",
                report.applied as f64,
            )
            .gauge("eoslab_consume_rate", "Events applied to the ledger a second", rate)
            .counter(
                "eoslab_batches_applied_total",
                "Batches applied to the ledger",
                report.batches as f64,
            )
            .gauge(
                "eoslab_in_flight_batches",
                "Batches on their way to Redis",
                self.in_flight.load(Ordering::Relaxed) as f64,
            )
            .counter(
                "eoslab_log_duplicates_total",
                "Records skipped as counted before",
                of(|p| p.log_duplicates),
            )
            .counter(
                "eoslab_holes_total",
                "Seqs missing between two records of the log",
                of(|p| p.holes),
            )
            .counter(
                "eoslab_malformed_total",
                "Records that are no event",
                of(|p| p.malformed),
            )
            .counter(
                "eoslab_ledger_conflicts_total",
                "Batches that another member had counted",
                report.conflicts as f64,
            )
            .counter(
                "eoslab_ledger_rewinds_total",
                "Times a partition went back as Redis had lost its tail",
                report.rewinds as f64,
            )
            .counters(
                "eoslab_ledger_errors_total",
                "Failed calls of the ledger",
                error_labels.iter().map(|(l, n)| (&l[..], *n as f64)),
            )
            .counter(
                "eoslab_ledger_seconds_total",
                "Time spent in calls of the ledger",
                report.redis_us as f64 / 1e6,
            )
            .counter(
                "eoslab_ledger_calls_total",
                "Calls of the ledger, each with a batch of every partition that had one",
                report.redis_calls as f64,
            )
            .counter(
                "eoslab_idle_seconds_total",
                "Time spent waiting for records",
                report.idle_us as f64 / 1e6,
            )
            .counter(
                names::QUOTA_SECONDS_TOTAL,
                names::QUOTA_HELP,
                report.quota_us as f64 / 1e6,
            )
            .counter(
                "eoslab_rebalances_total",
                "Times partitions were assigned or revoked",
                report.rebalances as f64,
            )
            .gauges(
                "eoslab_consumer_lag",
                "Records between the ledger and the end of the partition",
                lag_labels.iter().map(|(l, n)| (&l[..], *n as f64)),
            )
            .counter(
                "eoslab_negative_latencies_total",
                "Events counted before their intended time by the clocks",
                report.negative_latencies as f64,
            )
            .latencies(
                "eoslab_end_to_end_latency_seconds",
                "Intended send time to Redis's acknowledgement",
                [(&latency_labels[..], &latencies)],
            )
            .counter(
                names::CPU_SECONDS_TOTAL,
                "CPU time of the process",
                process_cpu_us() as f64 / 1e6,
            )
            .gauge(
                names::READY,
                "1 while the pod is ready",
                f64::from(u8::from(self.readiness().is_ok())),
            )
    }
}

impl PodState for Shared {
    fn health(&self) -> Result<(), String> {
        let looped_at_us = self.looped_at_us.load(Ordering::Relaxed);
        let silent_us = (self.now_us)() - looped_at_us;
        if looped_at_us > 0 && silent_us > LOOP_SILENCE_MAX_US {
            return Err(format!(
                "the consumer's loop has not gone round for {} s",
                silent_us / 1_000_000
            ));
        }
        Ok(())
    }

    fn readiness(&self) -> Result<(), String> {
        lock(&self.missing).clone().map_or(Ok(()), Err)
    }

    fn report(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.report_now())
    }

    fn metrics(&self) -> Result<String, prometheus::Error> {
        self.metrics.encode(self.families())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_carry_the_specified_names() {
        let shared = Shared::default();
        let mut snapshot = Snapshot {
            received: 7,
            ..Snapshot::default()
        };
        snapshot.report.applied = 6;
        shared.publish_gauges(vec![(4, 9)], 3.5, BTreeMap::from([("connect", 2)]));
        snapshot.latencies.record(1_000);
        shared.publish(snapshot);
        shared.in_flight().store(3, Ordering::Relaxed);
        let text = shared.metrics().expect("encodes");
        for line in [
            "eoslab_records_received_total 7",
            "eoslab_records_applied_total 6",
            "eoslab_consume_rate 3.5",
            "eoslab_in_flight_batches 3",
            "eoslab_consumer_lag{partition=\"4\"} 9",
            "eoslab_ledger_errors_total{kind=\"connect\"} 2",
            "eoslab_end_to_end_latency_seconds_count 1",
            "eoslab_ready 0",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn the_table_of_metrics_is_what_a_counter_exports() -> Result<(), String> {
        let shared = Shared::default();
        shared.publish_gauges(vec![(4, 9)], 3.5, BTreeMap::from([("connect", 2)]));
        let exported = shared.metrics().map_err(|error| error.to_string())?;
        eoslab_runtime::metrics_table::check("counter", &exported)
    }

    #[test]
    fn readiness_says_what_is_missing() {
        let shared = Shared::default();
        assert_eq!(shared.readiness(), Err("starting".to_owned()));
        shared.set_missing(None);
        assert_eq!(shared.readiness(), Ok(()));
        shared.set_missing(Some("redis".to_owned()));
        assert_eq!(shared.readiness(), Err("redis".to_owned()));
    }

    #[test]
    fn a_loop_that_stands_still_is_unhealthy() {
        let shared = Shared {
            now_us: || 100_000_000,
            ..Shared::default()
        };
        assert_eq!(shared.health(), Ok(()), "not started yet");
        shared.note_loop();
        assert_eq!(shared.health(), Ok(()));
        let later = Shared {
            now_us: || 161_000_000,
            looped_at_us: AtomicI64::new(100_000_000),
            ..shared
        };
        assert!(later.health().is_err());
    }
}
