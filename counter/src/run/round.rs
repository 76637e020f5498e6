//! What the consumer's thread does ten times a second: show numbers, commit, look at the client's health.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eoslab_runtime::slot::{Annotations, MEASURE_FROM_ANNOTATION, annotation_us};
use rdkafka::consumer::{CommitMode, Consumer};
use tokio::sync::watch;

use super::consume::Member;
use super::error::RunError;
use super::shared::Snapshot;
use super::watermarks;
use crate::ledger::Mode;

const ROUND_INTERVAL: Duration = Duration::from_millis(100);
/// Rates are averaged over at least this.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Clockwork of the rounds.
pub(super) struct Rounds {
    annotations: watch::Receiver<Annotations>,
    commit_interval: Duration,
    ends: Option<BTreeMap<u32, i64>>,
    round_at: Instant,
    commit_at: Instant,
    rate_at: Instant,
    rate_applied: u64,
    rate: f64,
}

impl Rounds {
    /// `ends`: end when these offsets are reached. `applied`: what the process has applied before.
    pub fn new(
        mut annotations: watch::Receiver<Annotations>,
        commit_interval: Duration,
        ends: Option<BTreeMap<u32, i64>>,
        applied: u64,
    ) -> Self {
        annotations.mark_changed();
        let now = Instant::now();
        Self {
            annotations,
            commit_interval,
            ends,
            round_at: now,
            commit_at: now,
            rate_at: now,
            rate_applied: applied,
            rate: 0.0,
        }
    }

    /// One round if it is time. `true`: the end is reached.
    pub fn run_if_due(&mut self, member: &Member) -> Result<bool, RunError> {
        if self.round_at.elapsed() < ROUND_INTERVAL {
            return Ok(false);
        }
        self.round_at = Instant::now();
        member.shared.note_loop();
        member.check_fatal()?;
        let context = member.consumer.context();
        context.retry_assignment(&member.consumer);
        self.follow_annotations(member);
        self.publish(member);
        member.shared.set_missing(missing(member));
        if self.commit_at.elapsed() >= self.commit_interval {
            self.commit_at = Instant::now();
            context.commit_applied(&context.core().engine, &member.consumer, None, CommitMode::Async);
        }
        self.at_end(member)
    }

    /// Shows the numbers as they are now.
    pub fn publish(&mut self, member: &Member) {
        let context = member.consumer.context();
        let mut core = context.core();
        let lag = watermarks::lags(&member.consumer, context.topic(), &core.engine.applied());
        let stats = core.engine.stats();
        let (applied, elapsed) = (stats.report.applied, self.rate_at.elapsed());
        if elapsed >= RATE_WINDOW {
            self.rate = (applied - self.rate_applied) as f64 / elapsed.as_secs_f64();
            (self.rate_at, self.rate_applied) = (Instant::now(), applied);
        }
        member.shared.publish(Snapshot {
            report: stats.report(),
            received: stats.received,
            latencies: stats.latencies.clone(),
        });
        member
            .shared
            .publish_gauges(lag, self.rate, stats.ledger_errors.clone());
    }

    /// Commits how far everything is counted, and waits a while for the broker.
    pub fn commit_before_end(&mut self, member: &Member, patience: Duration) {
        let context = member.consumer.context();
        let before = context.commits_answered();
        if !context.commit_applied(&context.core().engine, &member.consumer, None, CommitMode::Async) {
            return;
        }
        context.core().closing = true;
        let deadline = Instant::now() + patience;
        while context.commits_answered() == before && Instant::now() < deadline {
            // Records that arrive now are read again by whoever comes next.
            let _ = member.consumer.poll(Duration::from_millis(20));
        }
    }

    fn follow_annotations(&mut self, member: &Member) {
        if self.annotations.has_changed().unwrap_or(false) {
            let measure_from_us = annotation_us(&self.annotations.borrow_and_update(), MEASURE_FROM_ANNOTATION);
            if let Some(measure_from_us) = measure_from_us {
                member
                    .consumer
                    .context()
                    .core()
                    .engine
                    .set_measure_from(measure_from_us);
            }
        }
    }

    fn at_end(&self, member: &Member) -> Result<bool, RunError> {
        let Some(ends) = &self.ends else { return Ok(false) };
        let context = member.consumer.context();
        let (assigned, applied, mode) = {
            let core = context.core();
            (core.assigned, core.engine.applied(), core.engine.mode())
        };
        let short = |partition: &u32, next: i64| ends.get(partition).is_some_and(|end| next < *end);
        let open: Vec<_> = applied
            .into_iter()
            .filter(|(partition, at)| short(partition, at.offset + 1))
            .collect();
        if !assigned || open.is_empty() {
            return Ok(assigned);
        }
        if mode == Mode::ExactlyOnce || open.iter().any(|(_, applied)| applied.offset >= 0) {
            return Ok(false);
        }
        // At-least-once has read nothing in these partitions; the group may have counted them before.
        let partitions: Vec<u32> = open.iter().map(|(partition, _)| *partition).collect();
        let committed = watermarks::committed(&member.consumer, context.topic(), &partitions)?;
        Ok(partitions
            .iter()
            .all(|partition| !short(partition, committed.get(partition).copied().unwrap_or(0))))
    }
}

fn missing(member: &Member) -> Option<String> {
    if let Some(missing) = member.consumer.context().core().missing() {
        return Some(missing.to_owned());
    }
    let lasts = member.outage.as_ref()?.unready_for()?;
    Some(format!("redis has been out for {} s", lasts.as_secs()))
}
