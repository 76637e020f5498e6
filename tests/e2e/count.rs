//! The main job: a run ends with a Pass, and what a counter answers agrees with the log as another client reads it.

use std::{collections::HashMap, time::Duration};

use eoslab_tests::{LoadTest, TestNamespace, eventually, kubectl, pod_ip, topic};
use serde_json::{Value, json};

const ACCOUNT: u64 = 1;
const LIMIT: Duration = Duration::from_secs(600);

fn count(ip: &str, account: &str) -> Result<(u16, Value), String> {
    let url = format!("http://{ip}:8080/count/{account}");
    let output = std::process::Command::new("curl")
        .args(["-s", "-m", "20", "-w", "\n%{http_code}", &url])
        .output()
        .map_err(|e| format!("cannot run curl: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, code) = text.rsplit_once('\n').ok_or("curl printed nothing")?;
    Ok((
        code.parse().map_err(|_| format!("{url}: {text}"))?,
        serde_json::from_str(body).unwrap_or(Value::Null),
    ))
}

#[test]
fn a_running_counter_agrees_with_the_log() -> Result<(), String> {
    let namespace = TestNamespace::create("count");
    let run = LoadTest::apply("count", &namespace, json!({"producer": {"events": 300_000}}))?;
    run.wait_for("a third is counted", LIMIT, |s| {
        s["counters"]["counted"].as_u64() > Some(100_000)
    })?;
    let pod = run.ready_pods("counter")?.pop().ok_or("no counter is ready")?;
    let ip = pod_ip(&namespace.name, &pod)?;

    let (code, answer) = count(&ip, &ACCOUNT.to_string())?;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["account_id"], ACCOUNT);
    assert_eq!(
        count(&ip, "99999999999")?.0,
        404,
        "an account outside the stream was never seen"
    );
    assert_eq!(count(&ip, "one")?.0, 400, "no number");

    // Where each part of the answer stands in its partition is where the independent sum stops.
    let upto: HashMap<u64, i64> = answer["parts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|p| Some((p["partition"].as_u64()?, p["as_of_offset"].as_i64()?)))
        .collect();
    assert_eq!(upto.len(), 1, "an account without salt has one home: {answer}");
    let mut sum = 0;
    topic::read(&format!("{}.count", namespace.name), |record| {
        let counted = upto
            .get(&u64::from(record.partition))
            .is_some_and(|end| record.offset <= *end);
        if record.account_id == ACCOUNT && counted {
            sum += record.amount;
        }
    })?;
    assert_eq!(answer["total"].as_i64(), Some(sum), "{answer}");
    assert!(sum > 0, "account {ACCOUNT} is the hottest: it must have been seen");

    let status = run.wait_for_end(LIMIT)?;
    assert_eq!(status["verdict"], "Pass", "{status:#}");
    assert_eq!(status["correctness"]["counted"], 300_000, "{status:#}");
    assert_eq!(status["correctness"]["inLog"], 300_000, "{status:#}");
    assert!(status["latency"]["endToEnd"]["p99Us"].as_u64() > Some(0), "{status:#}");
    assert!(
        status["latency"]["validity"].is_string(),
        "no latency without its validity: {status:#}"
    );
    kubectl_reads_well(&namespace, "count")
}

#[test]
fn two_runs_at_a_time_do_not_disturb_one_another_and_leave_nothing() -> Result<(), String> {
    let namespace = TestNamespace::create("two");
    let half = json!({"producer": {"events": 100_000, "rate": 5_000}, "stream": {"seed": 7}});
    let first = LoadTest::apply("first", &namespace, half)?;
    let second = LoadTest::apply(
        "second",
        &namespace,
        json!({"producer": {"events": 100_000, "rate": 5_000}, "stream": {"salting": {"accounts": 10, "salts": 4}}}),
    )?;
    for run in [&first, &second] {
        let status = run.wait_for_end(LIMIT)?;
        assert_eq!(status["verdict"], "Pass", "{}: {status:#}", run.name);
        assert_eq!(status["correctness"]["counted"], 100_000, "{status:#}");
    }
    let run_id = first.status()?["runId"].as_str().map(str::to_owned).ok_or("no runId")?;
    let keys = |run_id: &str| {
        kubectl(&[
            "-n",
            "kafka",
            "exec",
            "lab-redis-0",
            "--",
            "redis-cli",
            "--scan",
            "--pattern",
            &format!("eoslab:{{{run_id}*"),
        ])
    };
    assert!(
        keys(&run_id)?.lines().count() > 6,
        "the ledger stands until the LoadTest is deleted"
    );

    kubectl(&["-n", &namespace.name, "delete", "loadtest", "first", "--timeout=300s"])?;
    topic::wait_until_gone(&format!("{}.first", namespace.name))?;
    assert_eq!(keys(&run_id)?.trim(), "", "the ledger goes with the LoadTest");
    eventually("owned objects collected", LIMIT, || {
        let left = kubectl(&[
            "-n",
            &namespace.name,
            "get",
            "deployments,jobs,leases,serviceaccounts,roles,rolebindings,configmaps,pods",
            "-l",
            "eoslab.dev/loadtest=first",
            "-o",
            "name",
        ])?;
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    })?;
    assert_eq!(second.status()?["verdict"], "Pass", "the other run's record stands");
    Ok(())
}

/// Of a LoadTest that has passed, alone in its namespace.
fn kubectl_reads_well(namespace: &TestNamespace, name: &str) -> Result<(), String> {
    let acks = kubectl(&["explain", "loadtest.spec.producer.acks"])?;
    assert!(acks.contains("in-sync") && acks.contains("all"), "{acks}");
    let table = kubectl(&["-n", &namespace.name, "get", "lt"])?;
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(
        header,
        [
            "NAME", "PHASE", "RATE", "PRODUCED", "COUNTED", "LAG", "P99", "VERDICT", "AGE"
        ]
    );
    let row: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(row.len(), header.len(), "every column has a value: {table}");
    let described = kubectl(&["-n", &namespace.name, "describe", "loadtest", name])?;
    for part in ["Verdict:", "Pass", "Events:", "Counted:"] {
        assert!(described.contains(part), "`{part}` in:\n{described}");
    }
    Ok(())
}
