//! `PauseBroker`: the worst real fault. Connections stay open and nobody answers on them, so that clients wait for
//! their timeouts where a crash would have told them at once.

use eoslab_api::chaos::VictimStatus;

use super::{Act, Choice, Processes, Refusal, Signal, brokers, by_shell};

/// Above `broker.session.timeout.ms`, 9 s, after which the controllers take the broker for dead.
const SECONDS: u32 = 10;

pub(super) fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    Ok(VictimStatus {
        pause_seconds: Some(choice.fault.pause_seconds.unwrap_or(SECONDS)),
        ..brokers::pick(choice)?
    })
}

pub(super) fn act(processes: &Processes, signal: Signal) -> Act {
    by_shell(&processes.broker, signal)
}
