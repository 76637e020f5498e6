//! What must fail, fails: a verdict that cannot say no proves nothing.

use std::time::Duration;

use eoslab_tests::{LoadTest, TestNamespace, is_counted};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(600);

fn wait_until_counted(run: &LoadTest, events: u64) -> Result<(), String> {
    run.wait_for(&format!("{events} are counted"), LIMIT, |s| {
        s["counters"]["counted"].as_u64() > Some(events)
    })?;
    Ok(())
}

/// The control and what it controls side by side, so that both have the same crash.
#[test]
fn counters_that_crash_double_events_at_least_once_and_none_exactly_once() -> Result<(), String> {
    let namespace = TestNamespace::create("controls");
    let apply = |mode: &str| {
        let changes = json!({"producer": {"rate": 5_000, "events": 5_000_000}, "counter": {"mode": mode}});
        LoadTest::apply(mode, &namespace, changes)
    };
    let runs = [apply("at-least-once")?, apply("exactly-once")?];
    for run in &runs {
        wait_until_counted(run, 40_000)?;
    }
    for run in &runs {
        run.signal_all(&run.ready_pods("counter")?, "counter", "KILL", &[])?;
    }
    for run in &runs {
        wait_until_counted(run, 100_000)?;
        run.stop()?;
    }

    let [doubled, exact] = [runs[0].wait_for_end(LIMIT)?, runs[1].wait_for_end(LIMIT)?];
    assert_eq!(doubled["verdict"], "Fail", "{doubled:#}");
    assert!(doubled["correctness"]["duplicated"].as_u64() > Some(0), "{doubled:#}");
    assert!(
        doubled["correctness"]["accountsWrong"].as_u64() > Some(0),
        "{doubled:#}"
    );
    let named = doubled["correctness"]["wrongAccounts"].as_array().map(Vec::len);
    assert!(named > Some(0), "the accounts are named: {doubled:#}");
    assert_eq!(exact["verdict"], "Pass", "{exact:#}");
    assert!(is_counted(&exact), "{exact:#}");
    Ok(())
}
