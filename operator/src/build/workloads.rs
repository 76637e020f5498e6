//! The Deployments of producers and counters.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Source;
use super::pods::{container, env, env_identity, env_kafka, env_redis, env_stream, template, with_probes};
use crate::names::Role;

/// The producers.
pub fn producers(source: &Source, replicas: u32) -> Deployment {
    let mut container = with_probes(container(source, &["loadgen"], producer_env(source)));
    container.resources = Some(source.plan.valid.spec.producer.resources.to_requirements());
    deployment(source, Role::Producer, container, replicas)
}

/// The counters.
pub fn counters(source: &Source, replicas: u32) -> Deployment {
    let mut container = with_probes(container(source, &["counter", "run"], counter_env(source)));
    container.resources = Some(source.plan.valid.spec.counter.resources.to_requirements());
    deployment(source, Role::Counter, container, replicas)
}

fn producer_env(source: &Source) -> Vec<core::EnvVar> {
    let producer = &source.plan.valid.spec.producer;
    let length = match (source.plan.events(), source.plan.seconds()) {
        (Some(events), _) => env("EVENTS", events),
        (None, seconds) => env("DURATION_SECONDS", seconds.unwrap_or_default()),
    };
    let own = vec![
        env("SLOT_LEASE_PREFIX", source.plan.names.of(Role::Producer)),
        env("PRODUCERS", producer.replicas),
        env("RATE", source.plan.valid.rate),
        length,
        env("ACKS", producer.acks),
        env("IDEMPOTENCE", producer.idempotence),
        env("LINGER_MS", producer.linger_ms),
        env("BATCH_SIZE", producer.batch_size_bytes),
        env("COMPRESSION", producer.compression),
        env("CLIENTS", producer.clients_per_pod),
        env("DELIVERY_TIMEOUT_MS", producer.delivery_timeout_ms),
    ];
    [env_identity(source), env_kafka(source), env_stream(source), own].concat()
}

fn counter_env(source: &Source) -> Vec<core::EnvVar> {
    let counter = &source.plan.valid.spec.counter;
    let own = vec![
        env("SLOT_LEASE_PREFIX", source.plan.names.of(Role::Counter)),
        env_redis(source),
        env("GROUP_ID", &source.plan.group),
        env("MODE", counter.mode),
        env("PROTOCOL", counter.protocol),
        env("ASSIGNOR", counter.assignor),
        env("STATIC_MEMBERSHIP", counter.static_membership),
        env("SESSION_TIMEOUT_MS", counter.session_timeout_ms),
        env("BATCH_EVENTS", counter.batch_events),
        env("BATCH_INTERVAL_MS", counter.batch_interval_ms),
    ];
    [env_identity(source), env_kafka(source), env_stream(source), own].concat()
}

fn deployment(source: &Source, role: Role, container: core::Container, replicas: u32) -> Deployment {
    Deployment {
        metadata: source.metadata(source.plan.names.of(role), Some(role)),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas as i32),
            selector: LabelSelector {
                match_labels: Some(source.plan.names.selector_labels(role)),
                ..LabelSelector::default()
            },
            // A surge pod would wait for a slot that its predecessor holds until the surge pod is ready.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(0)),
                    max_unavailable: Some(IntOrString::Int(1)),
                }),
            }),
            revision_history_limit: Some(2),
            template: template(source, role, container),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}
