//! A ledger that is asked again while Redis is away for a moment.

use std::time::{Duration, Instant};

use crate::ledger::{Ledger, LedgerError};

/// How long Redis may be away.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Only for calls that change nothing.
pub(super) struct Patient {
    ledger: Ledger,
    patience: Duration,
}

impl Patient {
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            patience: PATIENCE,
        }
    }

    pub fn call<T>(&mut self, read: impl Fn(&mut Ledger) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let deadline = Instant::now() + self.patience;
        loop {
            match read(&mut self.ledger) {
                Err(error) if error.is_transient() && Instant::now() < deadline => std::thread::sleep(RETRY_INTERVAL),
                result => return result,
            }
        }
    }
}
