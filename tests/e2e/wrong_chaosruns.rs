//! Wrong ChaosRuns: each is refused at admission or ends as Inconclusive, with a message that names the field and the
//! fix, and nothing is touched.

use std::time::Duration;

use eoslab_tests::{ChaosRun, LoadTest, TestNamespace, kubectl};
use serde_json::{Value, json};

const CASES: &str = include_str!("../data/wrong-chaosruns.yaml");
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn every_wrong_chaosrun_is_refused_with_the_field_and_the_fix_and_touches_nothing() -> Result<(), String> {
    let cases: Vec<Value> = serde_norway::from_str(CASES).map_err(|e| e.to_string())?;
    assert!(cases.len() >= 30, "{} cases", cases.len());
    let namespace = TestNamespace::chaos();
    let changes = json!({"producer": {"rate": 500, "events": 200_000}});
    let run = LoadTest::apply("steady", &namespace, changes)?;
    // Without its LoadTest a ChaosRun waits for one for half a minute: that begins now.
    let waits = |case: &Value| case["refusedBy"] == "controller" && case["spec"]["loadTest"] != "steady";
    for (number, case) in cases.iter().enumerate().filter(|(_, case)| waits(case)) {
        ChaosRun::apply(&name(number), &namespace, case["spec"].clone())?;
    }
    run.wait_for_phase("Running", LIMIT)?;
    let before = pods(&namespace)?;
    let mut wrong = Vec::new();
    let (late, soon): (Vec<_>, Vec<_>) = cases.iter().enumerate().partition(|(_, case)| waits(case));
    for (number, case) in soon.into_iter().chain(late) {
        if let Err(why) = check(&namespace, number, case) {
            wrong.push(format!("{}: {why}", case["name"]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(pods(&namespace)?, before, "nothing was touched");
    Ok(())
}

fn name(number: usize) -> String {
    format!("wrong-{number}")
}

fn check(namespace: &TestNamespace, number: usize, case: &Value) -> Result<(), String> {
    let applied = ChaosRun::apply(&name(number), namespace, case["spec"].clone());
    let said = match (case["refusedBy"].as_str(), applied) {
        (Some("admission"), Err(failure)) => failure.stderr,
        (Some("admission"), Ok(_)) => return Err("admitted".to_owned()),
        (Some("controller"), Ok(run)) => {
            let status = run.wait_for_end(LIMIT)?;
            if status["verdict"] != "Inconclusive" {
                return Err(format!("it ended {}", status["verdict"]));
            }
            status["message"].as_str().unwrap_or_default().to_owned()
        }
        (Some("controller"), Err(failure)) => return Err(format!("refused at admission: {failure}")),
        (other, _) => return Err(format!("refusedBy: {other:?}")),
    };
    for part in case["says"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !said.contains(part) {
            return Err(format!("`{part}` is not in: {said}"));
        }
    }
    Ok(())
}

/// Name, UID and restarts of every pod that a fault could hit.
fn pods(namespace: &TestNamespace) -> Result<String, String> {
    let columns = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} \
                   {.status.containerStatuses[*].restartCount}{\"\\n\"}{end}";
    let mut all = String::new();
    for name in [&namespace.name, "kafka", "eoslab-system"] {
        all.push_str(&kubectl(&["-n", name, "get", "pods", "-o", columns])?);
    }
    Ok(all)
}
