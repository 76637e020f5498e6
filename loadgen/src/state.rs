//! What the pod publishes: `/report`, `/metrics`, `/readyz` and its log lines, all from one snapshot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use eoslab_core::report::{Member, ProducerReport, ProducerState};
use eoslab_runtime::clock::Clock;
use eoslab_runtime::http::PodState;
use eoslab_runtime::metrics::{Families, Labels, names};
use eoslab_runtime::usage::{process_cpu_us, resource_use};

use crate::metrics;
use crate::progress::{LaneProgress, Progress, SharedProgress};

/// State of the pod, shared by its tasks.
#[derive(Debug)]
pub struct State {
    clock: Clock,
    phase: Mutex<Phase>,
    /// Partitions without accounts, which nobody sends to.
    idle: OnceLock<Vec<LaneProgress>>,
    clients: OnceLock<Vec<Arc<SharedProgress>>>,
}

#[derive(Clone, Debug, Default)]
struct Phase {
    state: ProducerState,
    member: Member,
    client_config: BTreeMap<String, String>,
    layout_digest: u64,
    target_rate: Option<f64>,
    problem: Option<String>,
    rate: f64,
}

impl State {
    /// A pod that prepares itself. The slot follows with [`Self::set_slot`].
    pub fn new(clock: Clock, run_id: String, incarnation: String, client_config: BTreeMap<String, String>) -> Self {
        let member = Member {
            run_id,
            slot: 0,
            incarnation,
            started_at_us: clock.started_at_us(),
        };
        let phase = Phase {
            member,
            client_config,
            ..Phase::default()
        };
        Self {
            clock,
            phase: Mutex::new(phase),
            idle: OnceLock::new(),
            clients: OnceLock::new(),
        }
    }

    /// The slot was claimed.
    pub fn set_slot(&self, slot: u32) {
        self.with_phase(|phase| phase.member.slot = slot);
    }

    /// The streams were built.
    pub fn set_stream(&self, layout_digest: u64, target_rate: Option<f64>) {
        self.with_phase(|phase| (phase.layout_digest, phase.target_rate) = (layout_digest, target_rate));
    }

    /// Where the pod stands.
    pub fn set_state(&self, state: ProducerState) {
        self.with_phase(|phase| phase.state = state);
    }

    /// Why the pod cannot go on, for `/readyz`; `None` once it can.
    pub fn set_problem(&self, problem: Option<String>) {
        self.with_phase(|phase| phase.problem = problem);
    }

    /// Events acknowledged a second, as last measured.
    pub fn set_rate(&self, per_second: f64) {
        self.with_phase(|phase| phase.rate = per_second);
    }

    /// The partitions' progress: of the clients, and of the partitions that hold nothing.
    pub fn set_progress(&self, clients: Vec<Arc<SharedProgress>>, idle: Vec<LaneProgress>) {
        // Set once in the life of a pod.
        let _ = self.clients.set(clients);
        let _ = self.idle.set(idle);
    }

    /// Events acknowledged a second, as last measured.
    pub fn rate(&self) -> f64 {
        self.with_phase(|phase| phase.rate)
    }

    /// The progress of all clients together.
    pub fn progress(&self) -> Progress {
        let mut all = Progress {
            lanes: self.idle.get().cloned().unwrap_or_default(),
            ..Progress::default()
        };
        for client in self.clients.get().into_iter().flatten() {
            let one = client.lock().clone();
            all.merge(one);
        }
        all
    }

    /// The report.
    pub fn producer_report(&self) -> ProducerReport {
        // Before the progress: a report that says Done has to hold everything that was done.
        let phase = self.with_phase(|phase| phase.clone());
        let progress = self.progress();
        ProducerReport {
            member: phase.member,
            state: phase.state,
            layout_digest: phase.layout_digest,
            target_rate_per_second: phase.target_rate,
            sent: progress.sent,
            queue_full_us: progress.queue_full_us,
            client_rebuilds: progress.client_rebuilds,
            quota_us: progress.quota_us,
            client_config: phase.client_config,
            usage: resource_use(),
            lateness: progress.lateness,
            response: progress.response,
            service: progress.service,
            partitions: progress.lanes.iter().map(LaneProgress::report).collect(),
            ack_gaps: progress.ack_gaps.into_vec(),
        }
    }

