//! `PauseCounter`: the zombie. It freezes for longer than its session, its partitions go to others, and then it wakes
//! and believes that they are still its own.

use eoslab_api::chaos::VictimStatus;

use super::{Act, Choice, Refusal, Signal, by_chaos, members};
use crate::world::Component;

pub(super) fn pick(choice: &Choice) -> Result<VictimStatus, Refusal> {
    let counter = members::pick(choice, Component::Counters)?;
    let loadtest = choice.world.loadtest.as_ref();
    let session_ms = loadtest.map_or(0, |loadtest| loadtest.session_timeout_ms);
    let seconds = choice.fault.pause_seconds.unwrap_or(session_ms.div_ceil(1000) + 2);
    if seconds * 1000 <= session_ms && !choice.allow_unsafe {
        let message = format!(
            "spec.faults[].pauseSeconds: {seconds} s is within the session timeout of the counters, {session_ms} ms, so \
             no partition would move; raise it, or set spec.allowUnsafe"
        );
        return Err(Refusal::new("PauseTooShort", message));
    }
    Ok(VictimStatus {
        pause_seconds: Some(seconds),
        ..counter
    })
}

pub(super) fn act(signal: Signal) -> Act {
    by_chaos("counter", signal)
}
