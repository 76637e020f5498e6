//! Each part of the pipeline made too slow on purpose: it must be the one that is named.

use std::time::Duration;

use eoslab_tests::slow::{ProduceQuota, slow_redis, starved};
use eoslab_tests::{LoadTest, TestNamespace};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(600);

/// What all of them share: time to see it, batches that cost the node little, and no patience for what is left behind.
fn changes(rate: u32, more: &Value) -> Value {
    let mut changes = json!({
        "producer": {"rate": rate, "events": null, "durationSeconds": 18, "warmupSeconds": 5, "lingerMs": 50},
        "limits": {"drainTimeoutSeconds": 10},
    });
    for (part, fields) in more.as_object().into_iter().flatten() {
        for (field, value) in fields.as_object().into_iter().flatten() {
            changes[part][field] = value.clone();
        }
    }
    changes
}

fn run_at(namespace: &TestNamespace, name: &str, rate: u32, more: &Value) -> Result<Value, String> {
    let run = LoadTest::apply(name, namespace, changes(rate, more))?;
    let status = run.wait_for_end(LIMIT)?;
    eprintln!(
        "{rate}/s: {:#}\n{:#}\n{}",
        status["bottleneck"], status["utilization"], status["message"]
    );
    Ok(status)
}

/// Where a slow machine itself is busy, the node is named, and rightly: then again at half the rate, and half of that.
fn bottleneck(namespace: &TestNamespace, rate: u32, more: &Value) -> Result<Value, String> {
    let mut status = Value::Null;
    for halved in 0..3 {
        status = run_at(namespace, &format!("bound-{halved}"), rate >> halved, more)?;
        let node_cpu = status["utilization"]["node"]["cpuPercent"].as_u64();
        if status["bottleneck"]["component"] != "Node" || node_cpu < Some(95) {
            break;
        }
    }
    Ok(status)
}

#[test]
fn a_run_that_holds_its_rate_is_bound_by_nothing() -> Result<(), String> {
    let namespace = TestNamespace::create("unbound");
    let mut status = Value::Null;
    // A moment's stall of the machine is rightly told of, but not at each try.
    for attempt in 0..3 {
        status = run_at(&namespace, &format!("unbound-{attempt}"), 2000, &json!({}))?;
        if status["bottleneck"]["component"] == "Nothing" && status["latency"]["validity"] == "Valid" {
            break;
        }
    }
    assert_eq!(status["bottleneck"]["component"], "Nothing", "{status:#}");
    assert_eq!(status["latency"]["validity"], "Valid", "{status:#}");
    let used = &status["utilization"];
    assert_eq!(used["brokers"]["count"], 3, "{used:#}");
    assert!(used["brokers"]["produce"]["totalUs"].as_u64() > Some(0), "{used:#}");
    assert!(
        used["ledger"].is_object() && used["node"]["memoryPercent"].as_u64() > Some(0),
        "{used:#}"
    );
    assert!(used["counters"]["ledgerCallUs"].as_u64() > Some(0), "{used:#}");
    Ok(())
}

#[test]
fn producers_without_cpu_are_named() -> Result<(), String> {
    let namespace = TestNamespace::create("bound-producers");
    let more = json!({"producer": {"resources": starved(40)}});
    let status = bottleneck(&namespace, 100_000, &more)?;
    assert_eq!(status["bottleneck"]["component"], "Producers", "{status:#}");
    let validity = status["latency"]["validity"].as_str().unwrap_or_default();
    assert!(["GeneratorBound", "Saturated"].contains(&validity), "{status:#}");
    Ok(())
}

#[test]
fn counters_without_cpu_are_named() -> Result<(), String> {
    let namespace = TestNamespace::create("bound-counters");
    let more = json!({"counter": {"replicas": 1, "resources": starved(30)}});
    let status = bottleneck(&namespace, 20_000, &more)?;
    assert_eq!(status["bottleneck"]["component"], "Counters", "{status:#}");
    assert_eq!(status["latency"]["validity"], "Saturated", "{status:#}");
    Ok(())
}

#[test]
fn brokers_that_hold_back_by_a_quota_are_named() -> Result<(), String> {
    let namespace = TestNamespace::create("bound-brokers");
    let _quota = ProduceQuota::set(400_000)?;
    let status = run_at(&namespace, "held-back", 10_000, &json!({}))?;
    assert_eq!(status["bottleneck"]["component"], "Brokers", "{status:#}");
    assert!(
        status["utilization"]["producers"]["quotaPercent"].as_u64() >= Some(5),
        "{status:#}"
    );
    assert_eq!(status["latency"]["validity"], "Saturated", "{status:#}");
    Ok(())
}

#[test]
fn a_ledger_without_cpu_is_named() -> Result<(), String> {
    let namespace = TestNamespace::create("bound-ledger");
    let redis = json!({"url": slow_redis(&namespace)?, "urlSecretRef": null});
    let more = json!({"ledger": {"redis": redis}, "counter": {"batchEvents": 5}});
    let status = run_at(&namespace, "slow-ledger", 10_000, &more)?;
    assert_eq!(status["bottleneck"]["component"], "Ledger", "{status:#}");
    assert_ne!(status["latency"]["validity"], "Valid", "{status:#}");
    Ok(())
}

#[test]
fn one_partition_is_named_where_nothing_else_is_busy() -> Result<(), String> {
    let namespace = TestNamespace::create("bound-partition");
    // One event a round trip: a partition has one counter, and the counter one batch of it on its way.
    let more = json!({
        "topic": {"partitions": 1},
        "producer": {"replicas": 1},
        "counter": {"replicas": 1, "batchEvents": 1},
    });
    let status = bottleneck(&namespace, 30_000, &more)?;
    assert_eq!(status["bottleneck"]["component"], "Partitions", "{status:#}");
    Ok(())
}
