//! The life of the pod: claims its slot, prepares, waits for its start, sends, stays up, and gives the slot back.

use std::sync::Arc;
use std::time::Duration;

use eoslab_core::report::ProducerState;
use eoslab_core::{Layout, StreamError};
use eoslab_runtime::clock::Clock;
use eoslab_runtime::exit::Exit;
use eoslab_runtime::http;
use eoslab_runtime::kafka::shown;
use eoslab_runtime::slot::{
    self, Annotations, MEASURE_FROM_ANNOTATION, START_AT_ANNOTATION, STOP_ANNOTATION, SlotError, SlotHandle,
    annotation_us,
};
use eoslab_runtime::tail::{TailError, Tails};
use eoslab_runtime::usage::process_cpu_us;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::assembly::{Prepared, Start, assemble, prepare};
use crate::controls::{Controls, Stop};
use crate::resume::ResumeError;
use crate::settings::Settings;
use crate::state::State;
use crate::takeover::Takeover;
use crate::threads::{Finished, Threads};

/// How long the topic and its brokers may take to be there.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(120);
/// Pause between attempts to read the log's tail.
const PREPARE_PAUSE: Duration = Duration::from_secs(1);
/// How often progress is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Longest time that sending threads may take to end once the slot is lost: the Lease ends 2 s after.
const ABORT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Time beyond the flush deadline that a thread may take to close its client.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the pod cannot go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// No slot.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The slot does not fit the number of producers.
    #[error("holds slot {slot}, but the run has only {producers} producers: make --producers the number of leases")]
    SlotBeyondProducers {
        /// The slot.
        slot: u32,
        /// Producers of the run.
        producers: u32,
    },
    /// The stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The log's tail could not be read.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The topic holds another run's events.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// A task of this process panicked.
    #[error("a task panicked")]
    Task(#[from] JoinError),
    /// A sending thread could not be started.
    #[error("cannot start a sending thread")]
    Thread(#[source] std::io::Error),
}

/// Runs the pod until `shutdown`, or until it cannot go on. The caller owns the listener and the stop signal.
pub async fn run(settings: Settings, listener: TcpListener, shutdown: CancellationToken) -> Result<Exit, RunError> {
    let clock = Clock::start();
    let incarnation = settings.pod.incarnation(clock.started_at_us());
    let state = Arc::new(State::new(
        clock,
        settings.run_id.clone(),
        incarnation,
        shown(&settings.producer_config),
    ));
    let server_stop = CancellationToken::new();
    let server = tokio::spawn(http::serve(listener, http::router(state.clone()), server_stop.clone()));
    let _stop_server = server_stop.clone().drop_guard();
    let pod = Pod {
        settings,
        clock,
        state,
        controls: Arc::new(Controls::default()),
        shutdown,
    };
    let exit = pod.serve_slot().await;
    server_stop.cancel();
    if let Ok(Err(error)) = server.await {
        warn!(%error, "the HTTP server failed");
    }
    exit
}

struct Pod {
    settings: Settings,
    clock: Clock,
    state: Arc<State>,
    controls: Arc<Controls>,
    shutdown: CancellationToken,
}

impl Pod {
    async fn serve_slot(self) -> Result<Exit, RunError> {
        let handle = match slot::claim(&self.settings.slot, &self.shutdown).await {
            Ok(handle) => handle,
            Err(SlotError::Stopped) => return Ok(Exit::Clean),
            Err(error) => return Err(error.into()),
        };
        let lost = handle.lost();
        let worked = self.work(&handle).await;
        if lost.is_cancelled() {
            return Ok(Exit::LostLease);
        }
        if let Err(error) = handle.release().await {
            warn!(%error, "the slot stays held until its lease ends");
        }
        worked
    }

    async fn work(&self, handle: &SlotHandle) -> Result<Exit, RunError> {
        let lost = handle.lost();
        let stop = async {
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = lost.cancelled() => {}
            }
        };
        let ready = tokio::select! {
            ready = self.get_ready(handle) => ready?,
            () = stop => return Ok(Exit::Clean),
        };
        self.send(ready, handle).await
    }

    /// Prepares, and waits for the start.
    async fn get_ready(&self, handle: &SlotHandle) -> Result<(Prepared, Start), RunError> {
        let (slot, producers) = (handle.index(), self.settings.producers);
        self.state.set_slot(slot);
        if slot >= producers {
            return Err(RunError::SlotBeyondProducers { slot, producers });
        }
        let settings = self.settings.clone();
        let layout = spawn_blocking(move || Layout::new(&settings.stream)).await??;
        let (settings, tails) = (self.settings.clone(), self.read_tails(slot).await?);
        let prepared = spawn_blocking(move || prepare(&settings, &layout, slot, &tails)).await??;
        self.state.set_stream(prepared.layout_digest, prepared.target_rate);
        info!(
            slot,
            partitions = prepared.tracks.len(),
            events = prepared.events_left,
            "prepared"
        );
        self.state.set_state(ProducerState::Waiting);
        let start = self.wait_for_start(handle).await;
        Ok((prepared, start))
    }

    /// Reads the tails of the slot's partitions, patiently: the topic may not be there yet, or a broker be down.
    async fn read_tails(&self, slot: u32) -> Result<Tails, RunError> {
        let takeover = Takeover {
            config: self.settings.reader_config.clone(),
            topic: self.settings.topic.clone(),
        };
        let (partitions, producers) = (self.settings.stream.partitions, self.settings.producers);
        let owned = crate::plan::owned_partitions(partitions, producers, slot);
        let give_up_at = Instant::now() + PREPARE_TIMEOUT;
        loop {
            let (takeover, owned) = (takeover.clone(), owned.clone());
            let read = spawn_blocking(move || {
                takeover
                    .check_partitions(partitions)
                    .and_then(|()| takeover.read(&owned))
            });
            match read.await? {
                Ok(tails) => {
                    self.state.set_problem(None);
                    return Ok(tails);
                }
                Err(error) if error.is_permanent() || Instant::now() >= give_up_at => return Err(error.into()),
                Err(error) => {
                    warn!(%error, "cannot read the log's tail, trying again");
                    self.state.set_problem(Some(error.to_string()));
                }
            }
            sleep(PREPARE_PAUSE).await;
        }
    }

    /// The start is given by flag, or by the slot's Lease, or is now.
    async fn wait_for_start(&self, handle: &SlotHandle) -> Start {
        self.apply_measure_from(&handle.annotations().borrow());
        if let Some(at_us) = self.settings.start_at_us {
            return Start::At(at_us);
        }
        if handle.name().is_none() {
            return Start::Now(self.clock.now_us());
        }
        handle.watch_closely(true);
        let mut annotations = handle.annotations();
        info!("waiting for the start time");
        let start_at_us = loop {
            let read = annotations.borrow_and_update().clone();
            self.apply_measure_from(&read);
            if let Some(at_us) = annotation_us(&read, START_AT_ANNOTATION) {
                break at_us;
            }
            if annotations.changed().await.is_err() {
                // The slot is lost; the caller sees that and drops this wait.
                std::future::pending::<()>().await;
            }
        };
        handle.watch_closely(false);
        Start::At(start_at_us)
    }

    async fn send(&self, (prepared, start): (Prepared, Start), handle: &SlotHandle) -> Result<Exit, RunError> {
        let assembled = assemble(&self.settings, prepared, start, self.clock, &self.controls);
        let (workers, idle) = (assembled.workers, assembled.idle);
        self.state
            .set_progress(workers.iter().map(|worker| worker.progress.clone()).collect(), idle);
        let lost = handle.lost();
        if is_told_to_stop(&handle.annotations().borrow()) {
            self.rest(&lost).await;
            return Ok(Exit::Clean);
        }
        self.state.set_state(ProducerState::Sending);
        info!(start = ?start, clients = workers.len(), cpu_ms = process_cpu_us() / 1000, "sending");
        let mut ended = Threads::start(workers).map_err(|error| {
            // Those that did start must not go on.
            self.controls.ask(Stop::Abort);
            RunError::Thread(error)
        })?;
        let follow = self.follow(handle);
        tokio::pin!(follow);
        let finished = tokio::select! {
            finished = ended.all() => finished,
            () = self.shutdown.cancelled() => Finished::Asked,
            () = lost.cancelled() => Finished::Asked,
            () = told_to_stop(handle) => Finished::Told,
            () = &mut follow => Finished::Asked,
        };
        match finished {
            Finished::Fatal(why) => {
                error!(%why, "the Kafka client failed for good");
                self.controls.ask(Stop::Abort);
                // The reason is known already; the others only have to stop writing.
                let _ = timeout(ABORT_TIMEOUT, ended.all()).await;
                return Ok(Exit::FatalClient);
            }
            Finished::Done => self.rest(&lost).await,
            Finished::Told => {
                // A thread that may still send is not done: the next process finds in the log what it sent.
                if !self.stop_threads(&mut ended, &lost).await {
                    return Ok(Exit::FatalClient);
                }
                self.rest(&lost).await;
            }
            Finished::Asked => {
                self.stop_threads(&mut ended, &lost).await;
            }
        }
        Ok(Exit::Clean)
    }

    /// Stays up with its final report until it is not wanted any more.
    async fn rest(&self, lost: &CancellationToken) {
        self.state.set_state(ProducerState::Done);
        self.log_progress("done");
        self.state.set_rate(0.0);
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = lost.cancelled() => {}
        }
    }

    /// Whether every thread has ended.
    async fn stop_threads(&self, ended: &mut Threads, lost: &CancellationToken) -> bool {
        if lost.is_cancelled() {
            self.controls.ask(Stop::Abort);
            return timeout(ABORT_TIMEOUT, ended.all()).await.is_ok();
        }
        self.controls.ask(Stop::Flush);
        let patience = Duration::from_micros(self.settings.flush_timeout_us) + CLOSE_TIMEOUT;
        let closed = tokio::select! {
            closed = timeout(patience, ended.all()) => closed.is_ok(),
            () = lost.cancelled() => {
                self.controls.ask(Stop::Abort);
                timeout(ABORT_TIMEOUT, ended.all()).await.is_ok()
            }
        };
        if !closed {
            warn!("a sending thread did not end in time");
        }
        self.log_progress("stopped");
        closed
    }

    /// Follows the Lease's annotations and logs progress; never ends by itself.
    async fn follow(&self, handle: &SlotHandle) {
        let mut annotations = handle.annotations();
        let mut ticks = interval(PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let (mut acked, mut at_us) = (self.state.progress().acked(), self.clock.elapsed_us());
        let mut open = true;
        loop {
            self.apply_measure_from(&annotations.borrow_and_update());
            tokio::select! {
                changed = annotations.changed(), if open => open = changed.is_ok(),
                _ = ticks.tick() => {
                    let (acked_now, now_us) = (self.state.progress().acked(), self.clock.elapsed_us());
                    let seconds = (now_us - at_us).max(1) as f64 / 1e6;
                    self.state.set_rate(acked_now.saturating_sub(acked) as f64 / seconds);
                    (acked, at_us) = (acked_now, now_us);
                    self.log_progress("progress");
                }
            }
        }
    }

    /// The flag wins over the Lease.
    fn apply_measure_from(&self, annotations: &Annotations) {
        let given = self.settings.measure_from_us;
        if let Some(from_us) = given.or_else(|| annotation_us(annotations, MEASURE_FROM_ANNOTATION)) {
            self.controls.set_measure_from_us(from_us);
        }
    }

    fn log_progress(&self, what: &'static str) {
        let progress = self.state.progress();
        info!(
            sent = progress.sent,
            acked = progress.acked(),
            failed = progress.failed() + progress.indeterminate(),
            rate = self.state.rate().round(),
            lateness_p99_us = progress.lateness.quantile(0.99),
            behind_us = progress.behind_us(self.clock.now_us()),
            in_flight = progress.open,
            cpu_ms = process_cpu_us() / 1000,
            "{what}"
        );
    }
}

fn is_told_to_stop(annotations: &Annotations) -> bool {
    annotations.contains_key(STOP_ANNOTATION)
}

/// Until the slot's Lease tells to send nothing new; never without one.
async fn told_to_stop(handle: &SlotHandle) {
    if handle.annotations().wait_for(is_told_to_stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
