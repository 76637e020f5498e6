mod figures;
mod slots;

use eoslab_api::{Component, DISTURBANCES_MAX, DisturbanceCause, LagStatus, LoadTestStatus, Phase};
use eoslab_core::report::{AckGap, Pause};
use eoslab_runtime::slot::Holder;

use super::*;
use crate::decide::{Decision, Prior};
use crate::fixtures::plan;
use crate::seen::pods::PodView;
use crate::seen::slots::{Group, SlotView};
use crate::seen::{Pauses, Seen};
use DisturbanceCause::{ContainerRestarted, PodReplaced, Scaled};

const S: i64 = 1_000_000;

fn pod(name: &str) -> PodView {
    PodView {
        name: name.to_owned(),
        uid: format!("u-{name}"),
        created_us: 96 * S,
        is_ready: true,
        ready_since_us: Some(99 * S),
        is_running: true,
        ..PodView::default()
    }
}

fn with(mut pod: PodView, change: impl FnOnce(&mut PodView)) -> PodView {
    change(&mut pod);
    pod
}

fn starting(name: &str) -> PodView {
    with(pod(name), |pod| pod.is_ready = false)
}

fn deleted(name: &str, at_us: i64) -> PodView {
    with(starting(name), |pod| {
        (pod.is_terminating, pod.deleted_us) = (true, Some(at_us));
    })
}

/// Pods, and which of them hold the slots 0, 1, ...
fn group(pods: Vec<PodView>, holders: &[&str]) -> Group {
    let slot = |(index, name): (usize, &&str)| SlotView {
        index: index as u32,
        holder: Holder::parse(&format!("{name}/u-{name}")).filter(|_| !name.is_empty()),
        renewed_us: Some(95 * S),
        ..SlotView::default()
    };
    Group {
        deployment: None,
        slots: holders.iter().enumerate().map(slot).collect(),
        pods,
    }
}

fn calm() -> Group {
    group(vec![pod("a"), pod("b")], &["a", "b"])
}

/// What one look sees; the producers are calm.
struct World {
    phase: Phase,
    decided: Phase,
    wanted: u32,
    now_us: i64,
    lag: u64,
    lag_ms: u64,
    seen: Seen,
}

impl World {
    fn at(seconds: i64, counters: Group) -> Self {
        let seen = Seen {
            counters,
            producers: group(vec![pod("p"), pod("q")], &["p", "q"]),
            log: Some(Vec::new()),
            ledger: Some(Vec::new()),
            least_lag: Some(40),
            ..Seen::default()
        };
        Self {
            phase: Phase::Running,
            decided: Phase::Running,
            wanted: 2,
            now_us: seconds * S,
            lag: 40,
            lag_ms: 30,
            seen,
        }
    }

    /// The status after a look, as the API gives it back.
    fn look(&self, before: &LoadTestStatus) -> LoadTestStatus {
        let mut plan = plan();
        plan.valid.spec.counter.replicas = self.wanted;
        let (prior, decision) = (Prior::new(before), Decision::default());
        let facts = Facts {
            before,
            prior: &Prior {
                phase: self.phase,
                ..prior
            },
            plan: Some(&plan),
            seen: &self.seen,
            decision: &Decision {
                phase: self.decided,
                ..decision
            },
            generation: None,
            now_us: self.now_us,
        };
        let lag = LagStatus {
            records: self.lag,
            millis: self.lag_ms,
            ..LagStatus::default()
        };
        let mut status = LoadTestStatus {
            lag: Some(lag),
            ..before.clone()
        };
        fill(&facts, &plan, &mut status);
        let json = serde_json::to_string(&status).expect("a status is plain data");
        serde_json::from_str(&json).expect("what was written")
    }
}

/// After a first look at a calm group.
fn begun() -> LoadTestStatus {
    World::at(90, calm()).look(&LoadTestStatus::default())
}

#[test]
fn the_oldest_go_first() {
    let mut status = begun();
    for restarts in 1..=DISTURBANCES_MAX as u32 + 3 {
        let b = with(pod("b"), |pod| (pod.restarts, pod.ended_us) = (restarts, Some(97 * S)));
        status = World::at(100, group(vec![pod("a"), b], &["a", "b"])).look(&status);
    }
    assert_eq!(status.disturbances.len(), DISTURBANCES_MAX);
    assert_eq!(status.disturbances_total, DISTURBANCES_MAX as u64 + 3);
}