    fn with_phase<T>(&self, f: impl FnOnce(&mut Phase) -> T) -> T {
        f(&mut self.phase.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PodState for State {
    fn readiness(&self) -> Result<(), String> {
        let phase = self.with_phase(|phase| phase.clone());
        match phase.state {
            ProducerState::Preparing => Err(phase.problem.unwrap_or_else(|| "preparing".into())),
            ProducerState::Waiting | ProducerState::Sending | ProducerState::Done => Ok(()),
        }
    }

    fn report(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.producer_report())
    }

    fn metrics(&self) -> Result<String, prometheus::Error> {
        let phase = self.with_phase(|phase| phase.clone());
        let progress = self.progress();
        let ready = f64::from(u8::from(self.readiness().is_ok()));
        let bases = [
            (&[("basis", "intended")] as Labels, &progress.response_buckets),
            (&[("basis", "actual")] as Labels, &progress.service_buckets),
        ];
        let partitions: Vec<String> = progress.lanes.iter().map(|lane| lane.partition.to_string()).collect();
        let labels: Vec<_> = partitions
            .iter()
            .map(|partition| [("partition", partition.as_str())])
            .collect();
        let next_seqs = labels
            .iter()
            .zip(&progress.lanes)
            .map(|(labels, lane)| (labels as Labels, lane.next_seq as f64));
        let target = phase.target_rate.map(|rate| (&[] as Labels, rate));
        Families::new()
            .counter(metrics::SENT, metrics::SENT_HELP, progress.sent as f64)
            .counter(metrics::ACKED, metrics::ACKED_HELP, progress.acked() as f64)
            .counter(metrics::FAILED, metrics::FAILED_HELP, progress.failed_sends() as f64)
            .counter(
                metrics::INDETERMINATE,
                metrics::INDETERMINATE_HELP,
                progress.indeterminate_sends() as f64,
            )
            .counter(
                metrics::REBUILDS,
                metrics::REBUILDS_HELP,
                progress.client_rebuilds as f64,
            )
            .counter(
                metrics::QUEUE_FULL,
                metrics::QUEUE_FULL_HELP,
                progress.queue_full_us as f64 / 1e6,
            )
            .counter(
                names::QUOTA_SECONDS_TOTAL,
                names::QUOTA_HELP,
                progress.quota_us as f64 / 1e6,
            )
            .counter(
                names::CPU_SECONDS_TOTAL,
                metrics::CPU_HELP,
                process_cpu_us() as f64 / 1e6,
            )
            .gauge(
                metrics::LAG,
                metrics::LAG_HELP,
                progress.behind_us(self.clock.now_us()) as f64 / 1e6,
            )
            .gauge(metrics::RATE, metrics::RATE_HELP, phase.rate)
            .gauges(metrics::TARGET_RATE, metrics::TARGET_RATE_HELP, target)
            .gauge(metrics::IN_FLIGHT, metrics::IN_FLIGHT_HELP, progress.open as f64)
            .gauge(names::READY, metrics::READY_HELP, ready)
            .gauges(metrics::NEXT_SEQ, metrics::NEXT_SEQ_HELP, next_seqs)
            .latencies(metrics::LATENCY, metrics::LATENCY_HELP, bases)
            .encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_metrics_is_what_a_producer_exports() -> Result<(), String> {
        let clock = Clock::start();
        let state = State::new(clock, "run".to_owned(), "pod/uid/1".to_owned(), BTreeMap::new());
        state.set_stream(7, Some(100.0));
        state.set_progress(Vec::new(), vec![LaneProgress::new(0, 0, Some(0), None)]);
        let exported = state.metrics().map_err(|error| error.to_string())?;
        eoslab_runtime::metrics_table::check("loadgen", &exported)
    }
}
