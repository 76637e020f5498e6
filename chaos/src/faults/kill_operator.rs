//! `KillOperator`: the run goes on without it, and its status is true again once it is back.

use eoslab_api::chaos::VictimStatus;

use super::{Act, Choice, Messenger, Processes, Refusal, Signal, of_pod};
use crate::world::{Component, PodState};

pub(super) fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    let all: Vec<&PodState> = choice.world.pods(Component::Operator).iter().collect();
    let operator = choice.any(&all).ok_or_else(|| {
        Refusal::new(
            "NoOperator",
            "no pod of the operator is found; correct spec.operator (namespace and labels), and list its namespace in \
             chaos.namespaces of the chart",
        )
    })?;
    Ok(of_pod(operator, "reconciles the LoadTest"))
}

pub(super) fn act(processes: &Processes) -> Act {
    Act::Signal {
        process: processes.operator.clone(),
        by: Messenger::Chaos,
        signal: Signal::Kill,
    }
}
