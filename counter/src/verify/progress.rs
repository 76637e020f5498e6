//! How far a verification is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eoslab_runtime::http::PodState;
use eoslab_runtime::metrics::Families;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// The verification was asked to stop.
#[derive(Debug)]
pub(super) struct Stopped;

/// What is done so far, and the signal to stop.
#[derive(Debug)]
pub(super) struct Progress {
    events: AtomicU64,
    accounts: AtomicU64,
    partitions: AtomicU64,
    events_all: u64,
    partitions_all: u64,
    stop: CancellationToken,
}

impl Progress {
    pub fn new(counts: &[u64], stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            events: AtomicU64::new(0),
            accounts: AtomicU64::new(0),
            partitions: AtomicU64::new(0),
            events_all: counts.iter().sum(),
            partitions_all: counts.len() as u64,
            stop,
        })
    }

    pub fn note_events(&self, more: u64) -> Result<(), Stopped> {
        self.events.fetch_add(more, Ordering::Relaxed);
        self.check()
    }

    pub fn note_accounts(&self, more: u64) -> Result<(), Stopped> {
        self.accounts.fetch_add(more, Ordering::Relaxed);
        self.check()
    }

    pub fn note_partition(&self) {
        self.partitions.fetch_add(1, Ordering::Relaxed);
    }

    pub fn check(&self) -> Result<(), Stopped> {
        if self.stop.is_cancelled() { Err(Stopped) } else { Ok(()) }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "verifying: {} of {} events regenerated, {} accounts compared, {} of {} partitions done",
            self.events.load(Ordering::Relaxed),
            self.events_all,
            self.accounts.load(Ordering::Relaxed),
            self.partitions.load(Ordering::Relaxed),
            self.partitions_all,
        )
    }
}

impl PodState for Progress {
    fn readiness(&self) -> Result<(), String> {
        Ok(())
    }

    fn report(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&json!({
            "eventsRegenerated": self.events.load(Ordering::Relaxed),
            "eventsExpected": self.events_all,
            "accountsCompared": self.accounts.load(Ordering::Relaxed),
            "partitionsDone": self.partitions.load(Ordering::Relaxed),
            "partitions": self.partitions_all,
        }))
    }

    fn metrics(&self) -> Result<String, prometheus::Error> {
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed) as f64;
        Families::new()
            .counter("eoslab_verify_events_total", "Events regenerated", number(&self.events))
            .counter(
                "eoslab_verify_accounts_total",
                "Accounts compared",
                number(&self.accounts),
            )
            .counter(
                "eoslab_verify_partitions_total",
                "Partitions done",
                number(&self.partitions),
            )
            .encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_metrics_is_what_a_verification_exports() -> Result<(), String> {
        let progress = Progress::new(&[1], CancellationToken::new());
        let exported = progress.metrics().map_err(|error| error.to_string())?;
        eoslab_runtime::metrics_table::check("verify", &exported)
    }
}
