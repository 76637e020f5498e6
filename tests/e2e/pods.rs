//! Load pods that die are replaced; pods that can never work end the run with their reason.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use eoslab_tests::{LoadTest, TestNamespace, kubectl};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn deleted_and_crashed_pods_are_replaced_and_the_run_goes_on() -> Result<(), String> {
    let namespace = TestNamespace::create("replaced");
    let run = LoadTest::apply("replaced", &namespace, json!({"producer": {"events": 300_000}}))?;
    run.wait_for("some are produced", LIMIT, |s| {
        s["producers"]["sent"].as_u64() > Some(60_000)
    })?;
    let producers = run.ready_pods("producer")?;
    let [crashed, deleted, ..] = producers.as_slice() else {
        return Err(format!("two producers are wanted: {producers:?}"));
    };
    run.signal(crashed, "loadgen", "KILL", &[])?;
    kubectl(&["-n", &namespace.name, "delete", "pod", deleted, "--wait=false"])?;
    let counter = run.ready_pods("counter")?.pop().ok_or("no counter is ready")?;
    kubectl(&["-n", &namespace.name, "delete", "pod", &counter, "--wait=false"])?;

    let status = run.wait_for_end(LIMIT)?;
    assert_eq!(status["verdict"], "Pass", "{status:#}");
    assert_eq!(
        status["correctness"]["inLog"], 300_000,
        "producers resume where the log ends: {status:#}"
    );
    Ok(())
}

#[test]
fn a_slot_without_a_working_pod_ends_the_run_with_the_pods_reason() -> Result<(), String> {
    let namespace = TestNamespace::create("stuck");
    let cases = [
        ("image", json!({"image": "eoslab.invalid/none:1"}), "Image"),
        (
            "unschedulable",
            json!({"podTemplate": {"nodeSelector": {"no-such-label": "x"}}}),
            "nschedulable",
        ),
    ];
    let mut runs = Vec::new();
    for (name, mut change, reason) in cases {
        change["limits"] = json!({"slotTimeoutSeconds": 20, "provisioningTimeoutSeconds": 120});
        runs.push((LoadTest::apply(name, &namespace, change)?, reason));
    }
    // Meanwhile: those wait.
    a_crash_loop_ends_the_run(&namespace)?;
    for (run, reason) in runs {
        let status = run.wait_for_end(LIMIT)?;
        assert_eq!(status["verdict"], "Error", "{}: {status:#}", run.name);
        let said = format!("{} {}", status["reason"], status["message"]);
        assert!(said.contains(reason), "{}: `{reason}` in {said}", run.name);
    }
    Ok(())
}

/// A pod that crashes again and again.
fn a_crash_loop_ends_the_run(namespace: &TestNamespace) -> Result<(), String> {
    let slow = json!({
        "producer": {"events": 500_000, "rate": 1_000},
        "limits": {"slotTimeoutSeconds": 15},
    });
    let run = LoadTest::apply("crashloop", namespace, slow)?;
    run.wait_for_phase("Running", LIMIT)?;
    let pod = run.ready_pods("counter")?.pop().ok_or("no counter is ready")?;
    let is_over = AtomicBool::new(false);
    let status = thread::scope(|scope| {
        // Two at a time: it must die before it is ready again, and one that is ready for a moment works.
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Between two starts there is nothing to kill.
                    run.signal(&pod, "counter", "KILL", &[]).ok();
                }
            });
        }
        let status = run.wait_for_end(LIMIT);
        is_over.store(true, Ordering::Relaxed);
        status
    })?;
    assert_eq!(status["verdict"], "Error", "{status:#}");
    let said = format!("{} {}", status["reason"], status["message"]);
    assert!(said.contains("CrashLoopBackOff") && said.contains(&pod), "{said}");
    Ok(())
}
