//! From the last event on: the producers go, the verdict is written, and nothing is done any more.

use eoslab_api::Phase;
use eoslab_core::report::ProducerState;
use kube::runtime::controller::Action;
use serde_json::json;

use super::{NAMESPACE, at, counted, in_phase, labels, members_are_ready, producer, ready_pod};
use crate::fixtures::{completed, with_status};
use crate::scenarios::Scenario;
use crate::scenarios::api::list;

const BATCH: &str = "/apis/batch/v1/namespaces/lab";
const REPORT: &str = "configmaps/test-report";

#[tokio::test]
async fn producers_go_when_all_are_done_and_their_reports_are_saved_first() {
    let scenario = Scenario::new();
    members_are_ready(&scenario, true);
    counted(&scenario, [15_000, 15_000, 15_000, 14_000]);
    scenario.outside(|answers| {
        answers.reports = vec![
            producer(0, ProducerState::Done, 30_000),
            producer(1, ProducerState::Done, 30_000),
        ];
    });
    let changes = scenario.changes(in_phase(Phase::Running, 55)).await;
    assert_eq!(changes.status()["phase"], "Draining");
    let applied = changes.applied();
    let place = |name: &str| applied.iter().position(|applied| applied == name);
    assert!(
        place("configmaps/test-members") < place("deployments/test-producer"),
        "{applied:?}"
    );
    let deployment = changes.at("deployments/test-producer").expect("scaled");
    assert_eq!(deployment.body["spec"]["replicas"], 0);
    let counters = changes
        .at("deployments/test-counter")
        .map(|change| change.body["spec"]["replicas"].clone());
    assert!(counters.is_none_or(|replicas| replicas == 2));
}

#[tokio::test]
async fn a_stopped_run_is_verified_by_what_its_log_holds() {
    for (reason, is_by_log) in [("Stopped", true), ("Ended", false)] {
        let scenario = Scenario::new();
        members_are_ready(&scenario, true);
        let counters = ["counter-0", "counter-1"].map(|name| ready_pod("counter", name));
        scenario.api.have(&format!("{NAMESPACE}/pods"), list(&counters));
        counted(&scenario, [4_000; 4]);
        scenario.outside(|answers| {
            answers.reports = vec![
                producer(0, ProducerState::Done, 8_000),
                producer(1, ProducerState::Done, 8_000),
            ];
        });
        let ended = json!([{"type": "Running", "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": at(-2)}]);
        let loadtest = with_status(in_phase(Phase::Draining, 55), |status| {
            status.conditions = serde_json::from_value(ended).expect("conditions");
        });
        let changes = scenario.changes(loadtest).await;
        assert_eq!(changes.status()["phase"], "Verifying", "{reason}");
        let job = &changes.at("jobs/test-verify").expect("a Job").body;
        let verified = job["metadata"]["annotations"]["eoslab.dev/counts"].as_str();
        assert_eq!(
            verified == Some("4000,4000,4000,4000"),
            is_by_log,
            "{reason}: {verified:?}"
        );
    }
}

