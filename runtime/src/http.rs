//! The HTTP side of a load pod: `/healthz`, `/readyz`, `/metrics` and `/report`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::Boxed;

/// How long open requests may go on after the stop signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// What a load pod tells about itself. The calls may take milliseconds: the server makes them off its own threads.
pub trait PodState: Send + Sync + 'static {
    /// `Err` says in words why the process should be restarted.
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    /// `Err` says in words what is missing.
    fn readiness(&self) -> Result<(), String>;

    /// The report as JSON.
    fn report(&self) -> Result<Vec<u8>, serde_json::Error>;

    /// All metrics in Prometheus's text format.
    fn metrics(&self) -> Result<String, prometheus::Error>;
}

/// The four routes; merge further ones into it.
pub fn router(state: Arc<dyn PodState>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/report", get(report))
        .with_state(state)
}

/// Serves until `shutdown`, then lets open requests end for at most 2 seconds.
pub fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> Boxed<'static, io::Result<()>> {
    Box::pin(async move {
        let server = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let out_of_time = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            served = server.into_future() => served,
            () = out_of_time => Ok(()),
        }
    })
}

type Shared = State<Arc<dyn PodState>>;

async fn healthz(State(state): Shared) -> Response {
    checked(state.health())
}

async fn readyz(State(state): Shared) -> Response {
    checked(state.readiness())
}

fn checked(outcome: Result<(), String>) -> Response {
    match outcome {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(state): Shared) -> Response {
    let text = spawn_blocking(move || state.metrics().map_err(|error| error.to_string())).await;
    answer(text, "text/plain; version=0.0.4; charset=utf-8")
}

async fn report(State(state): Shared) -> Response {
    let json = spawn_blocking(move || state.report().map_err(|error| error.to_string())).await;
    answer(json, "application/json")
}

fn answer<B: IntoResponse>(
    body: Result<Result<B, String>, tokio::task::JoinError>,
    content_type: &'static str,
) -> Response {
    match body {
        Ok(Ok(body)) => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
        Ok(Err(error)) => failed(&error),
        Err(panicked) => failed(&panicked.to_string()),
    }
}

fn failed(error: &str) -> Response {
    error!(error, "cannot answer a request");
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
}
