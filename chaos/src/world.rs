//! What was seen, as plain data: nothing in here does I/O.

use std::collections::{BTreeMap, BTreeSet};

use eoslab_api::{LoadTestStatus, Phase};
use eoslab_core::report::{AckGap, Pause};
use eoslab_counter::ledger::LedgerEntry;
use eoslab_operator::seen::log::{Lag, LogRange, lag};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt;

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Kafka's brokers.
    Brokers,
    /// The LoadTest's counters.
    Counters,
    /// The LoadTest's producers.
    Producers,
    /// The ledger's Redis.
    Redis,
    /// The LoadTest controller.
    Operator,
}

/// A pod that a fault may hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its node.
    pub node: String,
    /// Whether it is ready and not about to go.
    pub is_ready: bool,
    /// Whether it was asked to stop.
    pub is_going: bool,
    /// Whether one of its containers does not run.
    pub is_down: bool,
    /// Restarts of all its containers.
    pub restarts: u32,
    /// When it was made, us since the Unix epoch.
    pub created_us: i64,
    /// Kind and name of what owns it.
    pub owner: Option<(String, String)>,
    /// Its first container.
    pub container: String,
    /// Its address.
    pub ip: String,
    /// Slot that it holds, of a counter or producer.
    pub slot: Option<u32>,
}

impl PodState {
    /// Reads a pod; `None` where nothing of it runs any more.
    pub fn new(pod: &Pod) -> Option<Self> {
        let status = pod.status.clone().unwrap_or_default();
        if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
            return None;
        }
        let is_going = pod.metadata.deletion_timestamp.is_some();
        let ready = status.conditions.iter().flatten().find(|one| one.type_ == "Ready");
        let restarts = status
            .container_statuses
            .iter()
            .flatten()
            .map(|one| one.restart_count.max(0) as u32);
        let is_running = |state: &ContainerState| state.running.is_some();
        let is_down = status
            .container_statuses
            .iter()
            .flatten()
            .any(|one| one.state.as_ref().is_some_and(|state| !is_running(state)));
        let owner = pod
            .owner_references()
            .first()
            .map(|owner| (owner.kind.clone(), owner.name.clone()));
        let spec = pod.spec.clone().unwrap_or_default();
        Some(Self {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            node: spec.node_name.unwrap_or_default(),
            is_going,
            is_ready: !is_going && ready.is_some_and(|ready| ready.status == "True"),
            is_down,
            restarts: restarts.sum(),
            created_us: pod.creation_timestamp().map_or(0, |created| created.0.as_microsecond()),
            owner,
            container: spec.containers.first().map(|one| one.name.clone()).unwrap_or_default(),
            ip: status.pod_ip.unwrap_or_default(),
            slot: None,
        })
    }

    /// Id of the broker in it: the number at the end of its name, as with Strimzi and StatefulSets.
    pub fn broker_id(&self) -> Option<i32> {
        self.name.rsplit('-').next()?.parse().ok()
    }
}

/// One partition of the topic as the brokers have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// Id of its leader, -1 for none.
    pub leader: i32,
    /// Ids of the brokers that hold a copy.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

/// What the LoadTest says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadTestState {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When it was made, us since the Unix epoch.
    pub created_us: i64,
    /// Wanted counters.
    pub counters: u32,
    /// Wanted producers.
    pub producers: u32,
    /// Partitions of the topic.
    pub partitions: u32,
    /// Fewest replicas in sync with which a partition takes writes.
    pub min_in_sync: u32,
    /// Session timeout of the counters, ms.
    pub session_timeout_ms: u32,
    /// Its status.
    pub status: LoadTestStatus,
    /// Whether its verdict is final.
    pub is_complete: bool,
    /// Whether it was told to end.
    pub is_stopped: bool,
}

impl LoadTestState {
    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.status.phase
    }
}

/// Everything that one look saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// When, us since the Unix epoch.
    pub now_us: i64,
    /// The LoadTest, or why there is none that can be used.
    pub loadtest: Option<LoadTestState>,
    /// Another ChaosRun that goes first.
    pub rival: Option<String>,
    /// Namespaces in which faults are allowed, of those that matter.
    pub allowed: BTreeSet<String>,
    /// The pods.
    pub pods: BTreeMap<Component, Vec<PodState>>,
    /// The topic's partitions; `None` where no broker answers.
    pub topic: Option<Vec<PartitionState>>,
    /// Id of the active controller of the quorum; looked for only where a fault asks for it.
    pub active_controller: Option<i32>,
    /// When log and ledger were read, us since the Unix epoch.
    pub outside_us: i64,
    /// Offsets of the log; `None` where they could not be read.
    pub log: Option<Vec<LogRange>>,
    /// The ledger; `None` where it could not be read.
    pub ledger: Option<Vec<LedgerEntry>>,
    /// Pauses in the ledger.
    pub pauses: Vec<Pause>,
    /// Times in which producers got no acknowledgement.
    pub ack_gaps: Vec<AckGap>,
    /// Times that partitions were assigned or revoked, by the process of each counter.
    pub rebalances: BTreeMap<String, u64>,
    /// State of the control: whether it is over, and its verdict.
    pub control: Option<Control>,
}

