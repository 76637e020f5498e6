//! What a user does without a ChaosRun shows up as well: `kubectl rollout restart`, `kubectl delete pod`, `kubectl scale`.

use std::time::Duration;

use eoslab_tests::{LoadTest, TestNamespace, kubectl};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(600);

fn disturbances(status: &Value, cause: &str) -> Vec<Value> {
    let all = status["disturbances"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|one| one["cause"] == cause).collect()
}

fn recovered(status: &Value, cause: &str) -> usize {
    disturbances(status, cause)
        .iter()
        .filter(|one| one["recoveredAt"].is_string())
        .count()
}

#[test]
fn a_rolling_restart_of_static_counters_moves_no_partition_and_is_measured() -> Result<(), String> {
    let namespace = TestNamespace::create("rolled");
    // A pod must be back within the session; on a slow machine 10 s are too few for that.
    let counter = json!({"replicas": 3, "sessionTimeoutMs": 30_000});
    let changes = json!({"producer": {"rate": 4_000, "events": 5_000_000}, "counter": counter});
    let run = LoadTest::apply("rolled", &namespace, changes)?;
    run.wait_for_phase("Running", LIMIT)?;
    kubectl(&["-n", &namespace.name, "rollout", "restart", "deployment/rolled-counter"])?;
    let status = run.wait_for("three replaced counters", LIMIT, |s| recovered(s, "PodReplaced") >= 3)?;
    run.stop()?;
    for one in disturbances(&status, "PodReplaced") {
        assert_eq!(one["component"], "Counter", "{one:#}");
        assert_ne!(one["podBefore"], one["podAfter"], "{one:#}");
        assert!(one["durationMs"].as_u64() > Some(0), "{one:#}");
        assert_eq!(
            one["rebalances"].as_u64().unwrap_or(0),
            0,
            "a static member came back: {one:#}"
        );
    }
    let end = run.wait_for_end(LIMIT)?;
    assert_eq!(end["verdict"], "Pass", "{end:#}");
    Ok(())
}

#[test]
fn a_deleted_pod_and_a_scale_are_told() -> Result<(), String> {
    let namespace = TestNamespace::create("scaled");
    let changes = json!({"producer": {"rate": 4_000, "events": 5_000_000}, "counter": {"replicas": 2}});
    let run = LoadTest::apply("scaled", &namespace, changes)?;
    run.wait_for_phase("Running", LIMIT)?;
    let producers = run.ready_pods("producer")?;
    let producer = producers.first().ok_or("no producer is ready")?;
    kubectl(&["-n", &namespace.name, "delete", "pod", producer, "--wait=false"])?;
    run.wait_for("the deleted producer", LIMIT, |s| recovered(s, "PodReplaced") == 1)?;
    kubectl(&["-n", &namespace.name, "scale", "loadtest/scaled", "--replicas=3"])?;
    run.wait_for("the third counter", LIMIT, |s| recovered(s, "Scaled") >= 1)?;
    run.stop()?;
    let end = run.wait_for_end(LIMIT)?;
    assert_eq!(end["verdict"], "Pass", "{end:#}");
    assert!(end["disturbancesTotal"].as_u64() >= Some(2), "{end:#}");
    Ok(())
}
