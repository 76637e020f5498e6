//! `KillBroker`: a crash. The pod stays, its container starts again with the same disk.

use super::{Act, Processes, Signal, by_shell};

pub(super) fn act(processes: &Processes) -> Act {
    by_shell(&processes.broker, Signal::Kill)
}
