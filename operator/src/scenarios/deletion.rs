//! Deletion, in order and bounded.

use eoslab_api::{DeletionPolicy, LoadTest, TopicStatus};
use kube::runtime::controller::Action;
use serde_json::json;

use super::api::list;
use super::{NOW_US, Scenario};
use crate::fixtures::{loadtest, with_status};
use crate::names::FINALIZER;
use crate::seen::topic::Cause;

const PODS: &str = "/api/v1/namespaces/lab/pods";

fn deleted(seconds_ago: i64, is_ours: bool) -> LoadTest {
    let mut loadtest = with_status(loadtest(), |status| {
        status.topic = Some(TopicStatus {
            name: "events".to_owned(),
            created_by_run: is_ours,
        });
        status.measure_start_time = serde_json::from_value(json!("2026-01-01T00:05:00.000000Z")).expect("a time");
    });
    let at = k8s_openapi::jiff::Timestamp::from_microsecond(NOW_US - seconds_ago * 1_000_000).expect("a time");
    loadtest.metadata.finalizers = Some(vec!["other/one".to_owned(), FINALIZER.to_owned()]);
    loadtest.metadata.deletion_timestamp = serde_json::from_value(json!(at.to_string())).ok();
    loadtest
}

fn a_pod_is_left(scenario: &Scenario) {
    let pod = json!({"metadata": {"name": "p", "uid": "u"}, "status": {"phase": "Running"}});
    scenario.api.have(PODS, list(&[pod]));
}

#[tokio::test]
async fn pods_go_before_the_topic() {
    let scenario = Scenario::new();
    a_pod_is_left(&scenario);
    let changes = scenario.changes(deleted(1, true)).await;
    let deletes: Vec<&str> = changes
        .0
        .iter()
        .map(|change| change.path.rsplit('/').next().unwrap_or_default())
        .collect();
    assert_eq!(deletes, ["test-producer", "test-counter", "test-verify"]);
    assert!(scenario.outside.take_asked().is_empty(), "somebody may still write");

    scenario.api.have(PODS, list(&[]));
    let changes = scenario.changes(deleted(2, true)).await;
    assert_eq!(
        scenario.outside.take_asked(),
        ["delete topic", "delete group", "delete ledger"]
    );
    let released = changes.at("/loadtests/test").expect("released");
    assert_eq!(
        released.body["metadata"]["finalizers"],
        json!(["other/one"]),
        "others' finalizers stay"
    );
}

#[tokio::test]
async fn what_is_not_ours_or_is_to_stay_is_not_deleted() {
    let scenario = Scenario::new();
    scenario.changes(deleted(1, false)).await;
    assert_eq!(scenario.outside.take_asked(), ["delete group", "delete ledger"]);

    let mut retained = deleted(1, true);
    retained.spec.topic.deletion_policy = DeletionPolicy::Retain;
    retained.spec.ledger.deletion_policy = DeletionPolicy::Retain;
    scenario.changes(retained).await;
    assert_eq!(scenario.outside.take_asked(), ["delete group"]);
}

#[tokio::test]
async fn a_run_that_never_started_has_no_ledger() {
    let scenario = Scenario::new();
    let mut never = deleted(1, true);
    if let Some(status) = &mut never.status {
        status.measure_start_time = None;
    }
    scenario.changes(never).await;
    assert_eq!(scenario.outside.take_asked(), ["delete topic", "delete group"]);
}

#[tokio::test]
async fn a_deletion_is_not_held_up_for_ever() {
    let scenario = Scenario::new();
    let cause = Cause::new("KafkaUnreachable", "no broker answers");
    scenario.outside(|answers| answers.deletion = Some(cause));
    let waiting = scenario.reconcile(deleted(59, true)).await.expect("tried again");
    assert_ne!(waiting, Action::await_change());
    assert!(
        !scenario.api.take_changes().iter().any(|change| change.verb == "PATCH"),
        "not released yet"
    );

    let changes = scenario.changes(deleted(60, true)).await;
    assert_eq!(changes.events(), ["LeftBehind"]);
    let event = changes.at("/events").expect("an event");
    assert_eq!(event.body["type"], "Warning");
    assert!(
        event.body["note"]
            .as_str()
            .is_some_and(|note| note.contains("no broker answers"))
    );
    assert!(changes.at("/loadtests/test").is_some(), "released");
}

#[tokio::test]
async fn a_pod_that_does_not_go_holds_nothing_up_for_ever() {
    let scenario = Scenario::new();
    a_pod_is_left(&scenario);
    scenario.changes(deleted(61, true)).await;
    assert_eq!(
        scenario.outside.take_asked(),
        ["delete topic", "delete group", "delete ledger"]
    );
}

#[tokio::test]
async fn nothing_is_done_for_a_loadtest_without_our_finalizer() {
    let scenario = Scenario::new();
    let mut without = deleted(1, true);
    without.metadata.finalizers = Some(vec!["other/one".to_owned()]);
    let action = scenario.reconcile(without).await.expect("nothing to do");
    assert_eq!(action, Action::await_change());
    assert!(scenario.api.reads().is_empty() && scenario.api.take_changes().is_empty());
}
