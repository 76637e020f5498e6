//! The CustomResourceDefinition: generated, bounded, documented, and affordable for the API server.

use eoslab_api::crd::{crd_json, files};
use eoslab_api::{ChaosRun, LoadTest};
use kube::core::cel::{CompiledSchema, WarningKind, compile_schema, estimate_rule_cost};
use serde_json::Value;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/eoslab/files/crds");

#[test]
fn the_chart_holds_what_is_generated() -> Result<(), Box<dyn std::error::Error>> {
    for (name, generated) in files()? {
        let path = format!("{FILES}/{name}");
        if std::env::var_os("EOSLAB_REGENERATE").is_some() {
            std::fs::write(&path, &generated)?;
        }
        assert!(
            std::fs::read_to_string(&path)? == generated,
            "{path} is not what the types say; run EOSLAB_REGENERATE=1 cargo test --release -p eoslab-api --test crd"
        );
    }
    Ok(())
}

#[test]
fn every_rule_compiles_and_is_affordable() -> Result<(), Box<dyn std::error::Error>> {
    let mut rules = 0;
    each_node(&mut |path, node| {
        let compiled = compile_schema(node);
        assert!(!compiled.has_errors(), "{path}: {:?}", compiled.compilation_errors());
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            rules += 1;
            let rule = rule["rule"].as_str().expect("a rule is a text");
            assert_eq!(complaints(rule, &compiled), Vec::<String>::new(), "{path}: {rule}");
        }
    })?;
    assert!(rules > 40, "{rules} rules");
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
        "create a new ChaosRun",
        "write",
        "correct",
        "set it",
        "put ",
        "add ",
    ];
    each_node(&mut |path, node| {
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().expect("a rule has a message");
            let head = ["spec.", "metadata.", "resources "];
            assert!(head.iter().any(|head| message.starts_with(head)), "{path}: {message}");
            assert!(fixes.iter().any(|fix| message.contains(fix)), "{path}: {message}");
            assert!(!message.contains("  ") && !message.contains('\n'), "{path}: {message}");
        }
    })
}

#[test]
fn every_field_is_explained() -> Result<(), Box<dyn std::error::Error>> {
    each_node(&mut |path, node| {
        for (name, property) in node["properties"].as_object().into_iter().flatten() {
            let is_top = !path.contains('.');
            let text = property["description"].as_str().unwrap_or_default();
            assert!(is_top || text.len() > 4, "{path}.{name} has no description");
        }
    })
}

#[test]
fn everything_in_the_spec_is_bounded() -> Result<(), Box<dyn std::error::Error>> {
    each_node(&mut |path, node| {
        if !path.contains(".spec") {
            return;
        }
        match node["type"].as_str() {
            Some("string") => assert!(!node["maxLength"].is_null() || !node["enum"].is_null(), "{path}"),
            Some("array") => assert!(!node["maxItems"].is_null(), "{path}"),
            Some("integer") => assert!(!node["maximum"].is_null() && !node["minimum"].is_null(), "{path}"),
            Some("object") if !node["additionalProperties"].is_null() => {
                assert!(!node["maxProperties"].is_null(), "{path}");
            }
            Some("object" | "boolean") => {}
            Some(other) => panic!("{path} is a {other}: no floats, no free-form fields"),
            None => assert!(node["x-kubernetes-int-or-string"] == true, "{path} has no type"),
        }
    })
}

#[test]
fn everything_in_the_status_is_bounded_and_without_defaults() -> Result<(), Box<dyn std::error::Error>> {
    each_node(&mut |path, node| {
        if path.contains(".status") {
            assert!(node["type"] != "array" || !node["maxItems"].is_null(), "{path}");
            assert!(node["type"] != "number", "{path}");
            assert!(node["default"].is_null(), "{path}: the controller owns the status");
        }
    })
}

#[test]
fn formats_are_those_that_kubernetes_knows() -> Result<(), Box<dyn std::error::Error>> {
    each_node(&mut |path, node| {
        let known = [Value::Null, "int32".into(), "int64".into(), "date-time".into()];
        assert!(known.contains(&node["format"]), "{path}: {}", node["format"]);
    })
}

/// Visits every node of the schemas of both kinds with its path.
fn each_node(visit: &mut dyn FnMut(&str, &Value)) -> Result<(), Box<dyn std::error::Error>> {
    for (kind, crd) in [
        ("LoadTest", crd_json::<LoadTest>()?),
        ("ChaosRun", crd_json::<ChaosRun>()?),
    ] {
        let schema = crd
            .pointer("/spec/versions/0/schema/openAPIV3Schema")
            .ok_or("no schema")?;
        visit_node(schema, kind, visit);
    }
    Ok(())
}

fn visit_node(node: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, node);
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        visit_node(property, &format!("{path}.{name}"), visit);
    }
    for (key, name) in [("items", "[]"), ("additionalProperties", "{}")] {
        if node[key].is_object() {
            visit_node(&node[key], &format!("{path}{name}"), visit);
        }
    }
}
