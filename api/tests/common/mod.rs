//! What the tests share: a LoadTest that is right, and changes to it.
#![allow(dead_code, missing_docs)]

use eoslab_api::{LoadTest, SpecError, ValidSpec};
use serde_json::{Value, json};

/// The least that a user must write.
pub fn minimal() -> Value {
    json!({
        "apiVersion": "eoslab.dev/v1alpha1",
        "kind": "LoadTest",
        "metadata": {"name": "baseline", "namespace": "kafka"},
        "spec": {
            "kafka": {"bootstrapServers": "lab-kafka-bootstrap.kafka.svc:9092"},
            "producer": {"rate": 40_000, "events": 3_000_000},
            "ledger": {"redis": {"urlSecretRef": {"name": "lab-redis"}}},
        }
    })
}

/// [`minimal`] with `changes` merged in; `null` removes a field.
pub fn with(changes: Value) -> Value {
    let mut object = minimal();
    merge(&mut object, changes);
    object
}

/// The typed object with its defaults, as the operator sees it.
pub fn typed(object: Value) -> LoadTest {
    serde_json::from_value(object).expect("the object has the right types")
}

/// [`with`] for changes of the spec.
pub fn spec_with(changes: Value) -> LoadTest {
    typed(with(json!({"spec": changes})))
}

fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else {
        *into = from;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in from {
        if value.is_null() {
            into.as_object_mut().map(|into| into.remove(&key));
        } else {
            merge(&mut into[key], value);
        }
    }
}

/// What a spec with these changes is validated to.
pub fn valid(changes: Value) -> ValidSpec {
    match spec_with(changes.clone()).spec.validate() {
        Ok(valid) => valid,
        Err(errors) => panic!("{changes}: {errors}"),
    }
}

/// The one mistake in `changes`.
pub fn mistake(changes: Value) -> SpecError {
    let errors = spec_with(changes.clone()).spec.validate().expect_err("it is wrong");
    assert_eq!(errors.as_slice().len(), 1, "{changes}: {errors}");
    let error = errors.as_slice()[0].clone();
    let message = error.to_string();
    assert!(
        message.starts_with("spec.") && message.contains("; "),
        "field: what; fix, not: {message}"
    );
    assert_eq!(errors.label(), error.label());
    error
}
