//! The consumer's thread: poll, take, apply, commit, and what has to be done now and then between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eoslab_runtime::slot::Annotations;
use eoslab_runtime::usage::process_cpu_us;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientConfig, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::context::{CounterConsumer, CounterContext, SharedCore, flush_until};
use super::engine::{Flushed, Seek, Which};
use super::error::RunError;
use super::outage::Outage;
use super::round::Rounds;
use super::shared::Shared;
use super::watermarks;
use crate::count::RecordView;

/// Longest wait for a record, and so the longest time between two looks at everything else.
const POLL_MAX: Duration = Duration::from_millis(50);
/// Most records taken between two looks at the clock.
const DRAIN_MAX: usize = 1_000;
/// How long Redis may be asked again before the thread looks at the stop signal.
const OUTAGE_RETRY: Duration = Duration::from_millis(20);
/// Between two looks at what the ledger holds of partitions that have nothing to apply.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last batches may take when the process is asked to stop.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the commit before the end may take.
const COMMIT_PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before a new client takes over. The session that holds an id lasts much longer, and a longer wait would
/// be booked as Kafka's.
const REJOIN_WAIT: Duration = Duration::from_secs(1);

/// What the thread works with.
pub struct ConsumeDeps {
    /// The consumer's configuration.
    pub config: ClientConfig,
    /// Topic of the events.
    pub topic: String,
    /// Partitions of the run.
    pub partitions: u32,
    /// The counter without Kafka.
    pub core: SharedCore,
    /// Where numbers are shown.
    pub shared: Arc<Shared>,
    /// The Lease's annotations.
    pub annotations: watch::Receiver<Annotations>,
    /// How often offsets are committed.
    pub commit_interval: Duration,
    /// End when everything is applied that the topic holds now.
    pub exit_at_end: bool,
    /// Stop: apply what is there, commit, close.
    pub stop: CancellationToken,
    /// The slot is lost: stop at once.
    pub lost: CancellationToken,
}

/// What a run to the end of the topic measured; printed as JSON for benches.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Summary {
    /// Records received.
    pub records: u64,
    /// Events applied.
    pub events: u64,
    /// Batches applied.
    pub batches: u64,
    /// From the first record to the last acknowledgement of Redis, seconds.
    pub seconds: f64,
    /// Events applied a second in that time.
    pub events_per_second: f64,
    /// Time spent in calls of Redis, seconds.
    pub redis_seconds: f64,
    /// CPU time of the process from its start, seconds.
    pub cpu_seconds: f64,
}

/// The consumer's thread at work.
pub(super) struct Member {
    pub(super) consumer: CounterConsumer,
    pub(super) shared: Arc<Shared>,
    /// Set while Redis does not take batches.
    pub(super) outage: Option<Outage>,
    /// Seeks that the client would not take yet.
    pub(super) pending_seeks: BTreeMap<u32, i64>,
    checked_at: Instant,
    first_record_at: Option<Instant>,
    last_applied_at: Instant,
}

impl ConsumeDeps {
    fn is_stopped(&self) -> bool {
        self.stop.is_cancelled() || self.lost.is_cancelled()
    }
}

/// Consumes until stopped; blocks. The consumer is closed when it returns.
pub fn consume(deps: &ConsumeDeps) -> Result<Summary, RunError> {
    loop {
        let (ended, summary) = consume_with_one_client(deps)?;
        match ended {
            Err(error) if error.passes() => wait_to_rejoin(deps),
            ended => return ended.map(|()| summary),
        }
        if deps.is_stopped() {
            return Ok(summary);
        }
    }
}

/// Consumes until stopped, or until the client is of no more use: how that ended, and what it did.
fn consume_with_one_client(deps: &ConsumeDeps) -> Result<(Result<(), RunError>, Summary), RunError> {
    let context = CounterContext::new(&deps.topic, deps.partitions, deps.core.clone());
    let consumer: CounterConsumer = deps.config.create_with_context(context)?;
    let ends = if deps.exit_at_end {
        Some(watermarks::ends(&consumer, &deps.topic, deps.partitions)?)
    } else {
        None
    };
    let applied = consumer.context().core().engine.stats().report.applied;
    let mut rounds = Rounds::new(deps.annotations.clone(), deps.commit_interval, ends, applied);
    consumer.subscribe(&[&deps.topic])?;
    let mut member = Member {
        consumer,
        shared: deps.shared.clone(),
        outage: None,
        pending_seeks: BTreeMap::new(),
        checked_at: Instant::now(),
        first_record_at: None,
        last_applied_at: Instant::now(),
    };
    let ended = member.work(&mut rounds, deps);
    if let Err(error) = &ended {
        member.note_end(error);
    }
    let summary = member.close(&mut rounds, ended.is_ok() && !deps.lost.is_cancelled());
    Ok((ended, summary))
}

fn wait_to_rejoin(deps: &ConsumeDeps) {
    let until = Instant::now() + REJOIN_WAIT;
    while !deps.is_stopped() && Instant::now() < until {
        deps.shared.note_loop();
        std::thread::sleep(POLL_MAX);
    }
}

