//! Objects that tests begin with.

use eoslab_api::{LoadTest, LoadTestStatus};
use serde_json::json;

use crate::plan::Plan;

/// A LoadTest of 1000 events a second, as a user writes it.
pub(crate) fn loadtest() -> LoadTest {
    serde_json::from_value(json!({
        "apiVersion": "eoslab.dev/v1alpha1",
        "kind": "LoadTest",
        "metadata": {
            "name": "test", "namespace": "lab", "uid": "uid-1", "generation": 1, "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "kafka": {"bootstrapServers": "kafka:9092"},
            "topic": {"name": "events", "partitions": 4, "replicationFactor": 3},
            "stream": {"accounts": 1000},
            "producer": {"replicas": 2, "rate": 1000, "events": 60000, "warmupSeconds": 10},
            "counter": {"replicas": 2},
            "ledger": {"redis": {"url": "redis://redis:6379"}},
        },
    }))
    .expect("a LoadTest")
}

/// The same with a status.
pub(crate) fn with_status(mut loadtest: LoadTest, change: impl FnOnce(&mut LoadTestStatus)) -> LoadTest {
    change(loadtest.status.get_or_insert_default());
    loadtest
}

/// The same after its end.
pub(crate) fn completed(loadtest: LoadTest) -> LoadTest {
    with_status(loadtest, |status| {
        status.observed_generation = Some(1);
        let complete = json!([{
            "type": "Complete", "status": "True", "reason": "Pass", "message": "",
            "lastTransitionTime": "2026-01-01T00:01:00Z",
        }]);
        status.conditions = serde_json::from_value(complete).expect("conditions");
    })
}

/// Its plan.
pub(crate) fn plan() -> Plan {
    plan_of(&loadtest())
}

/// The plan of another one.
pub(crate) fn plan_of(loadtest: &LoadTest) -> Plan {
    Plan::new(loadtest).expect("a valid spec")
}
