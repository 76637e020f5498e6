//! `KillProducer`: what it had in flight is perhaps written and perhaps not; only the log knows.

use super::{Act, Signal, by_chaos};

pub(super) fn act() -> Act {
    by_chaos("loadgen", Signal::Kill)
}
