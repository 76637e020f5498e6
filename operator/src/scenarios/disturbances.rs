//! What happens to the members shows in the status and in events.

use eoslab_api::{LoadTest, LoadTestStatus, Phase};
use eoslab_core::report::Pause;
use serde_json::{Value, json};

use super::api::list;
use super::steps::{COORDINATION, NAMESPACE, at, counted, in_phase, labels, lease, members_are_ready, ready_pod};
use super::{Changes, NOW_US, Scenario};
use crate::fixtures::with_status;

/// All are well but for slot 1 of the counters: its pods, and which of them holds it.
fn counter_1(scenario: &Scenario, own: &[Value], holder: &str) {
    let others = [
        ("producer", "producer-0"),
        ("producer", "producer-1"),
        ("counter", "counter-0"),
    ];
    let others = others.map(|(role, name)| ready_pod(role, name));
    scenario
        .api
        .have(&format!("{NAMESPACE}/pods"), list(&[&others, own].concat()));
    let leases = [
        lease("producer", 0, "producer-0"),
        lease("producer", 1, "producer-1"),
        lease("counter", 0, "counter-0"),
        lease("counter", 1, holder),
    ];
    scenario.api.have(&format!("{COORDINATION}/leases"), list(&leases));
}

fn deleted(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("u-{name}"), "labels": labels("counter"),
            "deletionTimestamp": at(26), "deletionGracePeriodSeconds": 30},
        "status": {"phase": "Running"},
    })
}

fn successor(name: &str, is_ready: bool) -> Value {
    let ready = if is_ready { "True" } else { "False" };
    json!({
        "metadata": {"name": name, "uid": format!("u-{name}"), "labels": labels("counter"), "creationTimestamp": at(-4)},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": at(-1)}]},
    })
}

/// The run with the status that was just written.
fn then(mut loadtest: LoadTest, changes: &Changes) -> LoadTest {
    let status: LoadTestStatus = serde_json::from_value(changes.status().clone()).expect("a status");
    loadtest.status = Some(status);
    loadtest
}

#[tokio::test]
async fn a_replaced_counter_is_a_disturbance_with_its_cost() {
    let scenario = Scenario::new();
    members_are_ready(&scenario, true);
    counted(&scenario, [100; 4]);
    let calm = scenario.changes(in_phase(Phase::Running, 5)).await;
    assert!(calm.status()["disturbances"].is_null(), "{:#}", calm.status());
    assert_eq!(calm.status()["members"][1]["pod"], "counter-1");

    // Somebody else goes on with what the first operator has written.
    let scenario = Scenario::new();
    counted(&scenario, [100; 4]);
    scenario.outside(|answers| answers.log[1].end = 400);
    let run = then(in_phase(Phase::Running, 5), &calm);
    counter_1(
        &scenario,
        &[deleted("counter-1"), successor("counter-x", false)],
        "counter-1",
    );
    let down = scenario.changes(run.clone()).await;
    let one = &down.status()["disturbances"][0];
    assert_eq!(
        (&one["component"], &one["slot"], &one["cause"], &one["podBefore"]),
        (&json!("Counter"), &json!(1), &json!("PodReplaced"), &json!("counter-1"))
    );
    assert_eq!(one["startedAt"], at(-4).replace('Z', ".000000Z"));
    assert!(one["recoveredAt"].is_null() && one["over"] == false, "{one:#}");
    assert_eq!(down.events(), ["Disturbed"]);

    counted(&scenario, [100, 400, 100, 100]);
    scenario.outside(|answers| {
        answers.pauses = vec![Pause {
            partition: 1,
            ended_at_us: NOW_US,
            length_us: 3_900_000,
            member_before: "test-counter-1".to_owned(),
            member_after: "test-counter-1".to_owned(),
        }];
    });
    counter_1(&scenario, &[successor("counter-x", true)], "counter-x");
    let up = scenario.changes(then(run.clone(), &down)).await;
    let one = &up.status()["disturbances"][0];
    assert_eq!(
        (&one["podAfter"], &one["durationMs"]),
        (&json!("counter-x"), &json!(3000))
    );
    assert_eq!(up.events(), Vec::<&str>::new(), "not over yet");

    let over = scenario.changes(then(run, &up)).await;
    let one = &over.status()["disturbances"][0];
    assert_eq!((&one["over"], &one["longestPauseMs"]), (&json!(true), &json!(3900)));
    assert_eq!(
        (&one["pausedPartitions"][0]["partition"], &one["rebalances"]),
        (&json!(1), &json!(0))
    );
    assert_eq!((&one["peakLagRecords"], &one["drainMs"]), (&json!(300), &json!(1000)));
    assert_eq!(over.events(), ["Recovered"]);
    let event = over.at("/events").expect("an event");
    let note = event.body["note"].as_str().unwrap_or_default();
    let told = "counter 1 (PodReplaced): recovered after 3.0s; longest pause 3.9s, 1 partitions paused, 0 rebalances";
    assert!(note.starts_with(told), "{note}");
    assert_eq!(event.body["type"], "Normal");

    let quiet = with_status(in_phase(Phase::Running, 5), |status| {
        *status = serde_json::from_value(over.status().clone()).expect("a status");
    });
    let later = scenario.reconcile(quiet).await;
    assert!(
        later.is_ok()
            && scenario
                .api
                .take_changes()
                .iter()
                .all(|change| !change.path.contains("/events"))
    );
}