/// A run whose every event is counted and whose verification has just found nothing wrong.
fn verified() -> Scenario {
    let scenario = Scenario::new();
    members_are_ready(&scenario, true);
    let plan = crate::fixtures::plan();
    let layout = eoslab_core::Layout::new(&plan.stream()).expect("a layout");
    let counts = layout.counts(60_000);
    let ends: Vec<i64> = counts.iter().map(|count| *count as i64).collect();
    counted(&scenario, [ends[0], ends[1], ends[2], ends[3]]);
    scenario.outside(|answers| {
        answers.reports = vec![
            producer(0, ProducerState::Done, 30_000),
            producer(1, ProducerState::Done, 30_000),
        ];
    });
    let tally = json!({"count": 60_000, "sum": 5, "digest": 9});
    let report = json!({
        "runId": "uid-1", "layoutDigest": layout.digest(), "expected": tally, "counted": tally, "lost": 0, "duplicated": 0,
        "partitionsWrong": [], "accountsCompared": 1000, "accountsWrong": 0, "wrongAccounts": [], "elapsedMs": 5,
    });
    let names = crate::fixtures::plan().names;
    let own_labels = names.role_labels(crate::names::Role::Verify);
    let texts: Vec<String> = counts.iter().map(u64::to_string).collect();
    scenario.api.have(
        &format!("{BATCH}/jobs/test-verify"),
        json!({"metadata": {"name": "test-verify", "labels": own_labels, "creationTimestamp": at(-5),
            "annotations": {"eoslab.dev/counts": texts.join(",")}}}),
    );
    let pod = json!({
        "metadata": {"name": "test-verify-x", "uid": "u-v", "labels": own_labels},
        "status": {"phase": "Succeeded", "containerStatuses": [{"name": "load", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": 0, "message": report.to_string()}}}]},
    });
    let mut pods = vec![pod];
    for role in ["producer", "counter"] {
        for index in 0..2 {
            pods.push(json!({
                "metadata": {"name": format!("{role}-{index}"), "uid": format!("u-{role}-{index}"), "labels": labels(role)},
                "status": {"phase": "Running"},
            }));
        }
    }
    scenario.api.have(&format!("{NAMESPACE}/pods"), list(&pods));
    scenario
}

#[tokio::test]
async fn the_end_stops_everything_and_is_one_patch() {
    let changes = verified().changes(in_phase(Phase::Verifying, 60)).await;
    let status = changes.status();
    assert_eq!(
        (&status["phase"], &status["verdict"]),
        (&json!("Finished"), &json!("Pass")),
        "{status:#}"
    );
    assert_eq!(changes.condition("Complete"), "True");
    assert_eq!(status["correctness"]["counted"], 60_000);
    assert_eq!(status["correctness"]["digestMatches"], true);
    for deployment in ["deployments/test-producer", "deployments/test-counter"] {
        assert_eq!(
            changes.at(deployment).expect("stopped").body["spec"]["replicas"],
            0,
            "{deployment}"
        );
    }
    assert_eq!(changes.events(), ["Exact"]);
    assert_eq!(status["reportRef"]["name"], "test-report");
    let report = &changes.at(REPORT).expect("a report").body["data"];
    let json = report["report.json"].as_str().unwrap_or_default();
    assert!(json.contains(r#""verdict":"Pass""#), "{json}");
    assert!(report["report.html"].is_string());
}

#[tokio::test]
async fn the_end_waits_for_its_report_while_the_api_is_ill() {
    let scenario = verified();
    scenario.api.refuse(&format!("{NAMESPACE}/{REPORT}"), 500);
    let run = || in_phase(Phase::Verifying, 60);
    scenario.reconcile(run()).await.expect_err("the report was not written");
    let changes = scenario.api.take_changes();
    assert!(
        changes.iter().all(|change| !change.path.ends_with("/status")),
        "{changes:#?}"
    );
    scenario.api.refuse(&format!("{NAMESPACE}/{REPORT}"), 403);
    let changes = scenario.changes(run()).await;
    assert_eq!(
        changes.status()["verdict"],
        "Pass",
        "what is forbidden for good holds nothing up"
    );
    assert!(changes.status()["reportRef"].is_null());
}

#[tokio::test]
async fn a_config_map_of_somebody_else_is_left_alone() {
    let scenario = verified();
    let own = json!({"metadata": {"name": "test-report"}, "data": {"report.json": "mine"}});
    scenario.api.have(&format!("{NAMESPACE}/{REPORT}"), own);
    let changes = scenario.changes(in_phase(Phase::Verifying, 60)).await;
    assert_eq!(changes.status()["verdict"], "Pass");
    assert!(changes.at(REPORT).is_none(), "{changes:#?}");
    assert!(changes.status()["reportRef"].is_null());
}

#[tokio::test]
async fn a_finished_run_makes_no_calls_at_all() {
    let scenario = Scenario::new();
    let finished = completed(in_phase(Phase::Finished, 60));
    let action = scenario.reconcile(finished).await.expect("nothing to do");
    assert_eq!(action, Action::await_change());
    assert!(scenario.api.reads().is_empty() && scenario.api.take_changes().is_empty());
    assert!(scenario.outside.take_asked().is_empty());
}

#[tokio::test]
async fn a_finished_run_acknowledges_a_later_spec_and_stays_what_it_was() {
    let scenario = Scenario::new();
    let mut scaled = completed(in_phase(Phase::Finished, 60));
    scaled.metadata.generation = Some(7);
    let changes = scenario.changes(scaled).await;
    assert_eq!(changes.status()["observedGeneration"], 7);
    assert_eq!(changes.status()["conditions"][0]["observedGeneration"], 7);
    assert_eq!(changes.condition("Complete"), "True");
    assert!(scenario.outside.take_asked().is_empty());
}
