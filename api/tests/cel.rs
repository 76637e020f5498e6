//! The CEL rules, as tables: what is admitted, what is refused with which words, and what may change.

mod common;

use common::{minimal, spec_with, typed, with};
use eoslab_api::LoadTest;
use kube::core::cel::{validate_cel, validate_cel_update};
use serde_json::{Value, json};

#[test]
fn the_least_that_a_user_must_write_is_admitted() {
    validate_cel(&typed(minimal())).expect("it is right");
}

#[test]
fn right_specs_are_admitted() {
    let rights = [
        json!({"producer": {"rate": "max"}}),
        json!({"producer": {"rate": "40000"}}),
        json!({"producer": {"rate": "search", "events": null}}),
        json!({"producer": {"rate": "search", "events": null}, "search": {"startRate": 7, "maxRate": 7}}),
        json!({"producer": {"rate": 10_000_000, "events": 1_000_000_000_000_u64}}),
        json!({"producer": {"events": null, "durationSeconds": 1800}}),
        json!({"producer": {"acks": "0", "idempotence": false}}),
        json!({"producer": {"warmupSeconds": 0, "events": 1}}),
        json!({"producer": {"deliveryTimeoutMs": 6, "lingerMs": 5}}),
        json!({"kafka": {"bootstrapServers": "a:1,b-c.d.:9092,[::1]:9093,10.0.0.1:9092"}}),
        json!({"kafka": {"clientProperties": {"socket.nagle.disable": "true", "debug": "broker,msg"}}}),
        json!({"topic": {"config": {"cleanup.policy": "delete", "min.insync.replicas": "3"}}}),
        json!({"topic": {"name": "a.b_c-1", "partitions": 512, "replicationFactor": 1}}),
        json!({"stream": {"zipfExponent": "0", "salting": {"accounts": 10, "salts": 8}}}),
        json!({"stream": {"zipfExponent": "3.000000", "accounts": 1}}),
        json!({"stream": {"zipfExponent": "2.999999"}}),
        json!({"ledger": {"redis": {"urlSecretRef": null, "url": "redis://a:6379,redis://b:6380/1"}}}),
        json!({"counter": {"replicas": 12, "mode": "at-least-once", "assignor": "range"}}),
        json!({"counter": {"protocol": "consumer"}, "kafka": {"clientProperties": {"debug": "cgrp"}}}),
        json!({"counter": {"protocol": "classic"}, "kafka": {"clientProperties": {"heartbeat.interval.ms": "500"}}}),
        json!({"limits": {"maxDurationSeconds": 60}, "slo": {"endToEndP99Ms": 2000, "maxLagRecords": 5}}),
        json!({"image": "registry.example:5000/a/b@sha256:0123"}),
        json!({"counter": {"resources": {"limits": {"cpu": "1.5", "memory": "1073741824"}}}}),
        json!({"podTemplate": {"nodeSelector": {"a": "b"}, "tolerations": [
            {"operator": "Exists"},
            {"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5},
        ]}}),
    ];
    for changes in rights {
        if let Err(why) = validate_cel(&spec_with(changes.clone())) {
            panic!("{changes}: {why}");
        }
    }
}

#[test]
fn wrong_specs_are_refused_in_the_words_of_the_field() {
    let wrongs = [
        (json!({"producer": {"rate": 0}}), "spec.producer.rate: must be a number"),
        (
            json!({"producer": {"rate": -1}}),
            "spec.producer.rate: must be a number",
        ),
        (
            json!({"producer": {"rate": 10_000_001}}),
            "spec.producer.rate: must be a number",
        ),
        (
            json!({"producer": {"rate": "1e5"}}),
            "spec.producer.rate: must be a number",
        ),
        (
            json!({"producer": {"rate": "MAX"}}),
            "spec.producer.rate: must be a number",
        ),
        (json!({"producer": {"events": null}}), "spec.producer: give exactly one"),
        (
            json!({"producer": {"durationSeconds": 60}}),
            "spec.producer: give exactly one",
        ),
        (
            json!({"producer": {"acks": "1"}}),
            "spec.producer.idempotence: needs acks",
        ),
        (
            json!({"producer": {"deliveryTimeoutMs": 5}}),
            "spec.producer.deliveryTimeoutMs: must be above",
        ),
        (
            json!({"producer": {"warmupSeconds": 75}}),
            "spec.producer.warmupSeconds: at this rate",
        ),
        (
            json!({"producer": {"events": null, "durationSeconds": 10}}),
            "spec.producer.warmupSeconds: is not shorter",
        ),
        (
            json!({"producer": {"events": null, "durationSeconds": 604_800, "rate": 10_000_000}}),
            "spec.producer.durationSeconds: times the rate",
        ),
        (
            json!({"producer": {"replicas": 13}}),
            "spec.producer.replicas: must not exceed",
        ),
        (
            json!({"producer": {"clientsPerPod": 7}}),
            "spec.producer.clientsPerPod: times",
        ),
        (
            json!({"counter": {"replicas": 13}}),
            "spec.counter.replicas: must not exceed",
        ),
        (
            json!({"topic": {"partitions": 1}, "stream": {"accounts": 60_000_001},
                   "producer": {"replicas": 1}, "counter": {"replicas": 1}}),
            "spec.stream.accounts: must not exceed",
        ),
        (
            json!({"producer": {"events": null, "durationSeconds": 61}, "limits": {"maxDurationSeconds": 60}}),
            "spec.limits.maxDurationSeconds: is shorter",
        ),
        (
            json!({"stop": true, "producer": {"events": null, "rate": "search"}}),
            "spec.stop: ends a run at one rate",
        ),
        (
            json!({"kafka": {"bootstrapServers": "lab"}}),
            "spec.kafka.bootstrapServers: must be host:port",
        ),
        (
            json!({"kafka": {"bootstrapServers": "a:1, b:1"}}),
            "spec.kafka.bootstrapServers: must be host:port",
        ),
        (
            json!({"kafka": {"bootstrapServers": "a:1,"}}),
            "spec.kafka.bootstrapServers: must be host:port",
        ),
        (
            json!({"kafka": {"bootstrapServers": "http://a:1"}}),
            "spec.kafka.bootstrapServers: must be host:port",
        ),
        (
            json!({"kafka": {"clientProperties": {"acks": "1"}}}),
            "spec.kafka.clientProperties: holds a key",
        ),
        (
            json!({"kafka": {"clientProperties": {"group.instance.id": "x"}}}),
            "spec.kafka.clientProperties: holds a key",
        ),
        (
            json!({"kafka": {"clientProperties": {"sasl.password": "x"}}}),
            "spec.kafka.clientProperties: holds a credential",
        ),
        (
            json!({"counter": {"protocol": "consumer"}, "kafka": {"clientProperties": {"heartbeat.interval.ms": "500"}}}),
            "spec.kafka.clientProperties: heartbeat.interval.ms and group.protocol.type are the brokers' own",
        ),
        (
            json!({"kafka": {"clientProperties": {"default.topic.acks": "1"}}}),
            "spec.kafka.clientProperties: holds a key",
        ),
        (
            json!({"kafka": {"clientProperties": {"Debug": "x"}}}),
            "spec.kafka.clientProperties: keys must be",
        ),
        (
            json!({"kafka": {"clientProperties": {"debug": "a\nb"}}}),
            "spec.kafka.clientProperties: keys must be",
        ),
        (json!({"topic": {"name": "a b"}}), "spec.topic.name: must be letters"),
        (json!({"topic": {"name": ".."}}), "spec.topic.name: must be letters"),
        (
            json!({"topic": {"name": "__consumer_offsets"}}),
            "spec.topic.name: begins with",
        ),
        (
            json!({"topic": {"config": {"cleanup.policy": "compact"}}}),
            "spec.topic.config: cleanup.policy",
        ),
        (
            json!({"topic": {"config": {"min.insync.replicas": "4"}}}),
            "spec.topic.config: min.insync.replicas",
        ),
        (
            json!({"topic": {"config": {"min.insync.replicas": "two"}}}),
            "spec.topic.config: min.insync.replicas",
        ),
        (
            json!({"stream": {"zipfExponent": "3.1"}}),
            "spec.stream.zipfExponent: must be a decimal",
        ),
        (
            json!({"stream": {"zipfExponent": "-1"}}),
            "spec.stream.zipfExponent: must be a decimal",
        ),
        (
            json!({"stream": {"zipfExponent": "1,1"}}),
            "spec.stream.zipfExponent: must be a decimal",
        ),
        (
            json!({"stream": {"zipfExponent": "1e0"}}),
            "spec.stream.zipfExponent: must be a decimal",
        ),
        (
            json!({"stream": {"accounts": 5, "salting": {"accounts": 6, "salts": 2}}}),
            "spec.stream.salting.accounts: must not exceed",
        ),
        (
            json!({"ledger": {"redis": {"urlSecretRef": null}}}),
            "spec.ledger.redis: give exactly one",
        ),
        (
            json!({"ledger": {"redis": {"url": "redis://a:1"}}}),
            "spec.ledger.redis: give exactly one",
        ),
        (
            json!({"ledger": {"redis": {"urlSecretRef": null, "url": "a:6379"}}}),
            "spec.ledger.redis.url: must be redis://",
        ),
        (
            json!({"ledger": {"redis": {"urlSecretRef": null, "url": "redis://:pw@a:6379"}}}),
            "spec.ledger.redis.url: holds a user or password",
        ),
        (json!({"image": "a b"}), "spec.image: is not the name"),
        (
            json!({"producer": {"resources": {"limits": {"memory": "1.5Gi"}}}}),
            "resources memory: must be",
        ),
        (
            json!({"producer": {"resources": {"limits": {"cpu": "two"}}}}),
            "resources cpu: must be",
        ),
        (
            json!({"podTemplate": {"tolerations": [{"operator": "Exists", "value": "x"}]}}),
            "spec.podTemplate.tolerations: operator Exists",
        ),
        (
            json!({"podTemplate": {"tolerations": [{"value": "x"}]}}),
            "spec.podTemplate.tolerations: operator Equal",
        ),
        (
            json!({"podTemplate": {"tolerations": [{"key": "x", "tolerationSeconds": 1}]}}),
            "spec.podTemplate.tolerations: tolerationSeconds",
        ),
    ];
    for (changes, says) in wrongs {
        refuses(&spec_with(changes.clone()), None, says, &changes);
    }
}

#[test]
fn names_that_pods_and_services_could_not_bear_are_refused() {
    for name in ["a.b", "1a", "a-", &"a".repeat(41)] {
        let object = typed(with(json!({"metadata": {"name": name}})));
        refuses(&object, None, "metadata.name: must be", &json!(name));
    }
    let longest = typed(with(json!({"metadata": {"name": "a".repeat(40)}})));
    validate_cel(&longest).expect("40 characters are few enough");
}

#[test]
fn suspend_stop_abort_and_the_number_of_counters_may_change() {
    let changes = [
        json!({"suspend": true}),
        json!({"stop": true}),
        json!({"abort": true}),
        json!({"counter": {"replicas": 5}}),
    ];
    for changes in changes {
        let new = spec_with(changes.clone());
        if let Err(why) = validate_cel_update(&new, &typed(minimal())) {
            panic!("{changes}: {why}");
        }
    }
    let resumed = validate_cel_update(&typed(minimal()), &spec_with(json!({"suspend": true})));
    resumed.expect("a suspended run may be resumed");
}

#[test]
fn nothing_else_may_change() {
    let changes = [
        ("spec.kafka", json!({"kafka": {"bootstrapServers": "other:9092"}})),
        ("spec.kafka", json!({"kafka": {"clientProperties": {"debug": "all"}}})),
        ("spec.topic", json!({"topic": {"partitions": 24}})),
        ("spec.topic", json!({"topic": {"deletionPolicy": "Retain"}})),
        ("spec.stream", json!({"stream": {"seed": 43}})),
        (
            "spec.stream",
            json!({"stream": {"salting": {"accounts": 1, "salts": 2}}}),
        ),
        ("spec.producer", json!({"producer": {"rate": 50_000}})),
        ("spec.producer", json!({"producer": {"replicas": 3}})),
        ("spec.producer", json!({"producer": {"events": 1_000_000}})),
        ("spec.counter", json!({"counter": {"mode": "at-least-once"}})),
        ("spec.counter", json!({"counter": {"protocol": "consumer"}})),
        ("spec.counter", json!({"counter": {"assignor": "range"}})),
        ("spec.counter", json!({"counter": {"staticMembership": false}})),
        ("spec.counter", json!({"counter": {"sessionTimeoutMs": 7000}})),
        ("spec.counter", json!({"counter": {"batchEvents": 1}})),
        ("spec.counter", json!({"counter": {"batchIntervalMs": 1}})),
        ("spec.counter", json!({"counter": {"keepRunning": true}})),
        (
            "spec.counter",
            json!({"counter": {"resources": {"limits": {"memory": "2Gi"}}}}),
        ),
        (
            "spec.ledger",
            json!({"ledger": {"redis": {"urlSecretRef": {"name": "other"}}}}),
        ),
        ("spec.slo", json!({"slo": {"endToEndP99Ms": 2000}})),
        ("spec.limits", json!({"limits": {"maxDurationSeconds": 4000}})),
        ("spec.image", json!({"image": "other"})),
        ("spec.podTemplate", json!({"podTemplate": {"nodeSelector": {"a": "b"}}})),
    ];
    let fields: std::collections::BTreeSet<_> = changes.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields.len(), 10, "every field but suspend, stop and abort: {fields:?}");
    let old = typed(minimal());
    for (field, changes) in changes {
        let new = spec_with(changes.clone());
        validate_cel(&new).unwrap_or_else(|why| panic!("{changes}: {why}"));
        refuses(&new, Some(&old), &format!("{field}: "), &changes);
        refuses(&new, Some(&old), "create a new LoadTest", &changes);
        // Taking something away is a change as well.
        refuses(&old, Some(&new), "create a new LoadTest", &changes);
    }
}

#[test]
fn a_stop_or_an_abort_cannot_be_taken_back() {
    for field in ["stop", "abort"] {
        let ended = spec_with(json!({field: true}));
        let says = format!("spec.{field}: cannot be taken back");
        refuses(&typed(minimal()), Some(&ended), &says, &json!(field));
    }
}

fn refuses(object: &LoadTest, old: Option<&LoadTest>, says: &str, what: &Value) {
    let result = match old {
        Some(old) => validate_cel_update(object, old),
        None => validate_cel(object),
    };
    let errors = result.err().unwrap_or_else(|| panic!("{what} was admitted"));
    let said = errors.to_string();
    assert!(said.contains(says), "{what}: `{says}` is not in: {said}");
}
