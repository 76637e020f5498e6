//! The operator as a whole: a controller for each watched namespace, and its HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use eoslab_api::LoadTest;
use futures::{StreamExt, TryStreamExt, future};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::runtime::controller::{Action, Config, Controller, Error as ControllerError};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::build::Image;
use crate::context::Context;
use crate::error::Error;
use crate::http::{Health, PROMETHEUS_TEXT, text_route};
use crate::metrics::Metrics;
use crate::names::{MANAGER, resource};
use crate::outside::Lab;
use crate::reconcile::{on_error, reconcile};

/// LoadTests that are worked on at a time. A look takes milliseconds, or seconds where Kafka is slow.
const CONCURRENCY: u16 = 8;
/// Changes within this time are one: a status that was just written brings its object back.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// What the controller says of one reconciliation.
type Outcome = Result<(ObjectRef<LoadTest>, Action), ControllerError<Error, watcher::Error>>;

/// What the operator is started with.
pub struct Deps {
    /// The cluster's API.
    pub client: Client,
    /// Namespaces to watch; none for all.
    pub namespaces: Vec<String>,
    /// Image of the load pods.
    pub image: Image,
    /// Git revision of the build; empty where it is not known.
    pub git_revision: &'static str,
    /// Whether to export `kafka_consumergroup_lag`.
    pub has_group_lag: bool,
    /// Where `/healthz` and the rest are served.
    pub listener: TcpListener,
}

/// Why the operator ended.
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
    let metrics = Metrics::new(deps.has_group_lag)?;
    let health = Health::new(deps.namespaces.len().max(1));
    let routes = routes(&metrics);
    let mut context = Context::new(deps.client.clone(), Arc::new(Lab::new()), deps.image, metrics);
    let controllers = controllers(&deps.client, &deps.namespaces, &health);
    context.git_revision = deps.git_revision;
    context.loadtests = controllers.iter().map(Controller::store).collect();
    info!(namespaces = ?deps.namespaces, "watching {}", resource());
    let context = Arc::new(context);
    let runs = controllers
        .into_iter()
        .map(|controller| drive(controller, context.clone(), shutdown.clone()));
    let server = health.serve(deps.listener, routes, shutdown.clone());
    let (_, served) = tokio::join!(future::join_all(runs), server);
    Ok(served?)
}

fn routes(metrics: &Metrics) -> Router {
    let (of_metrics, of_targets) = (metrics.clone(), metrics.clone());
    text_route("/metrics", PROMETHEUS_TEXT, move || of_metrics.encode()).merge(text_route(
        "/targets",
        "application/json",
        move || of_targets.targets(),
    ))
}

fn controllers(client: &Client, namespaces: &[String], health: &Health) -> Vec<Controller<LoadTest>> {
    if namespaces.is_empty() {
        return vec![controller(
            Api::all(client.clone()),
            Api::all(client.clone()),
            Api::all(client.clone()),
            health,
        )];
    }
    namespaces
        .iter()
        .map(|namespace| {
            controller(
                Api::namespaced(client.clone(), namespace),
                Api::namespaced(client.clone(), namespace),
                Api::namespaced(client.clone(), namespace),
                health,
            )
        })
        .collect()
}

fn controller(
    loadtests: Api<LoadTest>,
    deployments: Api<Deployment>,
    jobs: Api<Job>,
    health: &Health,
) -> Controller<LoadTest> {
    let ours = watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={MANAGER}"));
    // The store can't be waited for here: it wakes one waiter only, and that is the controller itself.
    let (reader, writer) = reflector::store();
    let trigger = watcher(loadtests, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .inspect_ok(health.on_list())
        .applied_objects();
    Controller::for_stream(trigger, reader)
        .owns(deployments, ours.clone())
        .owns(jobs, ours)
        .with_config(Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
}

async fn drive(controller: Controller<LoadTest>, context: Arc<Context>, shutdown: CancellationToken) {
    let known = context.clone();
    controller
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile, on_error, context)
        .for_each(|result| {
            let known = known.clone();
            async move { observe(&known, result) }
        })
        .await;
}

fn observe(context: &Context, result: Outcome) {
    match result {
        // Logged where it was handled.
        Ok(_) | Err(ControllerError::ReconcilerFailed(..)) => {}
        Err(ControllerError::ObjectNotFound(object)) => {
            debug!(%object, "gone already");
            context.prune();
        }
        Err(error) => warn!(
            error = &error as &dyn std::error::Error,
            "a watch failed; it is taken up again"
        ),
    }
}
