//! `RollingRestart`: each pod in turn, as `kubectl rollout restart` does; brokers of Strimzi by its own annotation,
//! so that it restarts them in its own order.

use eoslab_api::chaos::VictimStatus;

use super::{Act, Choice, Refusal, Workload, brokers, component};
use crate::world::Component;

pub(super) fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    let component = component(choice.fault);
    let pods = choice.world.pods(component);
    let Some(first) = pods.first() else {
        return Err(Refusal::new(
            "NoPods",
            "there is no pod to restart; see the LoadTest's status",
        ));
    };
    if component == Component::Brokers {
        for broker in pods {
            brokers::check(choice, broker)?;
        }
    }
    let (kind, name) = workload(first.owner.clone())?;
    for pod in pods {
        let (_, other) = workload(pod.owner.clone())?;
        if other != name {
            let message = format!("the pods belong to {name} and {other}, several node pools; use StopBroker on each");
            return Err(Refusal::new("SeveralWorkloads", message));
        }
    }
    Ok(VictimStatus {
        kind,
        name,
        namespace: first.namespace.clone(),
        because: format!("owns {} pods", pods.len()),
        ..VictimStatus::default()
    })
}

pub(super) fn act(victim: &VictimStatus) -> Act {
    Act::Restart(match victim.kind.as_str() {
        "StatefulSet" => Workload::StatefulSet,
        "StrimziPodSet" => Workload::StrimziPodSet,
        _ => Workload::Deployment,
    })
}

/// The workload behind the owner of a pod: a ReplicaSet is one of a Deployment, whose name its own begins with.
fn workload(owner: Option<(String, String)>) -> Result<(String, String), Refusal> {
    match owner {
        Some((kind, name)) if kind == "ReplicaSet" => {
            let deployment = name.rsplit_once('-').map_or(name.as_str(), |(front, _)| front);
            Ok(("Deployment".to_owned(), deployment.to_owned()))
        }
        Some((kind, name)) if kind == "StatefulSet" || kind == "StrimziPodSet" => Ok((kind, name)),
        other => Err(Refusal::new(
            "NoWorkload",
            format!("a pod that is owned by {other:?} cannot be restarted; use KillBroker"),
        )),
    }
}
