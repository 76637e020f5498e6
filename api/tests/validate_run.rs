//! Semantic validation of the run's members, times and pods: one test an error.

mod common;

use common::{minimal, mistake, spec_with, typed, valid};
use eoslab_api::SpecError;
use serde_json::json;

#[test]
fn place_producers() {
    let error = mistake(json!({"producer": {"replicas": 13}}));
    assert_eq!(
        error,
        SpecError::PlaceProducers {
            replicas: 13,
            partitions: 12
        }
    );
}

#[test]
fn place_clients() {
    let error = mistake(json!({"producer": {"clientsPerPod": 7}}));
    assert_eq!(
        error,
        SpecError::PlaceClients {
            clients: 14,
            partitions: 12
        }
    );
    valid(json!({"producer": {"clientsPerPod": 6}}));
}

#[test]
fn place_counters() {
    let error = mistake(json!({"counter": {"replicas": 13}}));
    assert_eq!(
        error,
        SpecError::PlaceCounters {
            replicas: 13,
            partitions: 12
        }
    );
}

#[test]
fn parse_rate() {
    for rate in [
        json!(0),
        json!(-5),
        json!(10_000_001),
        json!("1e5"),
        json!("+1"),
        json!("Max"),
        json!(""),
    ] {
        let error = mistake(json!({"producer": {"rate": rate}}));
        assert!(matches!(error, SpecError::ParseRate { .. }), "{error}");
    }
    assert_eq!(
        valid(json!({"producer": {"rate": "40000"}})).rate.per_second(),
        Some(40_000)
    );
}

#[test]
fn choose_length() {
    assert_eq!(mistake(json!({"producer": {"events": null}})), SpecError::ChooseLength);
    let both = mistake(json!({"producer": {"durationSeconds": 100}}));
    assert_eq!(both, SpecError::ChooseLength);
}

#[test]
fn count_events() {
    let events = 1_000_000_000_001_u64;
    assert_eq!(
        mistake(json!({"producer": {"events": events}})),
        SpecError::CountEvents { events }
    );
    let by_time = json!({"producer": {"rate": 10_000_000, "events": null, "durationSeconds": 604_800}});
    assert_eq!(
        mistake(by_time),
        SpecError::CountEvents {
            events: 6_048_000_000_000
        }
    );
}

#[test]
fn leave_measurement() {
    let error = mistake(json!({"producer": {"warmupSeconds": 75}}));
    assert_eq!(
        error,
        SpecError::LeaveMeasurement {
            warmup_s: 75,
            run_s: 75
        }
    );
    let error = mistake(json!({"producer": {"events": null, "durationSeconds": 10}}));
    assert_eq!(
        error,
        SpecError::LeaveMeasurement {
            warmup_s: 10,
            run_s: 10
        }
    );
    valid(json!({"producer": {"warmupSeconds": 74}}));
}

#[test]
fn combine_idempotence() {
    assert_eq!(
        mistake(json!({"producer": {"acks": "1"}})),
        SpecError::CombineIdempotence
    );
    valid(json!({"producer": {"acks": "1", "idempotence": false}}));
}

#[test]
fn wait_for_delivery() {
    let error = mistake(json!({"producer": {"deliveryTimeoutMs": 5}}));
    assert_eq!(
        error,
        SpecError::WaitForDelivery {
            timeout_ms: 5,
            linger_ms: 5
        }
    );
    valid(json!({"producer": {"deliveryTimeoutMs": 6}}));
}

#[test]
fn finish_in_time() {
    let error = mistake(json!({"limits": {"maxDurationSeconds": 74}}));
    assert_eq!(error, SpecError::FinishInTime { limit_s: 74, run_s: 75 });
    valid(json!({"limits": {"maxDurationSeconds": 75}}));
    valid(json!({"limits": {"maxDurationSeconds": 1}, "producer": {"rate": "max"}}));
}

#[test]
fn parse_amount() {
    for (of, amount, value) in [
        ("limits", "cpu", "2 cores"),
        ("limits", "memory", "2Gb"),
        ("requests", "cpu", "1.2345"),
    ] {
        let error = mistake(json!({"counter": {"resources": {of: {amount: value}}}}));
        assert!(matches!(error, SpecError::ParseAmount { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("spec.counter.resources.{of}.{amount}: ")),
            "{error}"
        );
    }
}

#[test]
fn request_resources() {
    let memory = json!({"requests": {"memory": "2Gi"}, "limits": {"memory": "2047Mi"}});
    let error = mistake(json!({"producer": {"resources": memory}}));
    assert!(
        error
            .to_string()
            .starts_with("spec.producer.resources.requests.memory: "),
        "{error}"
    );
    let cpu = json!({"requests": {"cpu": "1.5"}, "limits": {"cpu": "1499m"}});
    let error = mistake(json!({"counter": {"resources": cpu}}));
    assert!(
        error.to_string().starts_with("spec.counter.resources.requests.cpu: "),
        "{error}"
    );
    valid(json!({"counter": {"resources": {"requests": {"cpu": "1.5"}, "limits": {"cpu": "1500m"}}}}));
}

#[test]
fn fit_memory() {
    let small = json!({"requests": null, "limits": {"memory": "100Mi"}});
    for role in ["producer", "counter"] {
        let error = mistake(json!({role: {"resources": {"requests": {"memory": "1Mi"}, "limits": small["limits"]}}}));
        assert!(matches!(error, SpecError::FitMemory { .. }), "{error}");
        assert!(error.to_string().contains(role), "{error}");
    }
    let enough = json!({"requests": {"memory": "1Mi"}, "limits": {"memory": "160Mi"}});
    valid(json!({"stream": {"accounts": 100_000}, "producer": {"resources": enough}}));
}

#[test]
fn select_nodes() {
    for (key, value) in [
        ("", "x"),
        ("a b", "x"),
        ("a", "b c"),
        ("-a", "x"),
        ("/a", "x"),
        ("a/", "x"),
    ] {
        let error = mistake(json!({"podTemplate": {"nodeSelector": {key: value}}}));
        assert!(matches!(error, SpecError::SelectNodes { .. }), "{error}");
    }
    valid(json!({"podTemplate": {"nodeSelector": {"kubernetes.io/hostname": "n-1", "disk": ""}}}));
}

#[test]
fn tolerate_taint() {
    let wrongs = [
        json!({"operator": "Exists", "value": "x"}),
        json!({"value": "x"}),
        json!({"key": "a b"}),
        json!({"key": "a", "value": "b c"}),
        json!({"key": "a", "tolerationSeconds": 5}),
    ];
    for toleration in wrongs {
        let error = mistake(json!({"podTemplate": {"tolerations": [toleration]}}));
        assert!(matches!(error, SpecError::TolerateTaint { .. }), "{error}");
    }
    valid(json!({"podTemplate": {"tolerations": [{"operator": "Exists"}]}}));
}

#[test]
fn resources_become_those_of_a_container() {
    let resources = typed(minimal()).spec.producer.resources.to_requirements();
    let requests = resources.requests.expect("there are requests");
    assert_eq!(requests["cpu"].0, "100m");
    assert_eq!(requests["memory"].0, "256Mi");
    let limits = resources.limits.expect("there is a limit");
    assert_eq!(limits.len(), 1, "CPU has no limit: {limits:?}");
    assert_eq!(limits["memory"].0, "2Gi");
    let none = spec_with(json!({"counter": {"resources": null}}));
    assert_eq!(
        none.spec.counter.resources,
        eoslab_api::CounterSpec::default().resources
    );
}
