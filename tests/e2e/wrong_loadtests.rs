//! Wrong LoadTests: each is refused at admission or ends as Stalled, with a message that names the field and the fix.

use std::time::Duration;

use eoslab_tests::{TestNamespace, eventually, kubectl, kubectl_with_input};
use serde_json::Value;

const CASES: &str = include_str!("../data/wrong-loadtests.yaml");

#[test]
fn every_wrong_loadtest_is_refused_with_the_field_and_the_fix() -> Result<(), String> {
    let namespace = TestNamespace::create("wrong");
    let cases: Vec<Value> = serde_norway::from_str(CASES).map_err(|e| e.to_string())?;
    assert!(cases.len() >= 50, "{} cases", cases.len());
    let restarts_before = operator_restarts()?;
    let mut wrong = Vec::new();
    for case in &cases {
        if let Err(why) = check(&namespace, case) {
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
    assert_eq!(operator_restarts()?, restarts_before, "the operator did not crash");
    Ok(())
}

fn check(namespace: &TestNamespace, case: &Value) -> Result<(), String> {
    let mut object = case["object"].clone();
    object["metadata"]["namespace"] = namespace.name.clone().into();
    let name = object["metadata"]["name"].as_str().ok_or("metadata.name")?.to_owned();
    let applied = kubectl_with_input(&["create", "-f", "-"], &object.to_string());
    let said = match (case["refusedBy"].as_str(), applied) {
        (Some("admission"), Err(failure)) => failure.stderr,
        (Some("admission"), Ok(_)) => return Err("admitted".to_owned()),
        (Some("operator"), Ok(_)) => stalled_message(namespace, &name)?,
        (Some("operator"), Err(failure)) => return Err(format!("refused at admission: {failure}")),
        (other, _) => return Err(format!("refusedBy: {other:?}")),
    };
    for part in case["says"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !said.contains(part) {
            return Err(format!("`{part}` is not in: {said}"));
        }
    }
    Ok(())
}

fn stalled_message(namespace: &TestNamespace, name: &str) -> Result<String, String> {
    eventually("Stalled", Duration::from_secs(180), || {
        let text = kubectl(&["-n", &namespace.name, "get", "loadtest", name, "-o", "json"])?;
        let object: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let is = |kind: &str| {
            object["status"]["conditions"]
                .as_array()
                .is_some_and(|c| c.iter().any(|c| c["type"] == kind && c["status"] == "True"))
        };
        if is("Stalled") && is("Complete") && object["status"]["verdict"] == "Error" {
            Ok(object["status"]["message"].as_str().unwrap_or_default().to_owned())
        } else {
            Err(object["status"].to_string())
        }
    })
}

fn operator_restarts() -> Result<String, String> {
    Ok(kubectl(&[
        "-n",
        "eoslab-system",
        "get",
        "pods",
        "-l",
        "app.kubernetes.io/component=operator",
        "-o",
        "jsonpath={.items[*].metadata.uid} {.items[*].status.containerStatuses[*].restartCount}",
    ])?)
}
