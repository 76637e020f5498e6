//! `rate: search`: it makes LoadTests one after another, judges them, and leaves none behind.

use std::time::Duration;

use eoslab_tests::{LoadTest, TestNamespace, kubectl};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn a_search_tries_one_rate_after_another_and_says_where_it_stopped() -> Result<(), String> {
    let namespace = TestNamespace::create("search");
    let changes = json!({
        "producer": {"rate": "search", "events": null},
        "search": {"startRate": 1000, "maxRate": 2000, "probeSeconds": 5},
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
