//! The objects that pods are made from.

use eoslab_api::{LoadTest, SecretKeyRef};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::decide::Schedule;
use crate::fixtures::{loadtest, plan_of};

fn with<T>(change: impl FnOnce(&mut LoadTest), build: impl FnOnce(&Source) -> T) -> T {
    let mut loadtest = loadtest();
    change(&mut loadtest);
    let owner = OwnerReference {
        name: "test".to_owned(),
        uid: "uid-1".to_owned(),
        ..OwnerReference::default()
    };
    let image = Image {
        name: "eoslab:1".to_owned(),
        pull_policy: "Never".to_owned(),
    };
    build(&Source {
        plan: &plan_of(&loadtest),
        owner: &owner,
        image: &image,
    })
}

fn json_of(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("an object")
}

fn pod(deployment: &Deployment) -> PodSpec {
    let spec = deployment.spec.as_ref().expect("a spec");
    spec.template.spec.clone().expect("a pod")
}

fn env(container: &Container, name: &str) -> Value {
    let variables = container.env.as_ref().expect("variables");
    let variable = variables
        .iter()
        .find(|variable| variable.name == format!("EOSLAB_{name}"));
    variable.map_or(Value::Null, |variable| match &variable.value {
        Some(value) => json!(value),
        None => json_of(variable.value_from.as_ref().expect("a source")),
    })
}

#[test]
fn load_pods_pass_the_restricted_standard_and_share_their_process_namespace() {
    for deployment in [
        with(|_| {}, |source| workloads::producers(source, 2)),
        with(|_| {}, |source| workloads::counters(source, 2)),
    ] {
        let pod = json_of(&pod(&deployment));
        assert_eq!(
            pod["securityContext"],
            json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
        );
        let container = &pod["containers"][0];
        assert_eq!(
            container["securityContext"],
            json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
        );
        assert_eq!(pod["shareProcessNamespace"], true);
        assert_eq!(pod["enableServiceLinks"], false);
        assert_eq!(pod["terminationGracePeriodSeconds"], 30);
        assert_eq!(pod["serviceAccountName"], "test-load");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
        assert_eq!(
            (&container["image"], &container["imagePullPolicy"]),
            (&json!("eoslab:1"), &json!("Never"))
        );
    }
}

