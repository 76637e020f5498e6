//! The report from what is known: pure.

use eoslab_api::chaos::{Injection, InjectionState};
use eoslab_api::{ChaosRun, LoadTest, LoadTestStatus};
use eoslab_report::{
    Distribution, FaultReport, Identity, PAUSES_MAX, PauseReport, Provenance, Report, SCHEMA_VERSION, Series, bins,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;

use crate::context::Context;
use crate::seen::Seen;
use crate::status::micro_time;

/// What a report is made from.
pub(super) struct Composing<'a> {
    pub(super) loadtest: &'a LoadTest,
    pub(super) status: &'a LoadTestStatus,
    pub(super) seen: &'a Seen,
    pub(super) series: &'a Series,
    pub(super) provenance: Provenance,
    pub(super) runs: Vec<ChaosRun>,
    pub(super) now_us: i64,
}

impl Composing<'_> {
    /// The report.
    pub(super) fn report(self) -> Report {
        Report {
            schema_version: SCHEMA_VERSION,
            written_at: micro_time(self.now_us),
            load_test: Identity {
                namespace: self.loadtest.namespace().unwrap_or_default(),
                name: self.loadtest.name_any(),
                uid: self.loadtest.uid().unwrap_or_default(),
            },
            spec: self.loadtest.spec.clone(),
            status: self.status.clone(),
            series: self.series.clone(),
            distribution: self.distribution(),
            pauses: self.pauses(),
            faults: self.faults(),
            provenance: self.provenance,
            omitted: Vec::new(),
        }
    }

    /// Of the latencies that the status tells: in a closed loop not all of them mean something.
    fn distribution(&self) -> Distribution {
        let Some(latency) = &self.status.latency else {
            return Distribution::default();
        };
        let told = |is_told: bool, samples| if is_told { bins(samples) } else { Vec::new() };
        Distribution {
            end_to_end: told(latency.end_to_end.is_some(), &self.seen.counted.end_to_end),
            response: told(latency.response.is_some(), &self.seen.produced.response),
            service: told(latency.service.is_some(), &self.seen.produced.service),
        }
    }

    /// Milliseconds since the series began; without one, since the Unix epoch.
    fn since_start_ms(&self, us: i64) -> i64 {
        let start = self.series.started_at.as_ref();
        (us - start.map_or(0, |start| start.0.as_microsecond())) / 1000
    }

    fn pauses(&self) -> Vec<PauseReport> {
        let mut pauses = self
            .seen
            .pauses
            .as_ref()
            .map_or_else(Vec::new, |pauses| pauses.all.to_vec());
        pauses.sort_by_key(|pause| std::cmp::Reverse(pause.length_us));
        pauses.truncate(PAUSES_MAX);
        pauses.sort_by_key(|pause| pause.ended_at_us);
        let report = |pause: eoslab_core::report::Pause| PauseReport {
            partition: pause.partition,
            ended_at_ms: self.since_start_ms(pause.ended_at_us),
            length_ms: pause.length_us / 1000,
            member_before: pause.member_before,
            member_after: pause.member_after,
        };
        pauses.into_iter().map(report).collect()
    }

    fn faults(&self) -> Vec<FaultReport> {
        let of_run = |run: &ChaosRun| {
            let injections = run.status.iter().flat_map(|status| &status.injections);
            let done = injections.filter_map(|injection| self.fault(run, injection));
            done.collect::<Vec<_>>()
        };
        let mut faults: Vec<FaultReport> = self.runs.iter().flat_map(of_run).collect();
        faults.sort_by_key(|fault| fault.injected_at_ms);
        faults
    }

    /// What was injected; nothing for what was only intended, planned or refused.
    fn fault(&self, run: &ChaosRun, injection: &Injection) -> Option<FaultReport> {
        let at_ms = |time: &MicroTime| self.since_start_ms(time.0.as_microsecond());
        let is_done = !matches!(injection.state, InjectionState::Planned | InjectionState::Refused);
        let injected_at = injection.injected_at.as_ref().filter(|_| is_done)?;
        // A ChaosRun may have stayed from an earlier LoadTest of this name.
        let made = self.loadtest.creation_timestamp();
        if made.is_some_and(|made| injected_at.0 < made.0) {
            return None;
        }
        let victim = injection.victim.as_ref();
        Some(FaultReport {
            chaos_run: run.name_any(),
            fault_type: injection.fault_type,
            state: injection.state,
            victim: victim.map_or_else(String::new, |victim| format!("{}/{}", victim.namespace, victim.name)),
            injected_at_ms: at_ms(injected_at),
            recovered_at_ms: injection.recovered_at.as_ref().map(at_ms),
            longest_pause_ms: injection.longest_pause_ms,
            longest_ack_gap_ms: injection.longest_ack_gap_ms,
            pauses: injection.pauses.clone(),
            lost: injection.lost,
            duplicated: injection.duplicated,
        })
    }
}