impl Member {
    fn work(&mut self, rounds: &mut Rounds, deps: &ConsumeDeps) -> Result<(), RunError> {
        while !deps.is_stopped() {
            match &self.outage {
                // What was read is kept, what was not waits in the client: nothing has to be read again.
                Some(outage) if !outage.paused => {
                    std::thread::sleep(OUTAGE_RETRY);
                    self.note_waited(OUTAGE_RETRY);
                }
                _ => self.poll()?,
            }
            if let Some(failure) = self.consumer.context().core().failure.take() {
                return Err(failure);
            }
            self.apply(Which::Ripe(Instant::now()))?;
            self.check_ledger()?;
            self.retry_seeks();
            if rounds.run_if_due(self)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes records until none is there, a batch is full, or it is time to look at the rest.
    fn poll(&mut self) -> Result<(), RunError> {
        let mut timeout = self.poll_timeout();
        let mut now = Instant::now();
        for taken in 0..DRAIN_MAX {
            let polled = self.consumer.poll(timeout);
            if taken == 0 {
                timeout = Duration::ZERO;
                let asked_at = std::mem::replace(&mut now, Instant::now());
                self.note_waited(now - asked_at);
            }
            let Some(polled) = polled else { break };
            let (seek, full) = match polled {
                Ok(record) => {
                    self.first_record_at.get_or_insert(now);
                    self.take(&record, now)
                }
                Err(error) => {
                    self.judge(error)?;
                    continue;
                }
            };
            if let Some(seek) = seek {
                self.seek(seek);
            }
            if full {
                break;
            }
        }
        Ok(())
    }

    /// Time in which there was nothing to do: it is Kafka's, or Redis's while that takes nothing.
    fn note_waited(&self, waited: Duration) {
        let mut core = self.consumer.context().core();
        let report = &mut core.engine.stats().report;
        let waited_us = match self.outage {
            Some(_) => &mut report.redis_us,
            None => &mut report.idle_us,
        };
        *waited_us += waited.as_micros() as u64;
    }

    fn poll_timeout(&self) -> Duration {
        let next_ripe = self.consumer.context().core().engine.next_ripe();
        match next_ripe {
            Some(ripe) if self.outage.is_none() => ripe.saturating_duration_since(Instant::now()).min(POLL_MAX),
            _ => POLL_MAX,
        }
    }

    fn take(&self, message: &BorrowedMessage<'_>, now: Instant) -> (Option<Seek>, bool) {
        let record = RecordView {
            partition: message.partition() as u32,
            offset: message.offset(),
            key: message.key(),
            payload: message.payload(),
            timestamp_us: match message.timestamp() {
                Timestamp::NotAvailable => None,
                Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => Some(ms.saturating_mul(1_000)),
            },
        };
        let mut core = self.consumer.context().core();
        let seek = core.engine.take(&record, now);
        (seek, core.engine.is_full(record.partition))
    }

    /// Applies batches, and goes where the ledger says.
    pub(super) fn apply(&mut self, which: Which<'_>) -> Result<(), RunError> {
        let flushed = self.consumer.context().core().engine.flush(which);
        self.follow(flushed)
    }

    /// Looks once a second whether Redis still has what it took.
    fn check_ledger(&mut self) -> Result<(), RunError> {
        if self.checked_at.elapsed() < CHECK_INTERVAL {
            return Ok(());
        }
        self.checked_at = Instant::now();
        let checked = self.consumer.context().core().engine.check();
        self.follow(checked)
    }

    fn follow(&mut self, flushed: Flushed) -> Result<(), RunError> {
        for seek in &flushed.seeks {
            self.seek(*seek);
        }
        if flushed.applied > 0 {
            self.last_applied_at = Instant::now();
        }
        match flushed.failed {
            Some(error) if error.is_transient() => self.note_outage(&error),
            Some(error) => return Err(error.into()),
            None if flushed.answered => self.end_outage(),
            None => {}
        }
        Ok(())
    }

    /// Tells errors that pass from those that no restart of the loop can mend.
    fn judge(&self, error: KafkaError) -> Result<(), RunError> {
        self.check_fatal()?;
        match error {
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => Err(RunError::OutOfRange {
                what: watermarks::explain(&self.consumer),
            }),
            error => {
                // The client goes on by itself: a broker is away, a coordinator moves, a topic is not there yet.
                warn!(%error, "kafka client");
                Ok(())
            }
        }
    }

    /// An error if the client can never work again.
    pub(super) fn check_fatal(&self) -> Result<(), RunError> {
        match self.consumer.client().fatal_error() {
            Some((code, reason)) => Err(RunError::Fatal { code, reason }),
            None => Ok(()),
        }
    }

    /// Says why nothing is counted, before the client is closed, which takes a while.
    fn note_end(&self, error: &RunError) {
        let why = match error.is_id_held() {
            true => self.consumer.context().core().note_id_held().to_owned(),
            false => error.to_string(),
        };
        self.shared.set_missing(Some(why));
    }

    /// Applies what is left, commits and closes the client; a static member keeps its place in the group.
    fn close(self, rounds: &mut Rounds, cleanly: bool) -> Summary {
        if cleanly {
            let deadline = Instant::now() + CLOSE_PATIENCE;
            let left = flush_until(&mut self.consumer.context().core().engine, Which::All, deadline);
            if let Some(error) = left {
                warn!(%error, "the last batches are not applied; they are read again later");
            }
            rounds.commit_before_end(&self, COMMIT_PATIENCE);
        }
        self.consumer.context().core().closing = true;
        rounds.publish(&self);
        let summary = self.summary();
        // Its destructor leaves the group, or rather does not where the membership is static.
        drop(self.consumer);
        info!(applied = summary.events, "consumer closed");
        summary
    }

    fn summary(&self) -> Summary {
        let mut core = self.consumer.context().core();
        let stats = core.engine.stats();
        let report = &stats.report;
        let first = self.first_record_at.unwrap_or(self.last_applied_at);
        let seconds = self.last_applied_at.saturating_duration_since(first).as_secs_f64();
        Summary {
            records: stats.received,
            events: report.applied,
            batches: report.batches,
            seconds,
            events_per_second: if seconds > 0.0 {
                report.applied as f64 / seconds
            } else {
                0.0
            },
            redis_seconds: report.redis_us as f64 / 1e6,
            cpu_seconds: process_cpu_us() as f64 / 1e6,
        }
    }
}