/// The ChaosRun that shows that the fault does harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// There is none of that name.
    Missing,
    /// It goes on.
    Going,
    /// It is over, and whether it showed harm.
    Over {
        /// Whether it showed the harm that it expects.
        showed_harm: bool,
    },
}

impl World {
    /// Pods of a component.
    pub fn pods(&self, component: Component) -> &[PodState] {
        self.pods.get(&component).map_or(&[], Vec::as_slice)
    }

    /// Events that wait to be counted; `None` where that cannot be told.
    pub fn lag(&self) -> Option<Lag> {
        Some(lag(self.log.as_deref()?, self.ledger.as_deref()?, self.outside_us))
    }

    /// Whether each partition has a leader and all of its replicas in sync; `false` where no broker answers.
    pub fn is_in_sync(&self) -> bool {
        self.topic.as_ref().is_some_and(|topic| {
            let whole = |one: &PartitionState| one.leader >= 0 && one.in_sync.len() == one.replicas.len();
            topic.iter().all(whole)
        })
    }

    /// Latest time of the ledger's own clock, us since the Unix epoch.
    pub fn ledger_clock_us(&self) -> Option<i64> {
        self.ledger.as_ref()?.iter().map(|entry| entry.at_us).max()
    }

    /// Events that the ledger lacks, and those that it counted twice: a partition whose last seq is `s` must have
    /// counted `s + 1` events.
    pub fn wrong(&self) -> Option<(u64, u64)> {
        let sum = |(lost, duplicated): (u64, u64), entry: &LedgerEntry| {
            let (count, due) = (entry.tally.count, (entry.seq + 1).max(0) as u64);
            (lost + due.saturating_sub(count), duplicated + count.saturating_sub(due))
        };
        Some(self.ledger.as_ref()?.iter().fold((0, 0), sum))
    }

    /// Whether every pod that should be there is ready.
    pub fn is_ready(&self) -> bool {
        self.unready().is_none()
    }

    /// Why not everything is ready and in sync; `None` where it is. A LoadTest that is past its sending needs no
    /// producers, one past its draining no counters.
    pub fn trouble(&self, max_lag_ms: u32) -> Option<String> {
        if let Some(unready) = self.unready() {
            return Some(unready);
        }
        if !self.is_in_sync() {
            return Some("not every replica of the topic is in sync".to_owned());
        }
        match self.lag() {
            None => Some("log or ledger cannot be read".to_owned()),
            Some(lag) if lag.millis > u64::from(max_lag_ms) => Some(format!("the lag is {} ms", lag.millis)),
            Some(_) => None,
        }
    }

    fn unready(&self) -> Option<String> {
        let phase = self.loadtest.as_ref().map_or(Phase::Pending, LoadTestState::phase);
        for (component, what) in [
            (Component::Brokers, "brokers"),
            (Component::Redis, "Redis pods"),
            (Component::Counters, "counters"),
            (Component::Producers, "producers"),
            (Component::Operator, "operator pods"),
        ] {
            let pods = self.pods(component);
            let ready = pods.iter().filter(|pod| pod.is_ready).count();
            // A broker or Redis whose pod is not even there shows below.
            let wanted = self.wanted(component, phase).unwrap_or(pods.len());
            if ready < wanted {
                return Some(format!("{ready} of {wanted} {what} are ready"));
            }
        }
        None
    }

    /// How many pods there should be; `None` for those that are there.
    fn wanted(&self, component: Component, phase: Phase) -> Option<usize> {
        let loadtest = self.loadtest.as_ref()?;
        match component {
            Component::Counters if phase >= Phase::Verifying => Some(0),
            Component::Counters => Some(loadtest.counters as usize),
            Component::Producers if phase >= Phase::Draining => Some(0),
            Component::Producers => Some(loadtest.producers as usize),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use eoslab_core::Tally;

    use super::*;

    fn entry(seq: i64, count: u64) -> LedgerEntry {
        LedgerEntry {
            seq,
            tally: Tally {
                count,
                ..Tally::default()
            },
            ..LedgerEntry::empty(0)
        }
    }

    #[test]
    fn the_ledger_tells_what_is_lost_and_what_is_doubled() {
        let world = |entries: &[LedgerEntry]| World {
            ledger: Some(entries.to_vec()),
            ..World::default()
        };
        assert_eq!(world(&[entry(-1, 0), entry(9, 10)]).wrong(), Some((0, 0)));
        assert_eq!(
            world(&[entry(9, 8), entry(9, 13)]).wrong(),
            Some((2, 3)),
            "they do not cancel out"
        );
        assert_eq!(World::default().wrong(), None);
    }

    #[test]
    fn a_partition_without_a_leader_or_a_replica_is_not_in_sync() {
        let world = |leader, in_sync: &[i32]| World {
            topic: Some(vec![PartitionState {
                leader,
                replicas: vec![0, 1, 2],
                in_sync: in_sync.to_vec(),
            }]),
            ..World::default()
        };
        assert!(world(1, &[2, 1, 0]).is_in_sync());
        assert!(!world(1, &[1, 0]).is_in_sync());
        assert!(!world(-1, &[2, 1, 0]).is_in_sync());
        assert!(!World::default().is_in_sync());
    }
}
