//! `StopBroker`: a deletion, which the broker ends gracefully: it hands its leaderships over first.

use super::Act;

pub(super) fn act() -> Act {
    Act::DeletePod
}
