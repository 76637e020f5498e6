//! The faults, a file each: whom one hits, what is done, and how it is taken back. Nothing in here does I/O.

mod brokers;
mod kill_broker;
mod kill_counter;
mod kill_operator;
mod kill_producer;
mod kill_redis;
mod members;
mod pause_broker;
mod pause_counter;
mod rolling_restart;
mod scale_counters;
mod stop_broker;

use eoslab_api::chaos::{Fault, FaultType, VictimStatus};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::world::{Component, PodState, World};

/// What is done to a victim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A signal to a process, from within its container.
    Signal {
        /// The process.
        process: Process,
        /// How the signal gets to it.
        by: Messenger,
        /// Which.
        signal: Signal,
    },
    /// Deletion of the pod, and of no other one of its name.
    DeletePod,
    /// A new value of the annotation that makes a workload replace its pods.
    Restart(Workload),
    /// Another number of counters.
    Scale {
        /// How many.
        replicas: u32,
    },
}

/// What owns pods and can replace them one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Of the counters.
    Deployment,
    /// Of brokers without Strimzi.
    StatefulSet,
    /// Of brokers with Strimzi.
    StrimziPodSet,
}

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The process ends at once.
    Kill,
    /// The process freezes, and goes on by itself after this time even if nobody is left to wake it.
    Freeze {
        /// How long, seconds.
        seconds: u32,
    },
    /// A frozen process goes on.
    Thaw,
}

/// What sends a signal within a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messenger {
    /// The container's own shell.
    Shell,
    /// `chaos signal`, which eoslab's image has instead of a shell.
    Chaos,
}

/// Why a fault is not injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One CamelCase word.
    pub reason: &'static str,
    /// In words, with the fix.
    pub message: String,
}

impl Refusal {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message }
    }

    /// Whether it may pass by itself: what the cluster does now, rather than what was written.
    pub fn may_pass(&self) -> bool {
        let passing = [
            "KafkaUnknown",
            "NoLeader",
            "WouldBreakMinInSync",
            "WouldBreakQuorum",
            "ControllerUnknown",
        ];
        passing.contains(&self.reason)
    }
}

/// What a fault is planned from.
pub struct Choice<'a> {
    /// What was seen.
    pub world: &'a World,
    /// What is wanted.
    pub fault: &'a Fault,
    /// Picks where nothing is wanted.
    pub seed: u64,
    /// Whether guards are off.
    pub allow_unsafe: bool,
}

/// A process in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// Its container; `None` for the first of the pod.
    pub container: Option<String>,
}

/// The processes outside the LoadTest that faults hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processes {
    /// Of a broker.
    pub broker: Process,
    /// Of Redis.
    pub redis: Process,
    /// Of the operator.
    pub operator: Process,
}

impl Processes {
    /// As in the images of Kafka, Redis and eoslab.
    pub fn usual() -> Self {
        let named = |name: &str| Process {
            name: name.to_owned(),
            container: None,
        };
        Self {
            broker: named("java"),
            redis: named("redis-server"),
            operator: named("operator"),
        }
    }
}

/// Picks the victim and checks every guard.
///
/// # Errors
/// Why nobody is hit.
pub fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    let victim = match choice.fault.fault_type {
        FaultType::KillBroker | FaultType::StopBroker => brokers::pick(choice),
        FaultType::PauseBroker => pause_broker::pick(choice),
        FaultType::KillCounter => members::pick(choice, Component::Counters),
        FaultType::PauseCounter => pause_counter::pick(choice),
        FaultType::KillProducer => members::pick(choice, Component::Producers),
        FaultType::KillRedis => kill_redis::pick(choice),
        FaultType::KillOperator => kill_operator::pick(choice),
        FaultType::RollingRestart => rolling_restart::pick(choice),
        FaultType::ScaleCounters => scale_counters::pick(choice),
    }?;
    let namespace = &victim.namespace;
    if !choice.world.allowed.contains(namespace) {
        return Err(Refusal::new(
            "NamespaceNotAllowed",
            format!(
                "faults are not allowed in namespace {namespace}; kubectl label namespace {namespace} \
                 eoslab.dev/chaos=allowed, and list it in chaos.namespaces of the chart"
            ),
        ));
    }
    Ok(victim)
}

/// What is done to the victim.
pub fn act(fault: &Fault, victim: &VictimStatus, processes: &Processes) -> Act {
    let seconds = victim.pause_seconds.unwrap_or_default();
    match fault.fault_type {
        FaultType::KillBroker => kill_broker::act(processes),
        FaultType::StopBroker => stop_broker::act(),
        FaultType::PauseBroker => pause_broker::act(processes, Signal::Freeze { seconds }),
        FaultType::KillCounter => kill_counter::act(),
        FaultType::PauseCounter => pause_counter::act(Signal::Freeze { seconds }),
        FaultType::KillProducer => kill_producer::act(),
        FaultType::KillRedis => kill_redis::act(processes),
        FaultType::KillOperator => kill_operator::act(processes),
        FaultType::RollingRestart => rolling_restart::act(victim),
        FaultType::ScaleCounters => scale_counters::act(fault.replicas.unwrap_or_default()),
    }
}

/// How it is taken back; `None` where there is nothing to take back. It follows from what the status says alone, so that a
/// controller that was restarted can do it as well.
pub fn heal(fault: &Fault, victim: &VictimStatus, processes: &Processes) -> Option<Act> {
    match fault.fault_type {
        FaultType::PauseBroker => Some(pause_broker::act(processes, Signal::Thaw)),
        FaultType::PauseCounter => Some(pause_counter::act(Signal::Thaw)),
        FaultType::ScaleCounters => victim.replicas_before.map(scale_counters::act),
        _ => None,
    }
}

/// The component that a fault hits.
pub fn component(fault: &Fault) -> Component {
    use eoslab_api::chaos::RestartTarget;
    match fault.fault_type {
        FaultType::KillBroker | FaultType::StopBroker | FaultType::PauseBroker => Component::Brokers,
        FaultType::KillCounter | FaultType::PauseCounter | FaultType::ScaleCounters => Component::Counters,
        FaultType::KillProducer => Component::Producers,
        FaultType::KillRedis => Component::Redis,
        FaultType::KillOperator => Component::Operator,
        FaultType::RollingRestart => match fault.target.as_ref().and_then(|target| target.restart) {
            Some(RestartTarget::Brokers) => Component::Brokers,
            _ => Component::Counters,
        },
    }
}

impl Choice<'_> {
    /// One of those that qualify, by the seed.
    fn any<'p>(&self, pods: &[&'p PodState]) -> Option<&'p PodState> {
        let mut pods = pods.to_vec();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        let mut rng = StdRng::seed_from_u64(self.seed);
        (!pods.is_empty()).then(|| pods[rng.random_range(0..pods.len())])
    }
}

/// A pod as the victim.
fn of_pod(pod: &PodState, because: impl Into<String>) -> VictimStatus {
    VictimStatus {
        kind: "Pod".to_owned(),
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        node: pod.node.clone(),
        restarts: pod.restarts,
        because: because.into(),
        ..VictimStatus::default()
    }
}

/// A signal to a process of an image that has a shell.
fn by_shell(process: &Process, signal: Signal) -> Act {
    Act::Signal {
        process: process.clone(),
        by: Messenger::Shell,
        signal,
    }
}

/// A signal to a process of eoslab's image.
fn by_chaos(process: &str, signal: Signal) -> Act {
    Act::Signal {
        process: Process {
            name: process.to_owned(),
            container: None,
        },
        by: Messenger::Chaos,
        signal,
    }
}

#[cfg(test)]
mod tests;
