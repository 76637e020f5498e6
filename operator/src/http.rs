//! HTTP of a controller: `/healthz`, `/readyz`, and what else it tells.

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

/// Content type of Prometheus's text format.
pub const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the controller works.
#[derive(Clone)]
pub struct Health {
    /// Watches that have not brought their lists yet.
    unlisted: Arc<AtomicUsize>,
}

impl Health {
    /// Ready once so many watches have brought their lists.
    pub fn new(watches: usize) -> Self {
        Self {
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

    /// Whether every watch has brought its list.
    pub fn is_ready(&self) -> bool {
        self.unlisted.load(Ordering::Relaxed) == 0
    }

    /// Serves this and `more` until `shutdown`, and ends the process's work if it cannot: without its probes it would be
    /// restarted anyway.
    ///
    /// # Errors
    /// When HTTP cannot be served.
    pub async fn serve(self, listener: TcpListener, more: Router, shutdown: CancellationToken) -> io::Result<()> {
        let routes = router(self).merge(more);
        let served = eoslab_runtime::http::serve(listener, routes, shutdown.clone()).await;
        shutdown.cancel();
        served
    }
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(health)
}

async fn readyz(State(health): State<Health>) -> Response {
    match health.is_ready() {
        true => "ok\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not everything was listed yet\n").into_response(),
    }
}

/// A route that answers with a text, made anew each time.
pub fn text_route<E: std::fmt::Display>(
    path: &str,
    content_type: &'static str,
    write: impl Fn() -> Result<String, E> + Clone + Send + Sync + 'static,
) -> Router {
    let answer = async move || match write() {
        Ok(text) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    };
    Router::new().route(path, get(answer))
}
