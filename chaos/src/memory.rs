//! What is kept of a run while this process lives. All of it comes back by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eoslab_api::{ChaosRun, ChaosRunStatus, LoadTest, RedisUrls};
use eoslab_core::report::{AckGap, Pause};
use eoslab_counter::ledger::LedgerEntry;
use eoslab_operator::seen::log::LogRange;

use crate::quorum::Quorum;

/// Of one run.
#[derive(Default)]
pub struct Memory {
    /// The status: this process is its only writer, and the copy that a watch brings may be an older
    /// one, in which a fault that was injected is not yet.
    pub status: Option<ChaosRunStatus>,
    /// Whether something of it is not written yet.
    pub is_unwritten: bool,
    /// The brokers' metadata, and the LoadTest that it is of.
    pub quorum: Option<(String, Arc<Quorum>)>,
    /// Address of Redis.
    pub urls: Option<RedisUrls>,
    /// What is read once a second.
    pub slow: Slow,
    /// Since when everything has been steady, us since the Unix epoch.
    pub steady_since_us: Option<i64>,
    /// When the status was last written, us since the Unix epoch.
    pub status_written_us: i64,
    /// Since when the fault of a run that is being deleted is tried to be taken back, us since the Unix epoch.
    pub releasing_since_us: Option<i64>,
    /// When the quorum was last asked for its leader, and what it said.
    pub controller: Option<(i64, Option<i32>)>,
}

/// What is read once a second.
#[derive(Default)]
pub struct Slow {
    /// When, us since the Unix epoch.
    pub read_us: i64,
    /// The LoadTest.
    pub loadtest: Option<LoadTest>,
    /// Slots by the UID of the pod that holds them.
    pub slots: BTreeMap<String, u32>,
    /// Namespaces in which faults are allowed.
    pub allowed: BTreeSet<String>,
    /// When log and ledger were read, us since the Unix epoch.
    pub outside_us: i64,
    /// Offsets of the log.
    pub log: Option<Vec<LogRange>>,
    /// The ledger.
    pub ledger: Option<Vec<LedgerEntry>>,
    /// Pauses in the ledger.
    pub pauses: Vec<Pause>,
    /// Times without an acknowledgement, of every producer that was ever read.
    pub ack_gaps: BTreeMap<(u32, i64), AckGap>,
    /// Rebalances, by the process of each counter.
    pub rebalances: BTreeMap<String, u64>,
}

/// The status of a run as it is known best.
pub fn known_status(memory: &Memory, run: &ChaosRun) -> ChaosRunStatus {
    memory.status.clone().or_else(|| run.status.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use eoslab_api::chaos::{Injection, InjectionState};
    use kube::Resource;
    use serde_json::json;

    use super::*;
    use crate::decide::current;

    fn run(status: Option<ChaosRunStatus>) -> ChaosRun {
        let run = json!({
            "apiVersion": ChaosRun::api_version(&()), "kind": ChaosRun::kind(&()),
            "metadata": {"name": "run"}, "spec": {"loadTest": "test", "faults": []}, "status": status,
        });
        serde_json::from_value(run).expect("a ChaosRun")
    }

    #[test]
    fn a_fault_that_was_injected_is_remembered_when_the_watch_brings_an_older_status() {
        let injected = ChaosRunStatus {
            injections: vec![Injection {
                state: InjectionState::Injected,
                ..Injection::default()
            }],
            ..ChaosRunStatus::default()
        };
        let memory = Memory {
            status: Some(injected.clone()),
            ..Memory::default()
        };
        let older = run(Some(ChaosRunStatus::default()));
        assert!(
            current(&known_status(&memory, &older)).is_some(),
            "or it is injected twice"
        );
        assert_eq!(
            known_status(&Memory::default(), &run(Some(injected.clone()))),
            injected,
            "after a restart"
        );
        assert_eq!(known_status(&Memory::default(), &run(None)), ChaosRunStatus::default());
    }
}
