//! Metrics of the chaos controller.

use std::sync::Arc;

use eoslab_api::ChaosRun;
use eoslab_api::chaos::{ChaosPhase, FaultType, InjectionState};
use eoslab_runtime::metrics::{Families, Labels};
use kube::ResourceExt;
use prometheus::{IntCounterVec, Opts, Registry, TextEncoder};

use crate::error::Error;

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
            &["namespace", "type", "state"],
        )?;
        let failures = of(
            "eoslab_chaos_reconcile_errors_total",
            "Reconciliations that failed, by cause",
            &["cause"],
        )?;
        // At 0 from the start, for a rate needs a value before the first failure.
        failures.with_label_values(&[Error::FAILURE]);
        registry.register(Box::new(injections.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        Ok(Self {
            registry,
            injections,
            failures,
        })
    }

    /// An injection is over.
    pub fn closed(&self, namespace: &str, fault_type: FaultType, state: InjectionState) {
        self.injections
            .with_label_values(&[namespace, fault_type.as_str(), state.as_str()])
            .inc();
    }

    /// A reconciliation failed.
    pub fn failed(&self, cause: &str) {
        self.failures.with_label_values(&[cause]).inc();
    }

    /// In Prometheus's text format, with the faults that are at work in these runs.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn encode(&self, runs: &[Arc<ChaosRun>]) -> Result<String, prometheus::Error> {
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        text.push_str(&active(runs).encode()?);
        Ok(text)
    }
}

/// From the intent until everything is steady again: what the bands of a dashboard are drawn from.
fn active(runs: &[Arc<ChaosRun>]) -> Families {
    let at_work = runs.iter().flat_map(|run| {
        let status = run
            .status
            .as_ref()
            .filter(|status| status.phase != ChaosPhase::Finished);
        let injections = status.into_iter().flat_map(|status| &status.injections);
        injections
            .filter(|injection| matches!(injection.state, InjectionState::Intended | InjectionState::Injected))
            .map(move |injection| (run, injection.fault_type))
    });
    let named: Vec<_> = at_work
        .map(|(run, fault)| (run.namespace().unwrap_or_default(), run.name_any(), run, fault))
        .collect();
    let labels: Vec<_> = named
        .iter()
        .map(|(namespace, name, run, fault)| {
            [
                ("namespace", namespace.as_str()),
                ("chaosrun", name.as_str()),
                ("loadtest", run.spec.load_test.as_str()),
                ("fault", fault.as_str()),
            ]
        })
        .collect();
    let help = "1 while an injection is not over: from its intent until everything is steady again";
    Families::new().gauges(
        "eoslab_chaos_active",
        help,
        labels.iter().map(|labels| (labels as Labels, 1.0)),
    )
}

#[cfg(test)]
mod tests {
    use eoslab_api::chaos::Injection;

    use super::*;

    fn run(phase: ChaosPhase, state: InjectionState) -> Result<Arc<ChaosRun>, serde_json::Error> {
        let mut run: ChaosRun = serde_json::from_value(serde_json::json!({
            "apiVersion": "eoslab.dev/v1alpha1", "kind": "ChaosRun",
            "metadata": {"name": "run", "namespace": "lab"},
            "spec": {"loadTest": "test", "faults": [{"type": "KillCounter"}]},
        }))?;
        let status = run.status.get_or_insert_default();
        status.phase = phase;
        status.injections = vec![Injection {
            fault_type: FaultType::KillCounter,
            state,
            ..Injection::default()
        }];
        Ok(Arc::new(run))
    }

    #[test]
    fn a_fault_is_active_until_everything_is_steady_again() -> Result<(), Box<dyn std::error::Error>> {
        let table = [
            (ChaosPhase::Injecting, InjectionState::Intended, true),
            (ChaosPhase::Recovering, InjectionState::Injected, true),
            (ChaosPhase::Steadying, InjectionState::Recovered, false),
            (ChaosPhase::Finished, InjectionState::Injected, false),
        ];
        for (phase, state, is_active) in table {
            let text = Metrics::new()?.encode(&[run(phase, state)?])?;
            let line =
                "eoslab_chaos_active{namespace=\"lab\",chaosrun=\"run\",loadtest=\"test\",fault=\"KillCounter\"} 1";
            assert_eq!(text.contains(line), is_active, "{phase} {state}:\n{text}");
        }
        Ok(())
    }

    #[test]
    fn the_table_of_metrics_is_what_the_controller_exports() -> Result<(), Box<dyn std::error::Error>> {
        let metrics = Metrics::new()?;
        metrics.closed("lab", FaultType::KillCounter, InjectionState::Recovered);
        let exported = metrics.encode(&[run(ChaosPhase::Recovering, InjectionState::Injected)?])?;
        Ok(eoslab_runtime::metrics_table::check("chaos", &exported)?)
    }
}
