//! What every load pod has in common.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Source;
use crate::names::{CONTAINER, PORT, Role};
use crate::plan::Plan;

/// From SIGTERM to SIGKILL, s: a producer flushes, a counter applies its last batches and closes its consumer.
const GRACE_SECONDS: i64 = 30;

/// An environment variable.
pub(crate) fn env(name: &str, value: impl ToString) -> core::EnvVar {
    core::EnvVar {
        name: format!("EOSLAB_{name}"),
        // Kubernetes would replace $(NAME) by another variable.
        value: Some(value.to_string().replace("$(", "$$(")),
        value_from: None,
    }
}

/// An environment variable from the pod's own metadata.
fn env_field(name: &str, path: &str) -> core::EnvVar {
    core::EnvVar {
        name: format!("EOSLAB_{name}"),
        value: None,
        value_from: Some(core::EnvVarSource {
            field_ref: Some(core::ObjectFieldSelector {
                field_path: path.to_owned(),
                ..core::ObjectFieldSelector::default()
            }),
            ..core::EnvVarSource::default()
        }),
    }
}

/// The address of Redis, from the spec or from its Secret: a password never becomes part of an object.
pub(crate) fn env_redis(source: &Source) -> core::EnvVar {
    let redis = &source.plan.valid.spec.ledger.redis;
    let Some(secret) = &redis.url_secret_ref else {
        return env("REDIS_URL", redis.url.clone().unwrap_or_default());
    };
    core::EnvVar {
        name: "EOSLAB_REDIS_URL".to_owned(),
        value: None,
        value_from: Some(core::EnvVarSource {
            secret_key_ref: Some(core::SecretKeySelector {
                name: secret.name.clone(),
                key: secret.key.clone(),
                optional: Some(false),
            }),
            ..core::EnvVarSource::default()
        }),
    }
}

/// Identity of the run and the pod.
pub(crate) fn env_identity(source: &Source) -> Vec<core::EnvVar> {
    vec![
        env("RUN_ID", &source.plan.run_id),
        env("LISTEN", format!("0.0.0.0:{PORT}")),
        env_field("NAMESPACE", "metadata.namespace"),
        env_field("POD_NAME", "metadata.name"),
        env_field("POD_UID", "metadata.uid"),
    ]
}

/// The stream.
pub(crate) fn env_stream(source: &Source) -> Vec<core::EnvVar> {
    let stream = &source.plan.valid.spec.stream;
    let salting = stream.salting.as_ref();
    vec![
        env("SEED", stream.seed),
        env("PARTITIONS", source.plan.partitions()),
        env("ACCOUNTS", stream.accounts),
        env("ZIPF_EXPONENT", &source.plan.valid.zipf_exponent),
        env("MESSAGE_SIZE", stream.message_size_bytes),
        env("COMPRESSIBILITY_PERCENT", stream.compressibility_percent),
        env("SALTED_ACCOUNTS", salting.map_or(0, |salting| salting.accounts)),
        env("SALTS", salting.map_or(1, |salting| salting.salts)),
    ]
}

/// Kafka and the topic.
pub(crate) fn env_kafka(source: &Source) -> Vec<core::EnvVar> {
    let spec = &source.plan.valid.spec;
    vec![
        env("BOOTSTRAP_SERVERS", &spec.kafka.bootstrap_servers),
        env("TOPIC", &source.plan.valid.topic),
        env("CLIENT_PROPERTIES", client_properties(source.plan)),
    ]
}

/// The user's client properties as the load pods take them: `key=value`, comma separated, with `\` before what would
/// be taken for something else.
pub fn client_properties(plan: &Plan) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,");
    let properties = &plan.valid.spec.kafka.client_properties;
    let pairs: Vec<String> = properties
        .iter()
        .map(|(key, value)| format!("{}={}", escaped(key), escaped(value)))
        .collect();
    pairs.join(",")
}

/// The container of a load pod.
pub(crate) fn container(source: &Source, command: &[&str], env: Vec<core::EnvVar>) -> core::Container {
    let spec = &source.plan.valid.spec;
    core::Container {
        name: CONTAINER.to_owned(),
        image: Some(spec.image.clone().unwrap_or_else(|| source.image.name.clone())),
        image_pull_policy: Some(source.image.pull_policy.clone()),
        command: Some(command.iter().map(|&word| word.to_owned()).collect()),
        env: Some(env),
        ports: Some(vec![core::ContainerPort {
            name: Some("http".to_owned()),
            container_port: i32::from(PORT),
            protocol: Some("TCP".to_owned()),
            ..core::ContainerPort::default()
        }]),
        security_context: Some(core::SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(core::Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..core::Capabilities::default()
            }),
            ..core::SecurityContext::default()
        }),
        // Of a member that crashes, the status then says why.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..core::Container::default()
    }
}

/// Readiness paces rollouts, so it is asked often; liveness only restarts what hangs for a minute.
pub(crate) fn with_probes(mut container: core::Container) -> core::Container {
    let probe = |path: &str, period: i32, failures: i32| core::Probe {
        http_get: Some(core::HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..core::HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..core::Probe::default()
    };
    container.readiness_probe = Some(probe("/readyz", 1, 3));
    container.liveness_probe = Some(probe("/healthz", 10, 6));
    container
}

/// The pod around a container.
pub(crate) fn template(source: &Source, role: Role, container: core::Container) -> core::PodTemplateSpec {
    let names = &source.plan.names;
    let placement = source.plan.valid.spec.pod_template.clone().unwrap_or_default();
    let tolerations: Vec<_> = placement.tolerations.iter().map(|one| one.to_core()).collect();
    let is_member = role != Role::Verify;
    core::PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(names.role_labels(role)),
            ..ObjectMeta::default()
        }),
        spec: Some(core::PodSpec {
            containers: vec![container],
            service_account_name: is_member.then(|| names.account()),
            automount_service_account_token: Some(is_member),
            // Other Services of the namespace would otherwise put their own variables beside ours.
            enable_service_links: Some(false),
            // So that `chaos signal` can reach the process: PID 1 of a namespace of its own ignores SIGKILL from within.
            share_process_namespace: Some(true),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            restart_policy: Some(if is_member { "Always" } else { "Never" }.to_owned()),
            node_selector: (!placement.node_selector.is_empty()).then_some(placement.node_selector),
            tolerations: (!tolerations.is_empty()).then_some(tolerations),
            topology_spread_constraints: is_member.then(|| vec![spread(source, role)]),
            security_context: Some(core::PodSecurityContext {
                run_as_non_root: Some(true),
                seccomp_profile: Some(core::SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    ..core::SeccompProfile::default()
                }),
                ..core::PodSecurityContext::default()
            }),
            ..core::PodSpec::default()
        }),
    }
}

/// Over nodes where there are several, so that one node's death is not every member's.
fn spread(source: &Source, role: Role) -> core::TopologySpreadConstraint {
    core::TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(source.plan.names.selector_labels(role)),
            ..LabelSelector::default()
        }),
        ..core::TopologySpreadConstraint::default()
    }
}
