//! The CustomResourceDefinition: generated, bounded, documented, and affordable for the API server.

use eoslab_api::crd::{loadtest_crd_json, loadtest_crd_yaml};
use kube::core::cel::{CompiledSchema, WarningKind, compile_schema, estimate_rule_cost};
use serde_json::Value;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../charts/eoslab/files/crds/loadtests.yaml"
);

#[test]
fn the_chart_holds_what_is_generated() -> Result<(), Box<dyn std::error::Error>> {
    let generated = loadtest_crd_yaml()?;
    if std::env::var_os("EOSLAB_REGENERATE").is_some() {
        std::fs::write(FILE, &generated)?;
    }
    assert!(
        std::fs::read_to_string(FILE)? == generated,
        "{FILE} is not what the types say; run EOSLAB_REGENERATE=1 cargo test --release -p eoslab-api --test crd"
    );
    Ok(())
}

#[test]
fn every_rule_compiles_and_is_affordable() -> Result<(), Box<dyn std::error::Error>> {
    let schema = schema()?;
    let mut rules = 0;
    each_node(&schema, "", &mut |path, node| {
        let compiled = compile_schema(node);
        assert!(!compiled.has_errors(), "{path}: {:?}", compiled.compilation_errors());
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            rules += 1;
            let rule = rule["rule"].as_str().expect("a rule is a text");
            assert_eq!(complaints(rule, &compiled), Vec::<String>::new(), "{path}: {rule}");
        }
    });
    assert!(rules > 30, "{rules} rules");
    Ok(())
}

fn complaints(rule: &str, schema: &CompiledSchema) -> Vec<String> {
    // The estimator bounds comprehensions by `maxItems`; those over maps are bounded by `maxProperties`.
    let is_bounded_map = schema.is_map && schema.max_properties.is_some();
    estimate_rule_cost(rule, schema)
        .into_iter()
        .filter(|warning| !is_bounded_map || warning.kind != WarningKind::MissingBounds)
        .map(|warning| warning.message)
        .collect()
}

#[test]
fn every_message_names_its_field_and_a_fix() -> Result<(), Box<dyn std::error::Error>> {
    let fixes = [
        "lower it",
        "raise it",
        "shorten",
        "remove",
        "choose another",
        "create a new LoadTest",
        "write",
        "correct",
        "set it",
        "put ",
        "add ",
    ];
    each_node(&schema()?, "", &mut |path, node| {
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().expect("a rule has a message");
            let head = ["spec.", "metadata.", "resources "];
            assert!(head.iter().any(|head| message.starts_with(head)), "{path}: {message}");
            assert!(fixes.iter().any(|fix| message.contains(fix)), "{path}: {message}");
            assert!(!message.contains("  ") && !message.contains('\n'), "{path}: {message}");
        }
    });
    Ok(())
}

#[test]
fn every_field_is_explained() -> Result<(), Box<dyn std::error::Error>> {
    each_node(&schema()?, "", &mut |path, node| {
        for (name, property) in node["properties"].as_object().into_iter().flatten() {
            let is_known = path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str());
            let text = property["description"].as_str().unwrap_or_default();
            assert!(
                is_known || path.is_empty() || text.len() > 4,
                "{path}.{name} has no description"
            );
        }
    });
    Ok(())
}

#[test]
fn everything_in_the_spec_is_bounded() -> Result<(), Box<dyn std::error::Error>> {
    let schema = schema()?;
    each_node(
        &schema["properties"]["spec"],
        "spec",
        &mut |path, node| match node["type"].as_str() {
            Some("string") => assert!(!node["maxLength"].is_null() || !node["enum"].is_null(), "{path}"),
            Some("array") => assert!(!node["maxItems"].is_null(), "{path}"),
            Some("integer") => assert!(!node["maximum"].is_null() && !node["minimum"].is_null(), "{path}"),
            Some("object") if !node["additionalProperties"].is_null() => {
                assert!(!node["maxProperties"].is_null(), "{path}");
            }
            Some("object" | "boolean") => {}
            Some(other) => panic!("{path} is a {other}: no floats, no free-form fields"),
            None => assert!(node["x-kubernetes-int-or-string"] == true, "{path} has no type"),
        },
    );
    each_node(&schema["properties"]["status"], "status", &mut |path, node| {
        assert!(node["type"] != "array" || !node["maxItems"].is_null(), "{path}");
        assert!(node["type"] != "number", "{path}");
        assert!(node["default"].is_null(), "{path}: the operator owns the status");
    });
    Ok(())
}

#[test]
fn formats_are_those_that_kubernetes_knows() -> Result<(), Box<dyn std::error::Error>> {
    each_node(&schema()?, "", &mut |path, node| {
        let known = [Value::Null, "int32".into(), "int64".into(), "date-time".into()];
        assert!(known.contains(&node["format"]), "{path}: {}", node["format"]);
    });
    Ok(())
}

fn schema() -> Result<Value, Box<dyn std::error::Error>> {
    let crd = loadtest_crd_json()?;
    let schema = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema")
        .ok_or("no schema")?;
    Ok(schema.clone())
}

/// Visits every node of a schema with its path.
fn each_node(node: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, node);
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        each_node(property, &format!("{path}.{name}"), visit);
    }
    for (key, name) in [("items", "[]"), ("additionalProperties", "{}")] {
        if node[key].is_object() {
            each_node(&node[key], &format!("{path}{name}"), visit);
        }
    }
}
