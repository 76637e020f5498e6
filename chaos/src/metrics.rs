//! Metrics of the chaos controller.

use eoslab_api::chaos::{FaultType, InjectionState};
use prometheus::{IntCounterVec, Opts, Registry, TextEncoder};

/// Registered once.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    injections: IntCounterVec,
    failures: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let of = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let injections = of(
            "eoslab_chaos_injections_total",
            "Injections that are over, by type of fault and how they ended",
            &["type", "state"],
        )?;
        let failures = of(
            "eoslab_chaos_reconcile_errors_total",
            "Reconciliations that failed, by cause",
            &["cause"],
        )?;
        registry.register(Box::new(injections.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        Ok(Self {
            registry,
            injections,
            failures,
        })
    }

    /// An injection is over.
    pub fn closed(&self, fault_type: FaultType, state: InjectionState) {
        self.injections
            .with_label_values(&[fault_type.as_str(), state.as_str()])
            .inc();
    }

    /// A reconciliation failed.
    pub fn failed(&self, cause: &str) {
        self.failures.with_label_values(&[cause]).inc();
    }

    /// In Prometheus's text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
