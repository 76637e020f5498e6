//! What the Kafka client calls on the polling thread: partitions come and go here, and nowhere else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eoslab_runtime::quota::held_back_us;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tracing::{debug, info, warn};

use super::coordinator::CoordinatorWatch;
use super::engine::{Engine, Seek, Which};
use super::error::RunError;
use crate::args::Protocol;
use crate::ledger::{LedgerError, Mode};

/// How long a rebalance may wait for Redis. Beyond that an assignment is finished later, between polls, and a
/// revocation goes on without what is not applied: another member counts it.
const LEDGER_PATIENCE: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
const ID_HELD: &str = "the group holds this member's id until the session of its last process has ended";

/// The consumer of this crate.
pub type CounterConsumer = BaseConsumer<CounterContext>;

/// State that the polling loop shares with the callbacks, which run within `poll` on the same thread.
pub struct CounterContext {
    topic: String,
    partitions: u32,
    core: SharedCore,
    commits_answered: AtomicU64,
}

/// The state where one client after another works with it.
pub type SharedCore = Arc<Mutex<Core>>;

/// What the callbacks change.
pub struct Core {
    /// The counter itself.
    pub engine: Engine,
    /// Whether an assignment was received, be it an empty one, and not lost since.
    pub assigned: bool,
    /// Whether the group refuses this member's id, as it holds it for the last process that had it.
    id_held: bool,
    /// What a callback could not deal with; ends the client.
    pub failure: Option<RunError>,
    /// Set while records must not be taken, as Redis is out for long; new partitions start paused then.
    pub paused: bool,
    /// Set when the process is ending: partitions that go away have been dealt with.
    pub closing: bool,
    /// Assignment that waits for Redis.
    pending: Option<TopicPartitionList>,
    /// With the consumer protocol.
    coordinator: Option<CoordinatorWatch>,
}

impl Core {
    /// Without partitions.
    pub fn new(engine: Engine, protocol: Protocol) -> Self {
        Self {
            engine,
            assigned: false,
            id_held: false,
            failure: None,
            paused: false,
            closing: false,
            pending: None,
            coordinator: (protocol == Protocol::Consumer).then(CoordinatorWatch::default),
        }
    }

    /// What the group has not given yet.
    pub fn missing(&self) -> Option<&'static str> {
        if self.pending.is_some() {
            return Some("an assignment waits for redis");
        }
        match (self.assigned, self.id_held) {
            (true, _) => None,
            (false, true) => Some(ID_HELD),
            (false, false) => Some("no assignment received yet"),
        }
    }

    /// Notes that the group refuses this member's id; returns what is missing now.
    pub fn note_id_held(&mut self) -> &'static str {
        (self.assigned, self.id_held) = (false, true);
        ID_HELD
    }

    /// Forgets what a client before left; nobody else reads or applies for it any more.
    fn restart(&mut self) {
        let held = self.engine.held();
        self.engine.drop_partitions(&held);
        (self.assigned, self.paused, self.closing) = (false, false, false);
        (self.failure, self.pending) = (None, None);
        self.coordinator = self.coordinator.take().map(|_| CoordinatorWatch::default());
    }
}

impl CounterContext {
    /// For a new client of `topic`, of which `partitions` partitions are known.
    pub fn new(topic: &str, partitions: u32, core: SharedCore) -> Self {
        let context = Self {
            topic: topic.to_owned(),
            partitions,
            core,
            commits_answered: AtomicU64::new(0),
        };
        context.core().restart();
        context
    }

    /// The state; never held across a poll.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Topic that is consumed.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Number of commits that the broker has answered, or that have failed.
    pub fn commits_answered(&self) -> u64 {
        self.commits_answered.load(Ordering::Relaxed)
    }

    /// Tries again to finish an assignment that Redis kept waiting.
    pub fn retry_assignment(&self, consumer: &CounterConsumer) {
        let mut core = self.core();
        if let Some(list) = core.pending.take() {
            self.try_assign(&mut core, consumer, list);
        }
    }

    fn on_assign(&self, consumer: &CounterConsumer, list: TopicPartitionList) {
        let deadline = Instant::now() + LEDGER_PATIENCE;
        let mut core = self.core();
        core.engine.stats().report.rebalances += 1;
        self.try_assign(&mut core, consumer, list);
        while core.pending.is_some() && Instant::now() < deadline {
            std::thread::sleep(RETRY_INTERVAL);
            if let Some(list) = core.pending.take() {
                self.try_assign(&mut core, consumer, list);
            }
        }
        if let Some(list) = &core.pending {
            warn!(partitions = ?partitions_of(list), "an assignment waits for redis");
        }
    }

