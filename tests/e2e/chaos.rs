//! Faults against runs under load: everything recovers, every account stays exact, and where the protection is off the
//! same fault does harm.

use std::time::Duration;

use eoslab_tests::{
    ChaosRun, LoadTest, TestNamespace, eventually, is_counted, kubectl, kubectl_with_input, merge, under_faults,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(900);

/// A run that outlasts any faults: it is stopped after them.
fn load() -> Value {
    json!({
        "producer": {"rate": 4_000, "events": 5_000_000},
        "counter": {"replicas": 3},
    })
}

/// [`load`] with changes.
fn load_with(changes: Value) -> Value {
    let mut load = load();
    merge(&mut load, changes);
    load
}

fn injections(status: &Value) -> Vec<Value> {
    status["injections"].as_array().cloned().unwrap_or_default()
}

#[test]
fn broker_counter_zombie_redis_and_producer_die_and_every_account_is_exact() -> Result<(), String> {
    let namespace = TestNamespace::chaos();
    let faults = json!([
        {"type": "KillBroker", "target": {"leaderOf": 0}},
        {"type": "KillCounter"},
        {"type": "PauseCounter"},
        {"type": "KillRedis"},
        {"type": "KillProducer"},
    ]);
    let spec = json!({"faults": faults, "steadyState": {"seconds": 3}});
    let run = under_faults("storm", &namespace, load(), spec, LIMIT)?;
    let (status, loadtest) = (run.chaosrun, run.loadtest);
    assert_eq!(status["verdict"], "Pass", "{status:#}");
    assert_eq!(injections(&status).len(), 5);
    for injection in injections(&status) {
        assert_eq!(injection["state"], "Recovered", "{injection:#}");
        assert_eq!(
            (&injection["lost"], &injection["duplicated"]),
            (&json!(0), &json!(0)),
            "{injection:#}"
        );
        assert!(
            injection["victim"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()),
            "{injection:#}"
        );
        assert!(injection["recoveredMs"].as_u64() > Some(0), "{injection:#}");
    }
    let of = |fault: &str| {
        injections(&status)
            .into_iter()
            .find(|one| one["type"] == fault)
            .unwrap_or_default()
    };
    assert!(of("KillBroker")["leaderChangeMs"].is_u64(), "{:#}", of("KillBroker"));
    assert!(of("KillBroker")["isrRestoredMs"].is_u64(), "{:#}", of("KillBroker"));
    // Its partitions waited for the session to end, and then others counted them.
    assert!(
        of("PauseCounter")["longestPauseMs"].as_u64() > Some(4_000),
        "{:#}",
        of("PauseCounter")
    );
    assert!(
        of("PauseCounter")["partitionsPaused"].as_u64() > Some(0),
        "{:#}",
        of("PauseCounter")
    );
    assert!(
        of("KillProducer")["longestAckGapMs"].as_u64() > Some(0),
        "{:#}",
        of("KillProducer")
    );
    assert!(is_counted(&loadtest), "{loadtest:#}");
    assert_eq!(loadtest["correctness"]["accountsWrong"], 0, "{loadtest:#}");
    Ok(())
}

#[test]
fn the_control_shows_harm_and_names_the_accounts() -> Result<(), String> {
    let namespace = TestNamespace::chaos();
    let spec = json!({
        "expect": "Duplicates",
        "faults": [{"type": "KillCounter", "repeat": 3}],
        "steadyState": {"seconds": 2},
    });
    let load = load_with(json!({"counter": {"mode": "at-least-once"}}));
    let status = under_faults("control", &namespace, load, spec, LIMIT)?.chaosrun;
    assert_eq!(
        (&status["verdict"], &status["reason"]),
        (&json!("Pass"), &json!("ControlShowsHarm")),
        "{status:#}"
    );
    let message = status["message"].as_str().unwrap_or_default();
    assert!(message.contains("counted twice") && message.contains('('), "{message}");
    Ok(())
}

#[test]
fn acks_of_the_leader_alone_lose_events_with_it_and_the_verdict_counts_them() -> Result<(), String> {
    let namespace = TestNamespace::chaos();
    let load = load_with(json!({"producer": {"acks": "1", "idempotence": false}}));
    let spec = json!({
        "expect": "Loss",
        "faults": [{"type": "KillBroker", "target": {"leaderOf": 0}, "repeat": 2}],
        "steadyState": {"seconds": 1, "maxLagMs": 20_000},
    });
    let run = under_faults("loss", &namespace, load, spec, LIMIT)?;
    let (status, lost) = (run.chaosrun, run.loadtest["correctness"]["lost"].as_u64());
    // A crash need not lose anything: then the control proves nothing, and says so.
    let (verdict, reason) = match lost {
        Some(0) => ("Inconclusive", "ControlShowsNothing"),
        _ => ("Pass", "ControlShowsHarm"),
    };
    assert_eq!(
        (&status["verdict"], &status["reason"]),
        (&json!(verdict), &json!(reason)),
        "{status:#}"
    );
    assert!(lost.is_some(), "{:#}", run.loadtest);
    Ok(())
}

#[test]
fn the_new_group_protocol_stays_exact_through_a_kill_and_a_rolling_restart() -> Result<(), String> {
    let namespace = TestNamespace::chaos();
    let spec = json!({
        "faults": [{"type": "KillCounter"}, {"type": "RollingRestart"}],
        "steadyState": {"seconds": 2},
    });
    let load = load_with(json!({"counter": {"protocol": "consumer"}}));
    let run = under_faults("kip848", &namespace, load, spec, LIMIT)?;
    assert_eq!(run.chaosrun["verdict"], "Pass", "{:#}", run.chaosrun);
    assert!(is_counted(&run.loadtest), "{:#}", run.loadtest);
    Ok(())
}

#[test]
fn controllers_that_die_amid_a_fault_leave_it_healed_and_a_true_status() -> Result<(), String> {
    let namespace = TestNamespace::chaos();
    let run = LoadTest::apply("headless", &namespace, load())?;
    let spec = json!({
        "loadTest": "headless",
        "faults": [{"type": "PauseCounter", "pauseSeconds": 12, "target": {"slot": 1}}],
        "steadyState": {"seconds": 2},
    });
    let chaos = ChaosRun::apply("headless", &namespace, spec)?;
    chaos.wait_for("the freeze", LIMIT, |status| {
        status["injections"][0]["state"] == "Injected"
    })?;
    for component in ["chaos", "operator"] {
        kill_controller(component)?;
    }
    chaos.wait_for_faults(LIMIT)?;
    run.stop()?;
    let status = chaos.wait_for_end(LIMIT)?;
    assert_eq!(status["verdict"], "Pass", "{status:#}");
    assert_eq!(injections(&status).len(), 1, "it was not injected twice: {status:#}");
    assert!(status["injections"][0]["healedAt"].is_string(), "{status:#}");
    let loadtest = run.status()?;
    assert!(is_counted(&loadtest), "{loadtest:#}");
    Ok(())
}

/// A crash of a controller: SIGKILL from within its pod, and seen to have happened.
fn kill_controller(component: &str) -> Result<(), String> {
    let selector = format!("app.kubernetes.io/component={component}");
    let restarts = || {
        kubectl(&[
            "-n",
            "eoslab-system",
            "get",
            "pods",
            "-l",
            &selector,
            "-o",
            "jsonpath={.items[0].status.containerStatuses[0].restartCount}",
        ])
    };
    let before = restarts()?;
    let pod = kubectl(&["-n", "eoslab-system", "get", "pods", "-l", &selector, "-o", "name"])?;
    // The command dies with the container that it kills.
    let _ = kubectl(&[
        "-n",
        "eoslab-system",
        "exec",
        pod.trim(),
        "--",
        "chaos",
        "signal",
        "--process",
        component,
        "--action",
        "KILL",
    ]);
    eventually(
        &format!("a restart of {component}"),
        Duration::from_secs(120),
        || match restarts()? {
            now if now != before => Ok(()),
            now => Err(now),
        },
    )
}

#[test]
fn a_namespace_without_the_label_is_out_of_reach() -> Result<(), String> {
    let namespace = TestNamespace::create("locked");
    let account = "--as=system:serviceaccount:eoslab-system:eoslab-chaos";
    let can = |verb: &str, what: &str, namespace: &str| {
        kubectl(&["auth", "can-i", verb, what, "-n", namespace, account]).is_ok()
    };
    assert!(!can("delete", "pods", &namespace.name), "no Role there");
    assert!(can("delete", "pods", "eoslab-chaos"), "a Role here");
    // The label is a lock of its own: with a Role and without the label nothing can be deleted.
    let name = &namespace.name;
    let subject = "--serviceaccount=eoslab-system:eoslab-chaos";
    kubectl(&[
        "-n",
        name,
        "create",
        "role",
        "deleter",
        "--verb=delete,get",
        "--resource=pods",
    ])?;
    kubectl(&[
        "-n",
        name,
        "create",
        "rolebinding",
        "deleter",
        "--role=deleter",
        subject,
    ])?;
    eventually("the Role", Duration::from_secs(60), || {
        match can("delete", "pods", name) {
            true => Ok(()),
            false => Err("not yet".to_owned()),
        }
    })?;
    // Nobody runs it; it is there to be deleted.
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "victim", "namespace": name},
        "spec": {
            "nodeSelector": {"no": "node"},
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "none",
                "image": "none.invalid/none",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    });
    kubectl_with_input(&["create", "-f", "-"], &pod.to_string())?;
    let delete = || kubectl(&["-n", name, "delete", "pod", "victim", "--wait=false", account]);
    let refused = delete().expect_err("the lock holds");
    assert!(refused.stderr.contains("eoslab.dev/chaos"), "{refused}");
    kubectl(&["label", "namespace", name, "eoslab.dev/chaos=allowed"])?;
    // The API server takes a moment to see the label.
    eventually("the lock opens", Duration::from_secs(60), || {
        delete().map_err(|failure| failure.to_string())
    })?;
    Ok(())
}
