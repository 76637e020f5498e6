//! The operator's own HTTP: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::metrics::Metrics;

/// What the routes answer from.
#[derive(Clone)]
pub struct Health {
    metrics: Metrics,
    /// Watches that have not brought their LoadTests yet.
    unlisted: Arc<AtomicUsize>,
}

impl Health {
    /// Not ready yet.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            unlisted: Arc::new(AtomicUsize::new(1)),
        }
    }

    /// So many watches are to bring their LoadTests.
    pub fn expect_lists(&self, watches: usize) {
        self.unlisted.store(watches, Ordering::Relaxed);
    }

    /// A watch has brought its LoadTests.
    pub fn listed(&self) {
        let less = |unlisted: usize| Some(unlisted.saturating_sub(1));
        // It never refuses, and what it was before does not matter.
        let _ = self.unlisted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// The routes.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn readyz(State(health): State<Health>) -> Response {
    match health.unlisted.load(Ordering::Relaxed) {
        0 => "ok\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the LoadTests were not listed yet\n").into_response(),
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    match health.metrics.encode() {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