    /// Assigns with start positions, or leaves the list pending where Redis cannot be asked now.
    fn try_assign(&self, core: &mut Core, consumer: &CounterConsumer, mut list: TopicPartitionList) {
        let partitions = partitions_of(&list);
        if let Some(&partition) = partitions.iter().find(|partition| **partition >= self.partitions) {
            core.failure = Some(RunError::Partitions {
                partition,
                partitions: self.partitions,
            });
            return;
        }
        let started = core.engine.assign(&partitions).map_err(RunError::from).and_then(|seeks| {
            self.set_positions(&mut list, &seeks)?;
            // Cooperative is what the client calls the consumer protocol as well, whatever the assignor.
            let assigned = match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => consumer.incremental_assign(&list),
                _ => consumer.assign(&list),
            };
            assigned?;
            if core.paused {
                consumer.pause(&list)?;
            }
            info!(?partitions, positions = ?seeks.iter().map(|seek| seek.offset).collect::<Vec<_>>(), "partitions assigned");
            Ok(())
        });
        match started {
            Ok(()) => (core.assigned, core.id_held) = (true, false),
            Err(RunError::Ledger(error)) if error.is_transient() => {
                debug!(?partitions, %error, "cannot ask redis where to start");
                core.pending = Some(list);
            }
            Err(error) => core.failure = Some(error),
        }
    }

    fn set_positions(&self, list: &mut TopicPartitionList, seeks: &[Seek]) -> Result<(), KafkaError> {
        for seek in seeks {
            // Nothing counted yet: from the first record that there is. If that is not the first event, it shows.
            let offset = if seek.offset == 0 {
                Offset::Beginning
            } else {
                Offset::Offset(seek.offset)
            };
            list.set_partition_offset(&self.topic, seek.partition as i32, offset)?;
        }
        Ok(())
    }

    fn on_revoke(&self, consumer: &CounterConsumer, list: &TopicPartitionList) {
        let partitions = partitions_of(list);
        let lost = consumer.assignment_lost();
        let mut core = self.core();
        core.engine.stats().report.rebalances += 1;
        core.pending = None;
        if !lost && !core.closing {
            let left = flush_until(
                &mut core.engine,
                Which::Of(&partitions),
                Instant::now() + LEDGER_PATIENCE,
            );
            if let Some(error) = left {
                warn!(?partitions, %error, "partitions are given up with events that are not applied");
            }
            if core.engine.mode() == Mode::AtLeastOnce {
                self.commit_applied(&core.engine, consumer, Some(&partitions), CommitMode::Sync);
            }
        }
        core.engine.drop_partitions(&partitions);
        if lost {
            core.assigned = false;
        }
        // The client keeps a partition paused, also when it comes back.
        if core.paused
            && let Err(error) = consumer.resume(list)
        {
            warn!(?partitions, %error, "partitions cannot be resumed");
        }
        let unassigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            _ => consumer.unassign(),
        };
        info!(?partitions, lost, "partitions revoked");
        if let Err(error) = unassigned {
            warn!(?partitions, %error, "partitions could not be unassigned");
        }
    }

    /// Commits how far partitions are counted; `None`: all that are held. Exactly-once never reads it back.
    pub fn commit_applied(
        &self,
        engine: &Engine,
        consumer: &CounterConsumer,
        only: Option<&[u32]>,
        mode: CommitMode,
    ) -> bool {
        let mut list = TopicPartitionList::new();
        for (partition, applied) in engine.applied() {
            if applied.offset < 0 || only.is_some_and(|only| !only.contains(&partition)) {
                continue;
            }
            let next = Offset::Offset(applied.offset + 1);
            if let Err(error) = list.add_partition_offset(&self.topic, partition as i32, next) {
                warn!(partition, %error, "an offset cannot be committed");
            }
        }
        if list.count() == 0 {
            return false;
        }
        match consumer.commit(&list, mode) {
            Ok(()) => true,
            Err(error) => {
                warn!(%error, "offsets are not committed");
                false
            }
        }
    }
}

/// Applies until nothing is left or the deadline has passed; returns what was in the way then.
pub fn flush_until(engine: &mut Engine, which: Which<'_>, deadline: Instant) -> Option<LedgerError> {
    loop {
        let failed = engine.flush(which).failed?;
        if !failed.is_transient() || Instant::now() >= deadline {
            return Some(failed);
        }
        std::thread::sleep(RETRY_INTERVAL);
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<u32> {
    list.elements()
        .iter()
        .filter_map(|element| u32::try_from(element.partition()).ok())
        .collect()
}

impl ClientContext for CounterContext {
    fn stats_raw(&self, statistics: &[u8]) {
        let mut core = self.core();
        core.engine.stats().report.quota_us += held_back_us(statistics);
        let is_member = core.assigned;
        if let Some(watch) = &mut core.coordinator
            && watch.note(statistics, is_member, Instant::now())
        {
            warn!(why = %RunError::Unheard, "a new client takes over");
            core.failure.get_or_insert(RunError::Unheard);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for CounterContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.on_assign(consumer, list.clone()),
            _ => self.on_revoke(consumer, list),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.commits_answered.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = result {
            debug!(%error, "a commit failed");
        }
    }
}
