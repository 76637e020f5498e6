//! `counter verify`: the independent oracle. It regenerates the streams and compares every account of every partition
//! with the ledger. It reads neither Kafka nor anything that a producer or a counter says about itself.

mod main;
mod outcome;
mod partition;
mod progress;
mod retry;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use eoslab_core::Layout;
use eoslab_core::report::VerifyReport;
use tokio_util::sync::CancellationToken;

use crate::args::CounterArgsError;
use crate::ledger::{Ledger, LedgerError};
use partition::Findings;
use progress::{Progress, Stopped};
use retry::Patient;

pub use main::{main, unknown};
pub use outcome::{RESULT_BYTES_MAX, fitting_json, line};

/// Partitions whose streams are built in one pass over the accounts may have this many accounts together: 24 MB.
const GROUP_SLOTS: u64 = 2_000_000;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// Why nothing can be said about the counts.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Flags that cannot be used.
    #[error(transparent)]
    Args(#[from] CounterArgsError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A counter is still at work.
    #[error("partition {partition} was still being counted: verify when the counters are done")]
    Moving {
        /// The partition.
        partition: u32,
    },
    /// Asked to stop.
    #[error("stopped before the end")]
    Stopped,
    /// A thread, a file or a socket failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Compares `counts[p]` events of each partition `p` with the ledger, on `threads` threads (0: one a processor).
/// Each works on one partition at a time, so memory is bounded by the largest partitions. Blocks.
pub fn verify(
    layout: &Layout,
    counts: &[u64],
    ledger: &Ledger,
    run_id: &str,
    threads: usize,
    stop: CancellationToken,
) -> Result<VerifyReport, VerifyError> {
    verify_with(layout, counts, ledger, run_id, threads, &Progress::new(counts, stop))
}

fn verify_with(
    layout: &Layout,
    counts: &[u64],
    ledger: &Ledger,
    run_id: &str,
    threads: usize,
    progress: &Progress,
) -> Result<VerifyReport, VerifyError> {
    let started = Instant::now();
    let groups = Mutex::new(groups(layout, counts));
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let (done, results) = mpsc::channel();
    let (finished, watch) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while watch.recv_timeout(PROGRESS_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                println!("{}", progress.line());
            }
        });
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (groups, done) = (&groups, done.clone());
                scope.spawn(move || {
                    let mut ledger = Patient::new(ledger.detached());
                    loop {
                        let Some(group) = groups.lock().unwrap_or_else(PoisonError::into_inner).pop() else {
                            break;
                        };
                        let compared = compare_group(layout, counts, &group, &mut ledger, progress);
                        let failed = compared.is_err();
                        if done.send(compared).is_err() || failed {
                            break;
                        }
                    }
                })
            })
            .collect();
        drop(done);
        workers.into_iter().for_each(|worker| drop(worker.join()));
        drop(finished);
    });
    let mut findings = Vec::new();
    for result in results {
        findings.extend(result?);
    }
    if findings.len() != counts.len() {
        let source = std::io::Error::other(format!("{} of {} partitions", findings.len(), counts.len()));
        return Err(VerifyError::Io {
            what: "a thread ended before its work was done",
            source,
        });
    }
    let report = VerifyReport {
        run_id: run_id.to_owned(),
        layout_digest: layout.digest(),
        ..VerifyReport::default()
    };
    let elapsed_ms = started.elapsed().as_millis() as u64;
    Ok(outcome::sum_up(findings, VerifyReport { elapsed_ms, ..report }))
}

/// All partitions in groups whose streams are built together; the group with the most events is last, taken first.
fn groups(layout: &Layout, counts: &[u64]) -> Vec<Vec<u32>> {
    let mut groups: Vec<(u64, u64, Vec<u32>)> = Vec::new();
    for (partition, &count) in (0..).zip(counts) {
        let slots = u64::from(layout.slots(partition));
        match groups.last_mut() {
            Some((events, size, group)) if *size + slots <= GROUP_SLOTS => {
                *events += count;
                *size += slots;
                group.push(partition);
            }
            _ => groups.push((count, slots, vec![partition])),
        }
    }
    groups.sort_by_key(|(events, ..)| *events);
    groups.into_iter().map(|(.., group)| group).collect()
}

fn compare_group(
    layout: &Layout,
    counts: &[u64],
    group: &[u32],
    ledger: &mut Patient,
    progress: &Progress,
) -> Result<Vec<Findings>, VerifyError> {
    let streams = layout.streams(group);
    let mut findings = Vec::with_capacity(group.len());
    for &partition in group {
        progress.check()?;
        let stream = streams.iter().find(|stream| stream.partition() == partition);
        let (slots, count) = (layout.slots(partition), counts[partition as usize]);
        findings.push(partition::compare(partition, stream, slots, count, ledger, progress)?);
    }
    Ok(findings)
}
