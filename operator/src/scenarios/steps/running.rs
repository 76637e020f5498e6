//! While events are sent.

use eoslab_api::Phase;
use eoslab_core::report::ProducerState;
use serde_json::{Value, json};

use super::{NAMESPACE, counted, in_phase, members_are_ready, producer};
use crate::scenarios::Scenario;

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
async fn a_stop_is_told_to_the_producers_and_to_nobody_else() {
    let scenario = Scenario::new();
    members_are_ready(&scenario, true);
    let mut loadtest = in_phase(Phase::Running, 55);
    for (stop, wanted) in [(false, None), (true, Some("true"))] {
        loadtest.spec.stop = stop;
        let changes = scenario.changes(loadtest.clone()).await;
        let told = |role: &str| {
            let lease = changes
                .at(&format!("leases/test-{role}-1"))
                .expect("the schedule is told");
            lease.body["metadata"]["annotations"]["eoslab.dev/stop"]
                .as_str()
                .map(str::to_owned)
        };
        assert_eq!(told("producer").as_deref(), wanted);
        assert_eq!(told("counter"), None);
    }
}
