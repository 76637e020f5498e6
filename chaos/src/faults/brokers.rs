//! Picks a broker and checks that its loss is survived.

use eoslab_api::chaos::VictimStatus;

use super::{Choice, Refusal, of_pod};
use crate::world::{Component, PodState};

/// A broker whose loss is survived.
pub(super) fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    let all: Vec<&PodState> = choice.world.pods(Component::Brokers).iter().collect();
    if all.is_empty() {
        return Err(Refusal::new(
            "NoBrokers",
            "no pod of a broker is found; correct spec.kafka (namespace and labels), and list its namespace in \
             chaos.namespaces of the chart",
        ));
    }
    let target = choice.fault.target.clone().unwrap_or_default();
    let (id, because) = match (target.leader_of, target.broker_id, target.active_controller) {
        (Some(partition), _, _) => (
            Some(leader_of(choice, partition)?),
            format!("leads partition {partition}"),
        ),
        (_, Some(id), _) => (Some(id as i32), format!("has id {id}")),
        (_, _, Some(true)) => (Some(active_controller(choice)?), "is the active controller".to_owned()),
        _ => (None, "picked at random".to_owned()),
    };
    let broker = match id {
        Some(id) => all.iter().copied().find(|pod| pod.broker_id() == Some(id)),
        None => choice.any(&all),
    };
    let broker = broker.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|pod| pod.name.as_str()).collect();
        let message = format!(
            "spec.faults[].target: no broker {} among {}; correct it",
            id.unwrap_or(-1),
            names.join(", ")
        );
        Refusal::new("NoSuchBroker", message)
    })?;
    check(choice, broker)?;
    Ok(of_pod(broker, because))
}

/// Refuses what would leave a partition unwritable, or the controllers without a majority.
pub(super) fn check(choice: &Choice, broker: &PodState) -> Result<(), Refusal> {
    if choice.allow_unsafe {
        return Ok(());
    }
    let (Some(topic), Some(loadtest)) = (&choice.world.topic, &choice.world.loadtest) else {
        return Err(Refusal::new("KafkaUnknown", "no broker answers; see the brokers' logs"));
    };
    let id = broker.broker_id().unwrap_or(-1);
    for (partition, state) in topic.iter().enumerate() {
        let left = state.in_sync.iter().filter(|one| **one != id).count() as u32;
        if left < loadtest.min_in_sync {
            let message = format!(
                "without broker {id}, partition {partition} would have {left} replicas in sync of \
                 min.insync.replicas={}; raise spec.topic.replicationFactor of the LoadTest, or set \
                 spec.allowUnsafe",
                loadtest.min_in_sync
            );
            return Err(Refusal::new("WouldBreakMinInSync", message));
        }
    }
    let all = choice.world.pods(Component::Brokers);
    let left = all.iter().filter(|pod| pod.is_ready && pod.uid != broker.uid).count();
    if left * 2 <= all.len() {
        let message = format!(
            "without {} only {left} of {} brokers would be ready, no majority of the controllers; wait until all are \
             ready, or set spec.allowUnsafe",
            broker.name,
            all.len()
        );
        return Err(Refusal::new("WouldBreakQuorum", message));
    }
    Ok(())
}

fn leader_of(choice: &Choice, partition: u32) -> Result<i32, Refusal> {
    let Some(topic) = &choice.world.topic else {
        return Err(Refusal::new("KafkaUnknown", "no broker answers; see the brokers' logs"));
    };
    match topic.get(partition as usize) {
        Some(state) if state.leader >= 0 => Ok(state.leader),
        Some(_) => Err(Refusal::new(
            "NoLeader",
            format!("partition {partition} has no leader; wait until it has"),
        )),
        None => Err(Refusal::new(
            "NoSuchPartition",
            format!(
                "spec.faults[].target.leaderOf: there is no partition {partition}, the topic has {}; correct it",
                topic.len()
            ),
        )),
    }
}

fn active_controller(choice: &Choice) -> Result<i32, Refusal> {
    choice.world.active_controller.ok_or_else(|| {
        Refusal::new(
            "ControllerUnknown",
            "spec.faults[].target.activeController: the quorum could not be asked; name a broker by brokerId",
        )
    })
}
