//! `KillRedis`: with `appendfsync everysec` up to a second of the ledger is gone afterwards, totals and positions
//! together.

use eoslab_api::chaos::VictimStatus;

use super::{Act, Choice, Processes, Refusal, Signal, by_shell, of_pod};
use crate::world::{Component, PodState};

pub(super) fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    let all: Vec<&PodState> = choice.world.pods(Component::Redis).iter().collect();
    let redis = choice.any(&all).ok_or_else(|| {
        Refusal::new(
            "NoRedis",
            "no pod of Redis is found; correct spec.redis (namespace and labels), and list its namespace in \
             chaos.namespaces of the chart",
        )
    })?;
    Ok(of_pod(redis, "holds the ledger"))
}

pub(super) fn act(processes: &Processes) -> Act {
    by_shell(&processes.redis, Signal::Kill)
}
