//! The controller as a whole: a watch of ChaosRuns and one of pods for each namespace, and its HTTP.

use std::sync::Arc;

use eoslab_api::ChaosRun;
use eoslab_operator::http::{Health, PROMETHEUS_TEXT, text_route};
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
    let health = Health::new(deps.namespaces.len() * 2);
    let mut context = Context::new(deps.client.clone(), deps.own_namespace, metrics);
    context.health = health.clone();
    let mut controllers = Vec::new();
    let mut watches = Vec::new();
    for namespace in &deps.namespaces {
        let (pods, watch) = pods(Api::namespaced(deps.client.clone(), namespace), &health);
        let controller = controller(Api::namespaced(deps.client.clone(), namespace), &health);
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
    let told = context.clone();
    let routes = text_route("/metrics", PROMETHEUS_TEXT, move || {
        told.metrics.encode(&told.all_runs())
    });
    let server = health.serve(deps.listener, routes, shutdown.clone());
    let stopped = shutdown.clone();
    let watches = async move {
        tokio::select! {
            _ = future::join_all(watches) => {}
            () = stopped.cancelled() => {}
        }
    };
    let (_, (), served) = tokio::join!(future::join_all(runs), watches, server);
    Ok(served?)
}

fn pods(pods: Api<Pod>, health: &Health) -> (reflector::Store<Pod>, impl Future<Output = ()> + use<>) {
    let (reader, writer) = reflector::store();
    let watch = watcher(pods, watcher::Config::default())
        .default_backoff()
        .modify(|pod| pod.metadata.managed_fields = None)
        .reflect(writer)
        .inspect_ok(health.on_list())
        .for_each(|event| {
            if let Err(error) = event {
                warn!(%error, "the watch of pods failed; it is taken up again");
            }
            future::ready(())
        });
    (reader, watch)
}

fn controller(runs: Api<ChaosRun>, health: &Health) -> Controller<ChaosRun> {
    let (reader, writer) = reflector::store();
    let trigger = watcher(runs, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .inspect_ok(health.on_list())
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
