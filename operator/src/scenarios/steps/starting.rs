//! From the spec to the first event.

use eoslab_api::Phase;
use serde_json::json;

use super::{NAMESPACE, at, counted, in_phase, members_are_ready};
use crate::fixtures::loadtest;
use crate::names::FINALIZER;
use crate::scenarios::{NOW_US, Scenario};
use crate::seen::topic::{Cause, TopicFacts, TopicState};

fn topic_is_there(scenario: &Scenario) {
    scenario.outside(|answers| {
        answers.topic = TopicState::Exists(TopicFacts {
            partitions: 4,
            replication_factor: 3,
            ..TopicFacts::default()
        });
    });
}

#[tokio::test]
async fn an_invalid_spec_ends_with_one_patch_and_one_warning() {
    let scenario = Scenario::new();
    let mut wrong = loadtest();
    wrong.spec.producer.replicas = 5;
    let changes = scenario.changes(wrong).await;
    let status = changes.status();
    assert_eq!(
        (&status["verdict"], &status["phase"]),
        (&json!("Error"), &json!("Finished"))
    );
    assert!(
        status["message"]
            .as_str()
            .is_some_and(|text| text.contains("spec.producer.replicas")),
        "{status}"
    );
    let conditions = ["Accepted", "Complete", "Stalled"].map(|kind| changes.condition(kind));
    assert_eq!(conditions, ["False", "True", "True"]);
    assert_eq!(changes.events(), ["InvalidSpec"]);
    assert_eq!(changes.0.len(), 2, "{changes:#?}");
    assert!(scenario.api.reads().is_empty(), "nothing was looked at");
}

#[tokio::test]
async fn pending_becomes_provisioning_without_making_anything() {
    let scenario = Scenario::new();
    let changes = scenario.changes(loadtest()).await;
    assert_eq!(changes.status()["phase"], "Provisioning");
    assert_eq!(changes.status()["runId"], "uid-1");
    let resource_version = &changes.at("/status").expect("a patch").body["metadata"]["resourceVersion"];
    assert_eq!(resource_version, "7", "of two operators, one is told of a conflict");
    assert_eq!(changes.events(), ["Provisioning"]);
    assert!(changes.applied().is_empty());
}

#[tokio::test]
async fn the_finalizer_and_the_claim_come_before_the_topic() {
    let scenario = Scenario::new();
    scenario.outside(|answers| answers.topic = TopicState::Missing { brokers: 3 });
    let mut fresh = in_phase(Phase::Provisioning, 0);
    fresh.metadata.finalizers = None;
    if let Some(status) = &mut fresh.status {
        status.topic = None;
    }
    let changes = scenario.changes(fresh).await;
    assert_eq!(
        changes.0[0].body["metadata"]["finalizers"],
        json!([FINALIZER]),
        "the finalizer first"
    );
    assert_eq!(
        changes.status()["topic"],
        json!({"name": "events", "createdByRun": true})
    );
    let version = &changes.at("/status").expect("a patch").body["metadata"]["resourceVersion"];
    assert_eq!(version, "8", "the version that the finalizer made");
    assert!(scenario.outside.take_asked().is_empty(), "not made yet");

    let changes = scenario.changes(in_phase(Phase::Provisioning, 0)).await;
    assert_eq!(scenario.outside.take_asked(), ["create topic"]);
    assert!(changes.applied().is_empty(), "pods come when the topic is seen");
}

#[tokio::test]
async fn provisioning_makes_access_then_slots_then_pods() {
    let scenario = Scenario::new();
    topic_is_there(&scenario);
    let changes = scenario.changes(in_phase(Phase::Provisioning, 0)).await;
    let wanted = [
        "serviceaccounts/test-load",
        "roles/test-load",
        "rolebindings/test-load",
        "leases/test-producer-0",
        "leases/test-producer-1",
        "leases/test-counter-0",
        "leases/test-counter-1",
        "deployments/test-producer",
        "deployments/test-counter",
    ];
    assert_eq!(changes.applied(), wanted);
    assert_eq!(changes.status()["reason"], "WaitingForPods");
    assert_eq!(
        changes.status()["counters"]["selector"],
        "eoslab.dev/loadtest=test,eoslab.dev/role=counter"
    );
}

