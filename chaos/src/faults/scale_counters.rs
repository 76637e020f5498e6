//! `ScaleCounters`: members join or leave, partitions move; afterwards as many as before.

use eoslab_api::chaos::VictimStatus;

use super::{Act, Choice, Refusal};

pub(super) fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    let replicas = choice.fault.replicas.unwrap_or_default();
    let loadtest = choice.world.loadtest.clone().unwrap_or_default();
    if replicas == loadtest.counters {
        let message = format!("spec.faults[].replicas: there are {replicas} counters already; correct it");
        return Err(Refusal::new("NothingToScale", message));
    }
    if replicas > loadtest.partitions {
        let message = format!(
            "spec.faults[].replicas: {replicas} counters for {} partitions; lower it",
            loadtest.partitions
        );
        return Err(Refusal::new("TooManyCounters", message));
    }
    Ok(VictimStatus {
        kind: "LoadTest".to_owned(),
        namespace: loadtest.namespace,
        name: loadtest.name,
        because: format!("from {} to {replicas} counters", loadtest.counters),
        replicas_before: Some(loadtest.counters),
        ..VictimStatus::default()
    })
}

pub(super) fn act(replicas: u32) -> Act {
    Act::Scale { replicas }
}