/// What was seen of the provenance, with what this operator knows by itself.
pub(super) fn provenance(seen: &Provenance, context: &Context, loadtest: &LoadTest) -> Provenance {
    let wanted = || {
        let own = loadtest.spec.image.clone();
        own.unwrap_or_else(|| context.image.name.clone())
    };
    let image = Some(seen.image.clone()).filter(|image| !image.is_empty());
    Provenance {
        eoslab_version: env!("CARGO_PKG_VERSION").to_owned(),
        git_revision: context.git_revision.to_owned(),
        image: image.unwrap_or_else(wanted),
        seed: loadtest.spec.stream.seed,
        librdkafka_version: rdkafka::util::get_rdkafka_version().1,
        ..seen.clone()
    }
}

#[cfg(test)]
mod tests {
    use eoslab_api::{LatencyQuantiles, LatencyStatus};
    use eoslab_core::LatencyHistogram;
    use serde_json::json;

    use super::*;
    use crate::fixtures::loadtest;

    /// A ChaosRun with one injection at each of these times.
    fn run(injected_at: &[&str]) -> Result<ChaosRun, serde_json::Error> {
        let injections: Vec<_> = injected_at
            .iter()
            .map(|at| json!({"type": "KillBroker", "state": "Recovered", "injectedAt": at}))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "eoslab.dev/v1alpha1", "kind": "ChaosRun", "metadata": {"name": "run", "namespace": "lab"},
            "spec": {"loadTest": "test", "faults": [{"type": "KillBroker"}]},
            "status": {"injections": injections},
        }))
    }

    fn composed(status: &LoadTestStatus, seen: &Seen, runs: Vec<ChaosRun>) -> Report {
        let composing = Composing {
            loadtest: &loadtest(),
            status,
            seen,
            series: &Series::default(),
            provenance: Provenance::default(),
            runs,
            now_us: 0,
        };
        composing.report()
    }

    #[test]
    fn faults_of_an_earlier_loadtest_of_this_name_are_not_in_the_report() -> Result<(), serde_json::Error> {
        let times = ["2025-12-31T23:59:59.000000Z", "2026-01-01T00:00:10.000000Z"];
        let report = composed(&LoadTestStatus::default(), &Seen::default(), vec![run(&times)?]);
        assert_eq!(report.faults.len(), 1, "{:#?}", report.faults);
        Ok(())
    }

    #[test]
    fn only_latencies_that_the_status_tells_are_plotted() {
        let mut seen = Seen::default();
        let mut samples = LatencyHistogram::default();
        samples.record(5);
        seen.counted.end_to_end = samples.clone();
        seen.produced.service = samples;
        // As in a closed loop.
        let latency = LatencyStatus {
            service: Some(LatencyQuantiles::default()),
            ..LatencyStatus::default()
        };
        let status = LoadTestStatus {
            latency: Some(latency),
            ..LoadTestStatus::default()
        };
        let distribution = composed(&status, &seen, Vec::new()).distribution;
        assert_eq!((distribution.end_to_end.len(), distribution.service.len()), (0, 1));
    }
}
