//! The phases as tables: every transition, every time limit, and that a restarted operator decides the same.

mod active;
mod ending;
mod every_phase;
mod starting;

use eoslab_api::{LoadTest, Phase, Verdict};
use eoslab_core::Tally;
use eoslab_counter::ledger::LedgerEntry;
use eoslab_runtime::slot::Holder;

use super::*;
use crate::fixtures::{loadtest, plan, plan_of};
use crate::seen::log::LogRange;
use crate::seen::pods::{PodView, Trouble};
use crate::seen::slots::{Group, SlotView};
use crate::seen::topic::{Cause, TopicFacts, TopicState};
use crate::seen::verify::VerifyState;
use crate::seen::{StoreState, Stream};

const S: i64 = 1_000_000;
/// Now, in every case.
const NOW: i64 = 1000 * S;

fn prior(phase: Phase) -> Prior {
    Prior {
        phase,
        provisioning_since_us: Some(NOW - 20 * S),
        ..Prior::default()
    }
}

/// A run whose first event was due `seconds` ago.
fn started(phase: Phase, seconds: i64) -> Prior {
    Prior {
        measure_us: Some(NOW - seconds * S + 10 * S),
        draining_since_us: (phase >= Phase::Draining).then_some(NOW - 5 * S),
        is_topic_ours: true,
        ..prior(phase)
    }
}

fn group(ready: &[bool], trouble: Option<(&str, bool)>) -> Group {
    let pod = |index: usize, is_ready: bool| PodView {
        name: format!("pod-{index}"),
        uid: format!("u{index}"),
        is_ready,
        ready_since_us: Some(NOW - 150 * S),
        trouble: trouble.filter(|_| !is_ready).map(|(reason, is_failure)| Trouble {
            reason: reason.to_owned(),
            message: "why".to_owned(),
            is_failure,
        }),
        ..PodView::default()
    };
    let slot = |index: usize| SlotView {
        index: index as u32,
        holder: Some(Holder {
            pod_name: format!("pod-{index}"),
            pod_uid: format!("u{index}"),
        }),
        renewed_us: Some(NOW - 150 * S),
        schedule: Some((1, 2)),
        ..SlotView::default()
    };
    Group {
        deployment: None,
        slots: (0..ready.len()).map(slot).collect(),
        pods: ready
            .iter()
            .enumerate()
            .map(|(index, ready)| pod(index, *ready))
            .collect(),
    }
}

fn seen() -> Seen {
    Seen {
        topic: TopicState::Exists(TopicFacts {
            partitions: 4,
            replication_factor: 3,
            ..TopicFacts::default()
        }),
        store: StoreState::Ready,
        stream: Some(Stream {
            digest: 7,
            counts: Some(vec![15_000; 4]),
        }),
        producers: group(&[true, true], None),
        counters: group(&[true, true], None),
        ..Seen::default()
    }
}

fn seen_with(change: impl FnOnce(&mut Seen)) -> Seen {
    let mut seen = seen();
    change(&mut seen);
    seen
}

fn decide(prior: &Prior, seen: &Seen) -> Decision {
    next(&plan(), prior, seen, NOW)
}

fn of(change: impl FnOnce(&mut LoadTest)) -> Plan {
    let mut loadtest = loadtest();
    change(&mut loadtest);
    plan_of(&loadtest)
}

fn verdict(decision: &Decision) -> Option<Verdict> {
    decision.outcome.as_ref().map(|outcome| outcome.verdict)
}

fn cause(reason: &'static str) -> Cause {
    Cause::new(reason, format!("spec.field: {reason}; fix"))
}

fn ledger(seqs: &[i64]) -> Vec<LedgerEntry> {
    let entry = |(partition, seq): (usize, &i64)| LedgerEntry {
        seq: *seq,
        offset: *seq,
        tally: Tally {
            count: (*seq + 1) as u64,
            ..Tally::default()
        },
        ..LedgerEntry::empty(partition as u32)
    };
    seqs.iter().enumerate().map(entry).collect()
}

fn log(ends: &[i64]) -> Vec<LogRange> {
    ends.iter().map(|end| LogRange { begin: 0, end: *end }).collect()
}

fn draining(seqs: &[i64], done: &[u32], producers: &[bool]) -> Seen {
    seen_with(|seen| {
        seen.done = done.iter().copied().collect();
        seen.producers = group(producers, None);
        seen.ledger = Some(ledger(seqs));
        seen.log = Some(log(&[15_000; 4]));
    })
}

fn verifying(verify: VerifyState) -> Seen {
    let mut seen = draining(&[14_999; 4], &[0, 1], &[]);
    seen.verify = verify;
    seen
}
