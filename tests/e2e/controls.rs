//! What must fail, fails: a verdict that cannot say no proves nothing.

use std::time::Duration;

use eoslab_tests::{LoadTest, TestNamespace, is_counted};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(600);

fn crash_all_counters(run: &LoadTest) -> Result<(), String> {
    wait_until_counted(run, 40_000)?;
    run.signal_all(&run.ready_pods("counter")?, "counter", "KILL", &[])
}

fn wait_until_counted(run: &LoadTest, events: u64) -> Result<(), String> {
    run.wait_for(&format!("{events} are counted"), LIMIT, |s| {
        s["counters"]["counted"].as_u64() > Some(events)
    })?;
    Ok(())
}

fn run_with_crashed_counters(test: &str, mode: &str) -> Result<Value, String> {
    let namespace = TestNamespace::create(test);
    let changes = json!({"producer": {"rate": 5_000, "events": 5_000_000}, "counter": {"mode": mode}});
    let run = LoadTest::apply("crashed", &namespace, changes)?;
    crash_all_counters(&run)?;
    wait_until_counted(&run, 100_000)?;
    run.stop()?;
    run.wait_for_end(LIMIT)
}

#[test]
fn at_least_once_doubles_when_counters_crash_and_the_verdict_says_so() -> Result<(), String> {
    let status = run_with_crashed_counters("alo", "at-least-once")?;
    assert_eq!(status["verdict"], "Fail", "{status:#}");
    assert!(status["correctness"]["duplicated"].as_u64() > Some(0), "{status:#}");
    assert!(status["correctness"]["accountsWrong"].as_u64() > Some(0), "{status:#}");
    let named = status["correctness"]["wrongAccounts"].as_array().map(Vec::len);
    assert!(named > Some(0), "the accounts are named: {status:#}");
    Ok(())
}

#[test]
fn exactly_once_stays_exact_under_the_same_crash() -> Result<(), String> {
    let status = run_with_crashed_counters("eos", "exactly-once")?;
    assert_eq!(status["verdict"], "Pass", "{status:#}");
    assert!(is_counted(&status), "{status:#}");
    Ok(())
}
