//! The operator keeps nothing to itself: it is deleted in each phase of one run, and the run still ends with a Pass.

use std::time::Duration;

use eoslab_tests::{LoadTest, TestNamespace, kubectl};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(600);

fn delete_operator() -> Result<(), String> {
    kubectl(&[
        "-n",
        "eoslab-system",
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/component=operator",
        "--grace-period=1",
    ])?;
    Ok(())
}

#[test]
fn a_run_survives_the_operators_death_in_every_phase() -> Result<(), String> {
    let namespace = TestNamespace::create("operator");
    let run = LoadTest::apply(
        "survivor",
        &namespace,
        // Accounts enough that the verification takes a while, and a session that outlasts most standstills.
        json!({
            "producer": {"events": 200_000, "rate": 5_000},
            "stream": {"accounts": 10_000_000},
            "counter": {"sessionTimeoutMs": 30_000},
        }),
    )?;
    run.wait_for_phase("Provisioning", LIMIT)?;
    delete_operator()?;
    run.wait_for_phase("Running", LIMIT)?;
    delete_operator()?;

    run.wait_for("half is produced", LIMIT, |s| {
        s["producers"]["sent"].as_u64() > Some(100_000)
    })?;
    // Counters that stand still beyond the last event make the draining long enough to be seen.
    let counters = run.ready_pods("counter")?;
    run.signal_all(&counters, "counter", "STOP", &["--for-seconds", "55"])?;
    run.wait_for_phase("Draining", LIMIT)?;
    delete_operator()?;
    run.signal_all(&counters, "counter", "CONT", &[])?;
    run.wait_for_phase("Verifying", LIMIT)?;
    delete_operator()?;

    let status = run.wait_for_end(LIMIT)?;
    assert_eq!(status["verdict"], "Pass", "{status:#}");
    assert_eq!(status["correctness"]["counted"], 200_000, "{status:#}");
    Ok(())
}
