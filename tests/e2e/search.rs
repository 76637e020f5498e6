//! `rate: search`: it makes LoadTests one after another, judges them, and leaves none behind.

use std::time::Duration;

use eoslab_tests::slow::{ProduceQuota, slow_redis, starved};
use eoslab_tests::{LoadTest, TestNamespace, kubectl};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn a_search_tries_one_rate_after_another_and_says_where_it_stopped() -> Result<(), String> {
    let namespace = TestNamespace::create("search");
    let changes = json!({
        "producer": {"rate": "search", "events": null},
        "search": {"startRate": 1000, "maxRate": 2000, "probeSeconds": 5, "timeoutSeconds": 240},
        // They leave their group when they go, so that a probe is soon deleted.
        "counter": {"staticMembership": false},
    });
    let run = LoadTest::apply("search", &namespace, changes)?;
    let status = run.wait_for_end(LIMIT)?;
    // The machine may be busy: then a rate fails, and the search goes on below it.
    let probes = status["ceiling"]["probes"].as_array().cloned().unwrap_or_default();
    assert_eq!(probes[0]["ratePerSecond"], 1000, "{status:#}");
    assert!(probes.iter().all(|probe| probe["held"].is_boolean()), "{status:#}");
    if probes.iter().all(|probe| probe["held"] == true) {
        assert_eq!(status["reason"], "NothingFailed", "{status:#}");
        assert_eq!(probes.len(), 3, "{status:#}");
        assert_eq!(status["ceiling"]["ratePerSecond"], 2000, "{status:#}");
    }
    let left = kubectl(&["-n", &namespace.name, "get", "loadtests", "-o", "name"])?;
    assert_eq!(left.trim(), "loadtest.eoslab.dev/search");
    Ok(())
}

/// A search on a pipeline that is slow on purpose must end near what that part can do: the known failure of others is to
/// settle at next to nothing, or far above.
fn search_finds(name: &str, more: Value, rates: std::ops::Range<u64>, bottleneck: &str) -> Result<(), String> {
    let namespace = TestNamespace::create(name);
    let mut changes = json!({
        "producer": {"rate": "search", "events": null, "warmupSeconds": 3, "lingerMs": 50},
        "search": {"startRate": 1000, "probeSeconds": 12, "objectiveSeconds": 0, "resolutionPercent": 25},
        "slo": {"endToEndP99Ms": 2000},
    });
    for (part, fields) in more.as_object().into_iter().flatten() {
        for (field, value) in fields.as_object().into_iter().flatten() {
            changes[part][field] = value.clone();
        }
    }
    if bottleneck == "Ledger" {
        changes["ledger"] = json!({"redis": {"url": slow_redis(&namespace)?, "urlSecretRef": null}});
    }
    let status = LoadTest::apply(name, &namespace, changes)?.wait_for_end(Duration::from_secs(1200))?;
    let ceiling = &status["ceiling"];
    for probe in ceiling["probes"].as_array().into_iter().flatten() {
        eprintln!("{} {} {}", probe["ratePerSecond"], probe["held"], probe["reason"]);
    }
    eprintln!("{} {:#}", status["message"], ceiling["bottleneck"]);
    let found = ceiling["ratePerSecond"].as_u64().unwrap_or_default();
    assert!(rates.contains(&found), "{found}/s is not within {rates:?}");
    assert_eq!(ceiling["bottleneck"]["component"], bottleneck);
    Ok(())
}

// What these three can do depends on the machine but little: their limits are far below it.

#[test]
#[ignore = "ten minutes: cargo test --release -p eoslab-tests --test search -- --ignored --test-threads=1"]
fn a_search_ends_near_what_a_quota_allows() -> Result<(), String> {
    // 400 kB/s and broker, and 12 partitions over three: 1.2 MB/s of events that lz4 makes a bit smaller than 256 bytes.
    let _quota = ProduceQuota::set(400_000)?;
    search_finds(
        "search-quota",
        json!({"topic": {"partitions": 12}}),
        2_000..10_000,
        "Brokers",
    )
}

#[test]
#[ignore = "ten minutes, as above"]
fn a_search_ends_near_what_producers_without_cpu_send() -> Result<(), String> {
    let more = json!({"producer": {"resources": starved(40)}});
    search_finds("search-producers", more, 2_000..100_000, "Producers")
}

#[test]
#[ignore = "ten minutes, as above"]
fn a_search_ends_near_what_a_ledger_without_cpu_takes() -> Result<(), String> {
    search_finds(
        "search-ledger",
        json!({"counter": {"batchEvents": 5}}),
        200..20_000,
        "Ledger",
    )
}
