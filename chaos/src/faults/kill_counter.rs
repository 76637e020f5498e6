//! `KillCounter`: what it had counted and not committed is counted again by whoever comes next, unless the ledger
//! refuses.

use super::{Act, Signal, by_chaos};

pub(super) fn act() -> Act {
    by_chaos("counter", Signal::Kill)
}
