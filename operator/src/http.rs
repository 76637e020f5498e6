//! HTTP of a controller: `/healthz`, `/readyz`, `/metrics`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kube::runtime::watcher;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Encode = dyn Fn() -> Result<String, prometheus::Error> + Send + Sync;

/// What the routes answer from.
#[derive(Clone)]
pub struct Health {
    encode: Arc<Encode>,
    /// Watches that have not brought their lists yet.
    unlisted: Arc<AtomicUsize>,
}

impl Health {
    /// Ready once so many watches have brought their lists; `encode` writes the metrics as text.
    pub fn new(watches: usize, encode: impl Fn() -> Result<String, prometheus::Error> + Send + Sync + 'static) -> Self {
        Self {
            encode: Arc::new(encode),
            unlisted: Arc::new(AtomicUsize::new(watches)),
        }
    }

    /// For one watch: told of its events, counts it off at the end of its first list.
    pub fn on_list<K>(&self) -> impl FnMut(&watcher::Event<K>) + use<K> {
        let unlisted = self.unlisted.clone();
        let mut is_listed = false;
        move |event| {
            if matches!(event, watcher::Event::InitDone) && !std::mem::replace(&mut is_listed, true) {
                unlisted.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Serves until `shutdown`, and ends the process's work if it cannot: without its probes it would be restarted anyway.
    ///
    /// # Errors
    /// When HTTP cannot be served.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let served = eoslab_runtime::http::serve(listener, router(self), shutdown.clone()).await;
        shutdown.cancel();
        served
    }
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn readyz(State(health): State<Health>) -> Response {
    match health.unlisted.load(Ordering::Relaxed) {
        0 => "ok\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not everything was listed yet\n").into_response(),
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    match (health.encode)() {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