#[test]
fn a_rollout_makes_no_surge_pod() {
    let deployment = json_of(&with(|_| {}, |source| workloads::counters(source, 3)));
    assert_eq!(
        deployment["spec"]["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    );
    assert_eq!(deployment["spec"]["replicas"], 3);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(
        (&labels["eoslab.dev/loadtest"], &labels["eoslab.dev/role"]),
        (&json!("test"), &json!("counter"))
    );
    for (key, value) in deployment["spec"]["selector"]["matchLabels"]
        .as_object()
        .expect("labels")
    {
        assert_eq!(&labels[key], value);
    }
    assert_eq!(deployment["metadata"]["ownerReferences"][0]["uid"], "uid-1");
}

#[test]
fn members_get_the_contracts_environment() {
    let producer = pod(&with(|_| {}, |source| workloads::producers(source, 2)))
        .containers
        .remove(0);
    let counter = pod(&with(|_| {}, |source| workloads::counters(source, 2)))
        .containers
        .remove(0);
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    for container in [&producer, &counter] {
        for (name, value) in [
            ("RUN_ID", json!("uid-1")),
            ("NAMESPACE", field("metadata.namespace")),
            ("POD_NAME", field("metadata.name")),
            ("POD_UID", field("metadata.uid")),
            ("BOOTSTRAP_SERVERS", json!("kafka:9092")),
            ("TOPIC", json!("events")),
            ("PARTITIONS", json!("4")),
            ("ACCOUNTS", json!("1000")),
            ("ZIPF_EXPONENT", json!("1.1")),
            ("SALTED_ACCOUNTS", json!("0")),
            ("SALTS", json!("1")),
        ] {
            assert_eq!(env(container, name), value, "{name}");
        }
    }
    let own = [
        (&producer, "SLOT_LEASE_PREFIX", "test-producer"),
        (&producer, "PRODUCERS", "2"),
        (&producer, "RATE", "1000"),
        (&producer, "EVENTS", "60000"),
        (&producer, "ACKS", "all"),
        (&producer, "IDEMPOTENCE", "true"),
        (&producer, "COMPRESSION", "none"),
        (&counter, "SLOT_LEASE_PREFIX", "test-counter"),
        (&counter, "REDIS_URL", "redis://redis:6379"),
        (&counter, "GROUP_ID", "eoslab.lab.test.uid-1"),
        (&counter, "MODE", "exactly-once"),
        (&counter, "PROTOCOL", "classic"),
        (&counter, "ASSIGNOR", "cooperative-sticky"),
        (&counter, "STATIC_MEMBERSHIP", "true"),
        (&counter, "SESSION_TIMEOUT_MS", "10000"),
    ];
    for (container, name, value) in own {
        assert_eq!(env(container, name), value, "{name}");
    }
    assert_eq!(env(&producer, "DURATION_SECONDS"), Value::Null);
    let by_time = with(
        |loadtest| {
            loadtest.spec.producer.events = None;
            loadtest.spec.producer.duration_seconds = Some(60);
        },
        |source| workloads::producers(source, 2),
    );
    let by_time = pod(&by_time).containers.remove(0);
    assert_eq!(
        (env(&by_time, "EVENTS"), env(&by_time, "DURATION_SECONDS")),
        (Value::Null, json!("60"))
    );
}

#[test]
fn a_password_stays_in_its_secret() {
    let secret = |loadtest: &mut LoadTest| {
        loadtest.spec.ledger.redis.url = None;
        loadtest.spec.ledger.redis.url_secret_ref = Some(SecretKeyRef {
            name: "lab-redis".to_owned(),
            key: "url".to_owned(),
        });
    };
    let wanted = json!({"secretKeyRef": {"name": "lab-redis", "key": "url", "optional": false}});
    let counter = pod(&with(secret, |source| workloads::counters(source, 2)))
        .containers
        .remove(0);
    assert_eq!(env(&counter, "REDIS_URL"), wanted);
    let job = with(secret, |source| verify::job(source, &[1, 2]));
    let template = job.spec.expect("a spec").template.spec.expect("a pod");
    assert_eq!(env(&template.containers[0], "REDIS_URL"), wanted);
}

#[test]
fn properties_and_variables_are_taken_literally() {
    let properties = |loadtest: &mut LoadTest| {
        let pairs = [("client.rack", "a$(X)\\b"), ("socket.nagle.disable", "true")];
        loadtest.spec.kafka.client_properties = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
    };
    let producer = pod(&with(properties, |source| workloads::producers(source, 2)))
        .containers
        .remove(0);
    assert_eq!(
        env(&producer, "CLIENT_PROPERTIES"),
        "client.rack=a$$(X)\\\\b,socket.nagle.disable=true"
    );
}

#[test]
fn the_verification_is_sized_by_its_tables_and_a_wrong_total_is_not_asked_for_again() {
    let job = with(
        |loadtest| loadtest.spec.stream.accounts = 10_000_000,
        |source| verify::job(source, &[3, 0, 5]),
    );
    assert_eq!(job.annotations()[crate::seen::verify::COUNTS_ANNOTATION], "3,0,5");
    let spec = json_of(&job.spec);
    assert_eq!(
        spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"],
        json!([1])
    );
    assert_eq!(spec["podFailurePolicy"]["rules"][0]["action"], "FailJob");
    assert_eq!(spec["activeDeadlineSeconds"], 1800);
    let pod = &spec["template"]["spec"];
    assert_eq!(
        (&pod["restartPolicy"], &pod["automountServiceAccountToken"]),
        (&json!("Never"), &json!(false))
    );
    let memory = pod["containers"][0]["resources"]["limits"]["memory"]
        .as_str()
        .expect("a limit");
    let mib: u64 = memory.trim_end_matches("Mi").parse().expect("MiB");
    assert!((400..2000).contains(&mib), "{memory}");
    assert_eq!(pod["containers"][0]["command"], json!(["counter", "verify"]));
}

#[test]
fn leases_carry_the_schedule_and_leave_the_holder_alone() {
    let schedule = Schedule {
        start_us: 5,
        measure_us: 9,
    };
    let lease = json_of(&with(
        |_| {},
        |source| leases::lease(source, Role::Counter, 3, Some(schedule), false),
    ));
    assert_eq!(lease["metadata"]["name"], "test-counter-3");
    assert_eq!(
        lease["metadata"]["annotations"],
        json!({"eoslab.dev/start-at-us": "5", "eoslab.dev/measure-from-us": "9"})
    );
    assert_eq!(lease["spec"], json!({"leaseDurationSeconds": 10}));
}

#[test]
fn members_may_hold_leases_and_nothing_else() {
    let role = json_of(&with(|_| {}, access::role));
    assert_eq!(
        role["rules"],
        json!([
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list", "update"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        ])
    );
    let binding = json_of(&with(|_| {}, access::role_binding));
    assert_eq!(
        binding["subjects"],
        json!([{"kind": "ServiceAccount", "name": "test-load", "namespace": "lab"}])
    );
}