#[tokio::test]
async fn an_unreachable_redis_is_said_and_waited_for() {
    let scenario = Scenario::new();
    topic_is_there(&scenario);
    let cause = Cause::new("RedisUnreachable", "spec.ledger.redis: cannot be reached; start Redis");
    scenario.outside(|answers| answers.store = Some(cause));
    let changes = scenario.changes(in_phase(Phase::Provisioning, 0)).await;
    assert_eq!(changes.status()["reason"], "RedisUnreachable");
    assert_eq!(
        (changes.condition("Stalled"), changes.condition("Complete")),
        ("False".into(), "False".into())
    );
    assert_eq!(changes.events(), ["RedisUnreachable"]);
}

#[tokio::test]
async fn a_missing_secret_is_said_without_its_value() {
    let scenario = Scenario::new();
    topic_is_there(&scenario);
    let mut with_secret = in_phase(Phase::Provisioning, 0);
    let redis = json!({"urlSecretRef": {"name": "lab-redis", "key": "url"}});
    with_secret.spec.ledger.redis = serde_json::from_value(redis).expect("a reference");
    let changes = scenario.changes(with_secret.clone()).await;
    let message = changes.status()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("Secret lab-redis does not exist"), "{message}");

    let password = json!({"metadata": {"name": "lab-redis"}, "data": {"url": "aHR0cDovL3VzZXI6aHVudGVyMkBob3N0"}});
    scenario.api.have(&format!("{NAMESPACE}/secrets/lab-redis"), password);
    let changes = scenario.changes(with_secret).await;
    let text = format!("{changes:?}");
    assert!(
        text.contains("must begin with redis://") && !text.contains("hunter2"),
        "{text}"
    );
}

#[tokio::test]
async fn the_start_is_written_down_before_it_is_told() {
    let scenario = Scenario::new();
    topic_is_there(&scenario);
    members_are_ready(&scenario, true);
    let changes = scenario.changes(in_phase(Phase::Provisioning, 0)).await;
    assert_eq!(changes.status()["phase"], "Warmup");
    let measure = changes.status()["measureStartTime"].as_str().map(str::to_owned);
    assert_eq!(
        measure,
        Some(at(13).replace('Z', ".000000Z")),
        "3 s ahead, and 10 s of warm-up"
    );
    assert!(
        !changes.applied().iter().any(|name| name.starts_with("leases")),
        "{changes:#?}"
    );

    let mut told = in_phase(Phase::Warmup, -13);
    if let Some(status) = &mut told.status {
        status.conditions = serde_json::from_value(changes.status()["conditions"].clone()).expect("conditions");
    }
    counted(&scenario, [0; 4]);
    let changes = scenario.changes(told).await;
    for lease in [
        "leases/test-producer-0",
        "leases/test-producer-1",
        "leases/test-counter-0",
        "leases/test-counter-1",
    ] {
        let annotations = &changes.at(lease).expect("told").body["metadata"]["annotations"];
        assert_eq!(
            annotations["eoslab.dev/start-at-us"],
            (NOW_US + 3_000_000).to_string(),
            "{lease}"
        );
        assert_eq!(
            annotations["eoslab.dev/measure-from-us"],
            (NOW_US + 13_000_000).to_string(),
            "{lease}"
        );
    }
}

#[tokio::test]
async fn a_conflict_is_no_failure_and_nothing_more_is_done() {
    let scenario = Scenario::new();
    let path = "/apis/eoslab.dev/v1alpha1/namespaces/lab/loadtests/test/status";
    scenario.api.refuse(path, 409);
    let error = scenario.reconcile(loadtest()).await.expect_err("refused");
    assert!(error.is_benign(), "{error}");
    assert!(
        scenario.api.take_changes().is_empty(),
        "no event of what was not written"
    );
}
