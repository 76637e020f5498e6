//! `counter run`: the consumer of one member.

mod config;
mod consume;
mod context;
mod coordinator;
mod count_route;
mod engine;
mod error;
mod main;
mod outage;
mod round;
mod shared;
mod stats;
mod watermarks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eoslab_core::report::{CounterReport, Member};
use eoslab_core::{Layout, StreamSpec};
use eoslab_runtime::clock::system_now_us;
use eoslab_runtime::kafka::shown;
use eoslab_runtime::{http, slot};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::args::{RunArgs, check_slots};
use crate::count::Checker;
use crate::ledger::{Ledger, LedgerError, Writer};

pub use config::consumer_config;
pub use consume::Summary;
pub use engine::{BatchLimits, Engine, Flushed, Seek, Which};
pub use error::RunError;
pub use main::main;
pub use shared::Shared;
pub use stats::Stats;

/// How long the consumer's thread may take to end after the stop signal: the last batches, the last commit, the close.
const END_PATIENCE: Duration = Duration::from_secs(20);
const LEDGER_RETRY: Duration = Duration::from_millis(200);

/// Runs the counter on `listener` until `stop`. Returns what was measured.
pub async fn run(args: RunArgs, listener: TcpListener, stop: CancellationToken) -> Result<Summary, RunError> {
    let spec = args.validated()?;
    let shared = Arc::new(Shared::default());
    let ledger = Ledger::new(&args.redis.redis_url, &args.pod.run_id)?;
    let counts = count_route::Counts::new(ledger.detached());
    let router = http::router(shared.clone()).merge(count_route::router(counts.clone()));
    let serving = CancellationToken::new();
    let server = tokio::spawn(http::serve(listener, router, serving.clone()));
    let ended = work(&args, spec, &shared, ledger, &counts, stop).await;
    serving.cancel();
    match server.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "the http server failed"),
        Err(error) => warn!(%error, "the http server failed"),
    }
    ended
}

async fn work(
    args: &RunArgs,
    spec: StreamSpec,
    shared: &Arc<Shared>,
    ledger: Ledger,
    counts: &Arc<count_route::Counts>,
    stop: CancellationToken,
) -> Result<Summary, RunError> {
    let (checker, layout_digest) = lay_out(spec.clone(), args.stream.message_size as usize).await?;
    counts.set_checker(checker.clone());
    let Some(ledger) = open_ledger(ledger, shared, &stop).await? else {
        return Ok(Summary::default());
    };
    shared.set_missing(Some("no slot yet".to_owned()));
    let source = args.pod.slot_source().map_err(crate::args::CounterArgsError::from)?;
    let slot = match slot::claim(&source, &stop).await {
        Err(slot::SlotError::Stopped) => return Ok(Summary::default()),
        claimed => claimed?,
    };
    let name = slot
        .name()
        .map_or_else(|| config::stand_alone_name(&args.consumer, slot.index()), str::to_owned);
    info!(member = name, slot = slot.index(), "slot claimed");
    let stall_us = u64::from(args.stall_threshold_ms) * 1_000;
    let writer = Writer {
        mode: args.consumer.mode,
        member: name.clone(),
        stall_us,
    };
    let mut engine = Engine::new(writer, args.limits(), ledger, checker);
    engine.show_in_flight(shared.in_flight());
    engine.set_measure_from(args.measure_from_us);
    let config = consumer_config(&args.kafka, &args.consumer, &name)?;
    engine.stats().report = CounterReport {
        client_config: shown(&config),
        ..first_report(args, slot.index(), layout_digest)
    };
    let deps = consume::ConsumeDeps {
        config,
        topic: args.kafka.topic.clone(),
        partitions: spec.partitions,
        core: Arc::new(Mutex::new(context::Core::new(engine, args.consumer.protocol))),
        shared: shared.clone(),
        annotations: slot.annotations(),
        commit_interval: Duration::from_millis(u64::from(args.commit_interval_ms)),
        exit_at_end: args.exit_at_end,
        stop: stop.clone(),
        lost: slot.lost(),
    };
    let ended = supervise(deps, &stop).await;
    shared.set_missing(Some("ended".to_owned()));
    if slot.lost().is_cancelled() {
        return Err(RunError::LostLease);
    }
    if let Err(error) = slot.release().await {
        error!(%error, "the slot is not released, it ends by itself");
    }
    ended
}

/// Builds what tells events from other records: a pass over all accounts.
async fn lay_out(spec: StreamSpec, message_size: usize) -> Result<(Arc<Checker>, u64), RunError> {
    let laid_out = spawn_blocking(move || {
        let layout = Layout::new(&spec).map_err(eoslab_runtime::args::ArgsError::from);
        let layout = layout.map_err(crate::args::CounterArgsError::from)?;
        check_slots(&layout)?;
        Ok((Arc::new(Checker::new(&layout, message_size)), layout.digest()))
    });
    laid_out.await.unwrap_or(Err(RunError::Stuck))
}

/// Waits until every Redis answers and none would evict totals. `None` if it is stopped before.
async fn open_ledger(
    mut ledger: Ledger,
    shared: &Shared,
    stop: &CancellationToken,
) -> Result<Option<Ledger>, RunError> {
    shared.set_missing(Some("redis does not answer yet".to_owned()));
    while !stop.is_cancelled() {
        let checked = spawn_blocking(move || {
            let checked = ledger.ping().and_then(|()| ledger.check_eviction());
            (ledger, checked)
        });
        let (back, checked) = checked.await.map_err(|_| RunError::Stuck)?;
        match checked {
            Ok(doubts) => {
                doubts.iter().for_each(|doubt| warn!(doubt, "redis's eviction policy"));
                return Ok(Some(back));
            }
            Err(error) if error.is_transient() => {
                if !matches!(error, LedgerError::BackingOff { .. }) {
                    warn!(%error, "waiting for redis");
                }
                ledger = back;
            }
            Err(error) => return Err(error.into()),
        }
        sleep(LEDGER_RETRY).await;
    }
    Ok(None)
}

/// Runs the consumer's thread; once it is asked to stop, it has to end in time.
async fn supervise(deps: consume::ConsumeDeps, stop: &CancellationToken) -> Result<Summary, RunError> {
    let lost = deps.lost.clone();
    let mut thread = spawn_blocking(move || consume::consume(&deps));
    tokio::select! {
        ended = &mut thread => return ended.unwrap_or(Err(RunError::Stuck)),
        () = stop.cancelled() => {}
        () = lost.cancelled() => {}
    }
    match timeout(END_PATIENCE, thread).await {
        Ok(ended) => ended.unwrap_or(Err(RunError::Stuck)),
        Err(_) => Err(RunError::Stuck),
    }
}

fn first_report(args: &RunArgs, slot: u32, layout_digest: u64) -> CounterReport {
    let started_at_us = system_now_us();
    let member = Member {
        run_id: args.pod.run_id.clone(),
        slot,
        incarnation: args.pod.incarnation(started_at_us),
        started_at_us,
    };
    CounterReport {
        member,
        layout_digest,
        ..CounterReport::default()
    }
}
