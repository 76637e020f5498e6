//! Each step of a run, and the worlds that the steps find.

mod ending;
mod running;
mod starting;

use eoslab_api::{LoadTest, Phase, TopicStatus};
use eoslab_core::Tally;
use eoslab_core::report::{Member, ProducerReport, ProducerState};
use eoslab_counter::ledger::LedgerEntry;
use serde_json::{Value, json};

use super::api::list;
use super::{NOW_US, Scenario};
use crate::fixtures::{loadtest, with_status};
use crate::names::FINALIZER;
use crate::seen::log::LogRange;
use crate::seen::members::{Report, Scraped};

pub(super) const NAMESPACE: &str = "/api/v1/namespaces/lab";
const APPS: &str = "/apis/apps/v1/namespaces/lab";
pub(super) const COORDINATION: &str = "/apis/coordination.k8s.io/v1/namespaces/lab";

pub(super) fn at(seconds: i64) -> String {
    let time = k8s_openapi::jiff::Timestamp::from_microsecond(NOW_US + seconds * 1_000_000).expect("a time");
    time.to_string()
}

/// A run in a phase whose first measured event was due `measured_s` ago.
pub(super) fn in_phase(phase: Phase, measured_s: i64) -> LoadTest {
    let mut loadtest = with_status(loadtest(), |status| {
        status.phase = phase;
        status.start_time = serde_json::from_value(json!(at(-60))).expect("a time");
        status.topic = Some(TopicStatus {
            name: "events".to_owned(),
            created_by_run: true,
        });
        if phase >= Phase::Warmup {
            status.measure_start_time = serde_json::from_value(json!(at(-measured_s))).expect("a time");
        }
    });
    loadtest.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    loadtest
}

pub(super) fn labels(role: &str) -> Value {
    json!({"eoslab.dev/role": role, "eoslab.dev/loadtest": "test", "eoslab.dev/run": "uid-1"})
}

pub(super) fn ready_pod(role: &str, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("u-{name}"), "labels": labels(role)},
        "status": {"phase": "Running", "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at(-30)}]},
    })
}

pub(super) fn lease(role: &str, index: u32, holder: &str) -> Value {
    json!({
        "metadata": {"name": format!("test-{role}-{index}"), "labels": labels(role), "creationTimestamp": at(-60)},
        "spec": {"holderIdentity": format!("{holder}/u-{holder}"), "renewTime": at(-1).replace('Z', ".000000Z")},
    })
}

/// Ready pods that hold the slots of both roles.
pub(super) fn members_are_ready(scenario: &Scenario, with_deployments: bool) {
    let (mut pods, mut leases, mut deployments) = (Vec::new(), Vec::new(), Vec::new());
    for role in ["producer", "counter"] {
        for index in 0..2 {
            let name = format!("{role}-{index}");
            pods.push(ready_pod(role, &name));
            leases.push(lease(role, index, &name));
        }
        deployments.push(json!({
            "metadata": {"name": format!("test-{role}"), "labels": labels(role)},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
        }));
    }
    scenario.api.have(&format!("{NAMESPACE}/pods"), list(&pods));
    scenario.api.have(&format!("{COORDINATION}/leases"), list(&leases));
    if with_deployments {
        scenario.api.have(&format!("{APPS}/deployments"), list(&deployments));
    }
}

fn producer(slot: u32, state: ProducerState, sent: u64) -> Scraped {
    Scraped {
        pod_uid: format!("u-producer-{slot}"),
        report: Report::Producer(Box::new(ProducerReport {
            member: Member {
                run_id: "uid-1".to_owned(),
                slot,
                incarnation: format!("producer-{slot}/u-producer-{slot}/1"),
                started_at_us: 1,
            },
            state,
            sent,
            ..ProducerReport::default()
        })),
    }
}

pub(super) fn counted(scenario: &Scenario, events: [i64; 4]) {
    scenario.outside(|answers| {
        answers.log = events.iter().map(|end| LogRange { begin: 0, end: *end }).collect();
        let entry = |(partition, count): (usize, &i64)| LedgerEntry {
            offset: count - 1,
            seq: count - 1,
            ts_us: NOW_US,
            tally: Tally {
                count: *count as u64,
                ..Tally::default()
            },
            ..LedgerEntry::empty(partition as u32)
        };
        answers.ledger = events.iter().enumerate().map(entry).collect();
    });
}
