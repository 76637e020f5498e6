//! Deletion: the pods first, then what the run made outside the cluster's API. Bounded, for a LoadTest that cannot be
//! deleted because Kafka is gone helps nobody.

use std::time::Duration;

use eoslab_api::{DeletionPolicy, LoadTest};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use tracing::{info, warn};

use crate::apply::{delete, set_finalizer};
use crate::context::Context;
use crate::error::Error;
use crate::events::{self, Note};
use crate::names::{FINALIZER, Role, key};
use crate::plan::Plan;
use crate::redis_urls::redis_urls;
use crate::seen::pods::PodView;
use crate::seen::topic::Cause;

/// After this time what cannot be removed is left behind, us.
const LIMIT_US: i64 = 60_000_000;
/// Wait between two looks.
const WAIT: Duration = Duration::from_secs(1);

/// Cleans up after a LoadTest that is being deleted.
///
/// # Errors
/// When the API cannot be used; it is tried again.
pub async fn clean_up(context: &Context, loadtest: &LoadTest) -> Result<Action, Error> {
    if !loadtest.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        context.forget(&loadtest.uid().unwrap_or_default());
        return Ok(Action::await_change());
    }
    let Ok(plan) = Plan::new(loadtest) else {
        // Nothing was ever made for a spec that is refused.
        return release(context, loadtest).await;
    };
    let is_late = is_late(loadtest, (context.now_us)());
    if !pods_are_gone(context, &plan).await? && !is_late {
        return Ok(Action::requeue(WAIT));
    }
    let left = remove(context, loadtest, &plan).await?;
    if left.is_empty() {
        info!(loadtest = %key(loadtest), "cleaned up");
        return release(context, loadtest).await;
    }
    if !is_late {
        return Ok(Action::requeue(WAIT));
    }
    let causes: Vec<String> = left.into_iter().map(|cause| cause.message).collect();
    let message = format!("left behind after {} s: {}", LIMIT_US / 1_000_000, causes.join("; "));
    warn!(loadtest = %key(loadtest), "{message}");
    events::publish(&context.recorder, loadtest, vec![Note::left_behind(message)]).await;
    release(context, loadtest).await
}

fn is_late(loadtest: &LoadTest, now_us: i64) -> bool {
    let deleted = loadtest.metadata.deletion_timestamp.as_ref();
    deleted.is_some_and(|deleted| now_us - deleted.0.as_microsecond() >= LIMIT_US)
}

/// Asks the load pods to go, and says whether they have.
async fn pods_are_gone(context: &Context, plan: &Plan) -> Result<bool, Error> {
    let (client, namespace) = (&context.client, &plan.namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    delete(&deployments, &plan.names.of(Role::Producer)).await?;
    delete(&deployments, &plan.names.of(Role::Counter)).await?;
    delete(&jobs, &plan.names.of(Role::Verify)).await?;
    let wanted = ListParams::default().labels(&plan.names.run_selector());
    let left = pods.list(&wanted).await.map_err(Error::api("list pods"))?;
    Ok(left.items.iter().map(PodView::new).all(|pod| pod.is_finished))
}

/// Removes what the run made, as far as its policies say so. Returns what could not be removed.
async fn remove(context: &Context, loadtest: &LoadTest, plan: &Plan) -> Result<Vec<Cause>, Error> {
    let spec = &plan.valid.spec;
    let mut left = Vec::new();
    let status = loadtest.status.as_ref();
    let is_ours = status
        .and_then(|status| status.topic.as_ref())
        .is_some_and(|topic| topic.created_by_run);
    if is_ours && spec.topic.deletion_policy == DeletionPolicy::Delete {
        left.extend(context.outside.delete_topic(plan).await.err());
    }
    left.extend(context.outside.delete_group(plan).await.err());
    // Before the start nothing was counted.
    let has_started = status.is_some_and(|status| status.measure_start_time.is_some());
    if has_started && spec.ledger.deletion_policy == DeletionPolicy::Delete {
        let deleted = match redis_urls(&context.client, plan).await? {
            Ok(urls) => context.outside.delete_ledger(plan, &urls).await,
            Err(cause) => Err(cause),
        };
        left.extend(deleted.err());
    }
    Ok(left)
}

async fn release(context: &Context, loadtest: &LoadTest) -> Result<Action, Error> {
    match set_finalizer(context, loadtest, false).await {
        // An old copy brought us here: it is gone already.
        Err(Error::Api { source, .. }) if matches!(source.as_ref(), kube::Error::Api(status) if status.is_not_found()) =>
            {}
        other => drop(other?),
    }
    context.forget(&loadtest.uid().unwrap_or_default());
    Ok(Action::await_change())
}
