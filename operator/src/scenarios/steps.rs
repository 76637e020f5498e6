//! Each step of a run.

use eoslab_api::{LoadTest, Phase, TopicStatus};
use eoslab_core::Tally;
use eoslab_core::report::{Member, ProducerReport, ProducerState};
use eoslab_counter::ledger::LedgerEntry;
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use super::api::list;
use super::{NOW_US, Scenario};
use crate::fixtures::{completed, loadtest, with_status};
use crate::names::FINALIZER;
use crate::seen::log::LogRange;
use crate::seen::members::{Report, Scraped};
use crate::seen::topic::{Cause, TopicFacts, TopicState};

pub(super) const NAMESPACE: &str = "/api/v1/namespaces/lab";
const APPS: &str = "/apis/apps/v1/namespaces/lab";
pub(super) const COORDINATION: &str = "/apis/coordination.k8s.io/v1/namespaces/lab";
const BATCH: &str = "/apis/batch/v1/namespaces/lab";

pub(super) fn at(seconds: i64) -> String {
    let time = k8s_openapi::jiff::Timestamp::from_microsecond(NOW_US + seconds * 1_000_000).expect("a time");
    time.to_string()
}

/// A run in a phase whose first measured event was due `measured_s` ago.
pub(super) fn in_phase(phase: Phase, measured_s: i64) -> LoadTest {
    let mut loadtest = with_status(loadtest(), |status| {
        status.phase = phase;
        status.start_time = serde_json::from_value(json!(at(-60))).expect("a time");
        status.topic = Some(TopicStatus {
            name: "events".to_owned(),
            created_by_run: true,
        });
        if phase >= Phase::Warmup {
            status.measure_start_time = serde_json::from_value(json!(at(-measured_s))).expect("a time");
        }
    });
    loadtest.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    loadtest
}

fn topic_is_there(scenario: &Scenario) {
    scenario.outside(|answers| {
        answers.topic = TopicState::Exists(TopicFacts {
            partitions: 4,
            replication_factor: 3,
            ..TopicFacts::default()
        });
    });
}

pub(super) fn labels(role: &str) -> Value {
    json!({"eoslab.dev/role": role, "eoslab.dev/loadtest": "test", "eoslab.dev/run": "uid-1"})
}

pub(super) fn ready_pod(role: &str, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("u-{name}"), "labels": labels(role)},
        "status": {"phase": "Running", "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at(-30)}]},
    })
}

pub(super) fn lease(role: &str, index: u32, holder: &str) -> Value {
    json!({
        "metadata": {"name": format!("test-{role}-{index}"), "labels": labels(role), "creationTimestamp": at(-60)},
        "spec": {"holderIdentity": format!("{holder}/u-{holder}"), "renewTime": at(-1).replace('Z', ".000000Z")},
    })
}

/// Ready pods that hold the slots of both roles.
pub(super) fn members_are_ready(scenario: &Scenario, with_deployments: bool) {
    let (mut pods, mut leases, mut deployments) = (Vec::new(), Vec::new(), Vec::new());
    for role in ["producer", "counter"] {
        for index in 0..2 {
            let name = format!("{role}-{index}");
            pods.push(ready_pod(role, &name));
            leases.push(lease(role, index, &name));
        }
        deployments.push(json!({
            "metadata": {"name": format!("test-{role}"), "labels": labels(role)},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
        }));
    }
    scenario.api.have(&format!("{NAMESPACE}/pods"), list(&pods));
    scenario.api.have(&format!("{COORDINATION}/leases"), list(&leases));
    if with_deployments {
        scenario.api.have(&format!("{APPS}/deployments"), list(&deployments));
    }
}

fn producer(slot: u32, state: ProducerState, sent: u64) -> Scraped {
    Scraped {
        pod_uid: format!("u-producer-{slot}"),
        report: Report::Producer(Box::new(ProducerReport {
            member: Member {
                run_id: "uid-1".to_owned(),
                slot,
                incarnation: format!("producer-{slot}/u-producer-{slot}/1"),
                started_at_us: 1,
            },
            state,
            sent,
            ..ProducerReport::default()
        })),
    }
}

pub(super) fn counted(scenario: &Scenario, events: [i64; 4]) {
    scenario.outside(|answers| {
        answers.log = events.iter().map(|end| LogRange { begin: 0, end: *end }).collect();
        let entry = |(partition, count): (usize, &i64)| LedgerEntry {
            offset: count - 1,
            seq: count - 1,
            ts_us: NOW_US,
            tally: Tally {
                count: *count as u64,
                ..Tally::default()
            },
            ..LedgerEntry::empty(partition as u32)
        };
        answers.ledger = events.iter().enumerate().map(entry).collect();
    });
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

#[tokio::test]
async fn running_shows_lag_and_counts() {
    let scenario = Scenario::new();
    members_are_ready(&scenario, true);
    counted(&scenario, [100, 100, 100, 100]);
    scenario.outside(|answers| {
        answers.log[2].end = 150;
        answers.reports = vec![
            producer(0, ProducerState::Sending, 200),
            producer(1, ProducerState::Sending, 250),
        ];
    });
    let changes = scenario.changes(in_phase(Phase::Running, 5)).await;
    let status = changes.status();
    assert_eq!(status["lag"]["records"], 50);
    assert_eq!(status["lag"]["worstPartition"], 2);
    assert_eq!(
        (&status["producers"]["sent"], &status["counters"]["counted"]),
        (&json!(450), &json!(400))
    );
    assert_eq!(status["progress"], "400/60.0k");
    assert_eq!(
        (&status["display"]["lag"], &status["display"]["p99"]),
        (&json!("50"), &json!("-"))
    );
    assert!(status["latency"].is_null(), "no latency without samples and validity");
    assert_eq!(changes.condition("Running"), "True");
}

#[tokio::test]
async fn what_a_lost_member_reported_is_saved_and_told() {
    let scenario = Scenario::new();
    members_are_ready(&scenario, true);
    counted(&scenario, [1; 4]);
    scenario.outside(|answers| {
        let mut gone = producer(1, ProducerState::Sending, 70);
        gone.pod_uid = "u-gone".to_owned();
        answers.reports = vec![producer(0, ProducerState::Sending, 50), gone];
    });
    let changes = scenario.changes(in_phase(Phase::Running, 5)).await;
    let saved = changes.at("configmaps/test-members").expect("saved");
    let saved: Value =
        serde_json::from_str(saved.body["data"]["members.json"].as_str().unwrap_or_default()).expect("JSON");
    assert_eq!(saved["producers"]["sent"], 70);
    assert!(changes.events().contains(&"MemberGone"), "{:?}", changes.events());
    assert_eq!(changes.status()["producers"]["sent"], 120);

    let restarted = Scenario::new();
    members_are_ready(&restarted, true);
    counted(&restarted, [1; 4]);
    let map = json!({"metadata": {"name": "test-members", "labels": changes.at("configmaps/test-members").expect("saved").body["metadata"]["labels"]},
        "data": changes.at("configmaps/test-members").expect("saved").body["data"]});
    restarted.api.have(&format!("{NAMESPACE}/configmaps/test-members"), map);
    restarted.outside(|answers| answers.reports = vec![producer(0, ProducerState::Sending, 55)]);
    let changes = restarted.changes(in_phase(Phase::Running, 6)).await;
    assert_eq!(
        changes.status()["producers"]["sent"],
        125,
        "70 of the lost one, 55 of the living"
    );
}

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
async fn the_end_stops_everything_and_is_one_patch() {
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
    let changes = scenario.changes(in_phase(Phase::Verifying, 60)).await;
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
}
