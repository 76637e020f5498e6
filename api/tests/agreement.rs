//! What is written twice agrees: with the domain crate, with the examples, and with the wrong LoadTests.

mod common;

use std::path::Path;

use common::typed;
use eoslab_api::crd::crd_json;
use eoslab_api::{BROKER_PROPERTIES, ChaosRun, LoadTest, OWNED_PROPERTIES, SECRET_PROPERTIES, cel};
use kube::core::cel::validate_cel;
use serde::Deserialize;
use serde_json::Value;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn bounds_are_within_those_of_the_domain() -> Result {
    let crd = crd_json::<LoadTest>()?;
    let field = |path: &str| {
        let path = path.replace('/', "/properties/");
        crd.pointer(&format!(
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec{path}"
        ))
        .cloned()
        .ok_or(path)
    };
    let maximum = |path: &str| field(path).map(|field| field["maximum"].as_u64());
    assert!(maximum("/topic/partitions")? <= Some(eoslab_core::PARTITIONS_MAX.into()));
    assert_eq!(maximum("/stream/accounts")?, Some(eoslab_core::ACCOUNTS_MAX.into()));
    assert_eq!(
        maximum("/stream/salting/accounts")?,
        Some(eoslab_core::SALTED_ACCOUNTS_MAX.into())
    );
    assert_eq!(maximum("/stream/salting/salts")?, Some(eoslab_core::SALTS_MAX.into()));
    assert_eq!(field("/stream/messageSizeBytes")?["minimum"], eoslab_core::HEADER_LEN);
    assert_eq!(eoslab_core::ZIPF_EXPONENT_MAX, 3.0);
    assert_eq!(eoslab_api::WRONG_ACCOUNTS_MAX, eoslab_core::report::WRONG_ACCOUNTS_MAX);
    assert_eq!(
        eoslab_api::MALFORMED_SAMPLES_MAX,
        eoslab_core::report::MALFORMED_SAMPLES_MAX
    );
    Ok(())
}

#[test]
fn rules_list_the_same_properties_as_the_validation() {
    for (rule, properties) in cel::CLIENT_PROPERTIES.iter().zip([OWNED_PROPERTIES, SECRET_PROPERTIES]) {
        assert_eq!(listed(rule), properties);
    }
    let at_properties = |rule: &&cel::CelRule| rule.field_path == Some(".kafka.clientProperties");
    let rule = cel::SPEC.iter().find(at_properties).expect("a rule of the protocol");
    assert_eq!(listed(rule), BROKER_PROPERTIES);
}

/// The last list of a rule.
fn listed(rule: &cel::CelRule) -> Vec<&'static str> {
    let list = rule.rule.rsplit('[').next().unwrap_or_default();
    list.split('\'').skip(1).step_by(2).collect()
}

#[test]
fn the_examples_are_right() -> Result {
    let mut examples = 0;
    for file in std::fs::read_dir(root().join("deploy/examples"))? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for document in serde_norway::Deserializer::from_str(&text) {
            let object = Value::deserialize(document)?;
            check_example(object).map_err(|why| format!("{}: {why}", path.display()))?;
            examples += 1;
        }
    }
    assert!(examples >= 4, "{examples} examples");
    Ok(())
}

fn check_example(object: Value) -> Result {
    if object["kind"] == "ChaosRun" {
        let run: ChaosRun = serde_json::from_value(object)?;
        validate_cel(&run)?;
        return Ok(());
    }
    let loadtest: LoadTest = serde_json::from_value(object)?;
    validate_cel(&loadtest)?;
    loadtest.spec.validate()?;
    Ok(())
}

/// What needs no cluster to be checked; `tests/e2e` runs all of them against one.
#[test]
fn wrong_loadtests_for_the_operator_are_wrong_for_it_alone() -> Result {
    let cases = std::fs::read_to_string(root().join("tests/data/wrong-loadtests.yaml"))?;
    let cases: Vec<Value> = serde_norway::from_str(&cases)?;
    assert!(cases.len() >= 50, "{} cases", cases.len());
    let mut names = std::collections::BTreeSet::new();
    for case in &cases {
        assert!(
            names.insert(case["object"]["metadata"]["name"].to_string()),
            "{} twice",
            case["object"]["metadata"]
        );
        assert!(case["says"].as_array().is_some_and(|says| !says.is_empty()), "{case}");
        if case["refusedBy"] == "operator" {
            check(case).map_err(|why| format!("{}: {why}", case["name"]))?;
        }
    }
    Ok(())
}

fn check(case: &Value) -> Result {
    let loadtest = typed(case["object"].clone());
    validate_cel(&loadtest)?;
    let said = loadtest.spec.validate().err().ok_or("it is valid")?.to_string();
    for part in case["says"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !said.contains(part) {
            return Err(format!("`{part}` is not in: {said}").into());
        }
    }
    Ok(())
}
