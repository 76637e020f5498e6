//! The ledger, through the counter's own library. Its calls block, so they run on threads of their own.

use std::sync::{Arc, Mutex, PoisonError};

use eoslab_api::RedisUrls;
use eoslab_core::report::Pause;
use eoslab_counter::ledger::{Ledger, LedgerEntry, LedgerError};

use crate::seen::topic::Cause;

/// Most pauses of a partition that are read; the ledger keeps as many.
const PAUSES_MAX: u32 = 1000;

/// The ledger of one run, connected on first use.
#[derive(Clone, Debug)]
pub(super) struct Store {
    urls: RedisUrls,
    ledger: Arc<Mutex<Ledger>>,
    partitions: Arc<[u32]>,
}

impl Store {
    pub(super) fn new(urls: &RedisUrls, run_id: &str, partitions: u32) -> Result<Self, Cause> {
        let ledger = Ledger::new(urls.as_slice(), run_id).map_err(|error| cause(&error))?;
        Ok(Self {
            urls: urls.clone(),
            ledger: Arc::new(Mutex::new(ledger)),
            partitions: (0..partitions).collect(),
        })
    }

    pub(super) fn is_at(&self, urls: &RedisUrls) -> bool {
        self.urls == *urls
    }

    pub(super) fn check(&self) -> Result<(), Cause> {
        self.with(|ledger| {
            ledger.ping()?;
            // What is only doubtful is the counters' business: they log it.
            ledger.check_eviction().map(|_| ())
        })
    }

    pub(super) fn read(&self) -> Result<Vec<LedgerEntry>, Cause> {
        self.with(|ledger| ledger.read(&self.partitions))
    }

    pub(super) fn pauses(&self) -> Result<Vec<Pause>, Cause> {
        self.with(|ledger| ledger.pauses(&self.partitions, PAUSES_MAX))
    }

    pub(super) fn main_thread_us(&self) -> Result<Vec<u64>, Cause> {
        self.with(Ledger::main_thread_us)
    }

    pub(super) fn delete(&self) -> Result<(), Cause> {
        self.with(|ledger| ledger.delete(&self.partitions))
    }

    fn with<T>(&self, call: impl FnOnce(&mut Ledger) -> Result<T, LedgerError>) -> Result<T, Cause> {
        // A call that panicked has left a connection that reports an error and is made anew.
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        call(&mut ledger).map_err(|error| cause(&error))
    }
}

/// An error of the ledger as a user can act on it.
fn cause(error: &LedgerError) -> Cause {
    let (reason, fix) = match error {
        LedgerError::Connect { .. } | LedgerError::BackingOff { .. } | LedgerError::Unanswered { .. } => (
            "RedisUnreachable",
            "correct the address (spec.ledger.redis.url, or the Secret of urlSecretRef), or start Redis",
        ),
        LedgerError::Rejected { .. } => (
            "RedisRejected",
            "put a password that Redis accepts into the Secret of urlSecretRef",
        ),
        LedgerError::Evicts { .. } => ("RedisEvicts", "set maxmemory-policy noeviction"),
        LedgerError::Refused { .. } => ("RedisRefused", "wait, or see Redis's log"),
        _ => ("RedisUnusable", "see the operator's log"),
    };
    Cause::new(reason, format!("spec.ledger.redis: {error}; {fix}"))
}
