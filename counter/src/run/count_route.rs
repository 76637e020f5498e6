//! `GET /count/{account_id}`: an account's total, straight from Redis.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::count::Checker;
use crate::ledger::{Ledger, LedgerError};

/// Most requests that wait for the one connection at a time; each holds a thread.
const WAITING_MAX: usize = 32;

/// Reads totals on a connection of its own.
pub struct Counts {
    ledger: Mutex<Ledger>,
    checker: OnceLock<Arc<Checker>>,
    waiting: Arc<Semaphore>,
}

/// One account's total.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct AccountCount {
    account_id: u64,
    /// Sum of the parts.
    total: i64,
    /// Every part is exact up to this offset of its partition at least.
    as_of_offset: i64,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Part {
    partition: u32,
    total: i64,
    as_of_offset: i64,
}

impl Counts {
    /// Reads from `ledger`, once it is told where accounts are.
    pub fn new(ledger: Ledger) -> Arc<Self> {
        let waiting = Arc::new(Semaphore::new(WAITING_MAX));
        Arc::new(Self {
            ledger: Mutex::new(ledger),
            checker: OnceLock::new(),
            waiting,
        })
    }

    /// Tells where accounts are.
    pub fn set_checker(&self, checker: Arc<Checker>) {
        // It is told once; a second time would be the same.
        let _ = self.checker.set(checker);
    }

    fn read(&self, checker: &Checker, account_id: u64) -> Result<AccountCount, LedgerError> {
        let homes = checker.homes(account_id);
        let totals = self
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .totals(&homes)?;
        Ok(add_up(account_id, &homes, &totals))
    }
}

fn add_up(account_id: u64, homes: &[(u32, u32)], totals: &[(i64, i64)]) -> AccountCount {
    let part = |(home, total): (&(u32, u32), &(i64, i64))| Part {
        partition: home.0,
        total: total.0,
        as_of_offset: total.1,
    };
    let parts: Vec<Part> = homes.iter().zip(totals).map(part).collect();
    AccountCount {
        account_id,
        total: parts.iter().map(|part| part.total).sum(),
        as_of_offset: parts.iter().map(|part| part.as_of_offset).min().unwrap_or(-1),
        parts,
    }
}

/// The route.
pub fn router(counts: Arc<Counts>) -> Router {
    Router::new()
        .route("/count/{account_id}", get(count))
        .with_state(counts)
}

async fn count(State(counts): State<Arc<Counts>>, Path(account_id): Path<String>) -> Response {
    let Ok(account_id) = account_id.parse::<u64>() else {
        return refuse(StatusCode::BAD_REQUEST, "the account is no number");
    };
    let Some(checker) = counts.checker.get().cloned() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the accounts are still being laid out");
    };
    let Ok(permit) = counts.waiting.clone().try_acquire_owned() else {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are waiting for redis",
        );
    };
    let reader = counts.clone();
    // The thread waits on, also for a client that has gone.
    let read = move || {
        let _permit = permit;
        reader.read(&checker, account_id)
    };
    match spawn_blocking(read).await {
        Ok(Ok(count)) if count.total != 0 => Json(count).into_response(),
        Ok(Ok(_)) => refuse(StatusCode::NOT_FOUND, "no event of this account has been counted"),
        Ok(Err(error)) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_salted_account_add_up() {
        let count = add_up(7, &[(0, 6), (3, 6)], &[(10, 99), (32, 40)]);
        assert_eq!((count.total, count.as_of_offset, count.parts.len()), (42, 40, 2));
        let nobody = add_up(7, &[], &[]);
        assert_eq!((nobody.total, nobody.as_of_offset), (0, -1));
    }
}
