//! The controller as a whole: a watch of ChaosRuns and one of pods for each namespace, and its HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use eoslab_api::ChaosRun;
use futures::{StreamExt, TryStreamExt, future};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::context::Context;
use crate::metrics::Metrics;
use crate::reconcile::{on_error, reconcile};

/// What the controller is started with.
pub struct Deps {
    /// The cluster's API.
    pub client: Client,
    /// Namespaces to watch.
    pub namespaces: Vec<String>,
    /// Its own namespace.
    pub own_namespace: String,
    /// Where `/healthz` and the rest are served.
    pub listener: TcpListener,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Metrics could not be registered.
    #[error("cannot register the metrics")]
    Metrics(#[from] prometheus::Error),
    /// HTTP ended.
    #[error("cannot serve HTTP")]
    Http(#[from] std::io::Error),
}

/// Runs until `shutdown`.
///
/// # Errors
/// When HTTP cannot be served.
pub async fn run(deps: Deps, shutdown: CancellationToken) -> Result<(), RunError> {
    let metrics = Metrics::new()?;
    // A watch of pods and one of ChaosRuns each have to bring their lists before anything is decided.
    let unlisted = Arc::new(AtomicUsize::new(deps.namespaces.len() * 2));
    let mut context = Context::new(deps.client.clone(), deps.own_namespace, metrics.clone());
    let mut controllers = Vec::new();
    let mut watches = Vec::new();
    for namespace in &deps.namespaces {
        let (pods, watch) = pods(Api::namespaced(deps.client.clone(), namespace), unlisted.clone());
        let controller = controller(Api::namespaced(deps.client.clone(), namespace), unlisted.clone());
        context.pods.insert(namespace.clone(), pods);
        context.runs.insert(namespace.clone(), controller.store());
        controllers.push(controller);
        watches.push(watch);
    }
    info!(namespaces = ?deps.namespaces, "watching ChaosRuns");
    let context = Arc::new(context);
    let runs = controllers
        .into_iter()
        .map(|one| drive(one, context.clone(), shutdown.clone()));
    let router = router(metrics, unlisted);
    let server = eoslab_runtime::http::serve(deps.listener, router, shutdown.clone());
    let (stopped, stopped_early) = (shutdown.clone(), shutdown.clone());
    let server = async move {
        let served = server.await;
        stopped_early.cancel();
        served
    };
    let watches = async move {
        tokio::select! {
            _ = future::join_all(watches) => {}
            () = stopped.cancelled() => {}
        }
    };
    let (_, (), served) = tokio::join!(future::join_all(runs), watches, server);
    Ok(served?)
}

/// Counts a watch off once it has brought its list.
fn on_list<K>(unlisted: Arc<AtomicUsize>) -> impl FnMut(&watcher::Event<K>) {
    let mut is_listed = false;
    move |event| {
        if matches!(event, watcher::Event::InitDone) && !std::mem::replace(&mut is_listed, true) {
            unlisted.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn pods(pods: Api<Pod>, unlisted: Arc<AtomicUsize>) -> (reflector::Store<Pod>, impl Future<Output = ()>) {
    let (reader, writer) = reflector::store();
    let watch = watcher(pods, watcher::Config::default())
        .default_backoff()
        .modify(|pod| pod.metadata.managed_fields = None)
        .reflect(writer)
        .inspect_ok(on_list(unlisted))
        .for_each(|event| {
            if let Err(error) = event {
                warn!(%error, "the watch of pods failed; it is taken up again");
            }
            future::ready(())
        });
    (reader, watch)
}

fn controller(runs: Api<ChaosRun>, unlisted: Arc<AtomicUsize>) -> Controller<ChaosRun> {
    let (reader, writer) = reflector::store();
    let trigger = watcher(runs, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .inspect_ok(on_list(unlisted))
        .applied_objects();
    Controller::for_stream(trigger, reader).with_config(Config::default().concurrency(4))
}

async fn drive(controller: Controller<ChaosRun>, context: Arc<Context>, shutdown: CancellationToken) {
    controller
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile, on_error, context)
        // Errors are logged where they are handled.
        .for_each(|_| future::ready(()))
        .await;
}

fn router(metrics: Metrics, unlisted: Arc<AtomicUsize>) -> Router {
    let ready = move || async move {
        match unlisted.load(Ordering::Relaxed) {
            0 => (StatusCode::OK, "ok\n"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "not everything was listed yet\n"),
        }
    };
    let text = move || async move {
        match metrics.encode() {
            Ok(text) => (
                [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                text,
            )
                .into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
}
