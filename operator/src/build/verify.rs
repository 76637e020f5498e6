//! The Job that regenerates the stream and compares every account.

use std::collections::BTreeMap;

use eoslab_api::memory;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Source;
use super::pods::{container, env, env_identity, env_redis, env_stream, template};
use crate::names::{CONTAINER, Role};
use crate::seen::verify::COUNTS_ANNOTATION;

/// Attempts after the first: Redis or a node may be away for a moment.
const RETRIES: i32 = 3;
/// Room beyond what the tables need, bytes.
const MEMORY_SLACK_BYTES: u64 = 128 << 20;

/// The Job for so many events of each partition.
pub fn job(source: &Source, counts: &[u64]) -> Job {
    let limits = &source.plan.valid.spec.limits;
    let counts = counts.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let own = vec![env_redis(source), env("COUNTS", &counts)];
    let env = [env_identity(source), env_stream(source), own].concat();
    let mut container = container(source, &["counter", "verify"], env);
    container.resources = Some(resources(source));
    let mut metadata = source.metadata(source.plan.names.of(Role::Verify), Some(Role::Verify));
    metadata.annotations = Some([(COUNTS_ANNOTATION.to_owned(), counts)].into());
    Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(i64::from(limits.verify_timeout_seconds)),
            // Exit code 1 is a result: the totals are wrong. Asking again would not make them right.
            pod_failure_policy: Some(PodFailurePolicy {
                rules: vec![PodFailurePolicyRule {
                    action: "FailJob".to_owned(),
                    on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                        container_name: Some(CONTAINER.to_owned()),
                        operator: "In".to_owned(),
                        values: vec![1],
                    }),
                    ..PodFailurePolicyRule::default()
                }],
            }),
            template: template(source, Role::Verify, container),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// By the size of the tables. No CPU limit: the sooner it ends the better, and nothing is measured any more.
fn resources(source: &Source) -> core::ResourceRequirements {
    let bytes = memory::verifier_bytes(&source.plan.valid.spec) + MEMORY_SLACK_BYTES;
    let mib = bytes.div_ceil(1 << 20);
    let quantities = |pairs: &[(&str, String)]| -> BTreeMap<String, Quantity> {
        pairs
            .iter()
            .map(|(name, amount)| ((*name).to_owned(), Quantity(amount.clone())))
            .collect()
    };
    core::ResourceRequirements {
        requests: Some(quantities(&[
            ("cpu", "100m".to_owned()),
            ("memory", format!("{}Mi", mib / 2)),
        ])),
        limits: Some(quantities(&[("memory", format!("{mib}Mi"))])),
        ..core::ResourceRequirements::default()
    }
}
