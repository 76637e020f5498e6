//! What a process and its node use, as its report carries it.

use serde::{Deserialize, Serialize};

/// Times are cumulative: a share is the difference of two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceUse {
    /// CPU time of the process (user and system).
    pub cpu_us: u64,
    /// Scheduling periods in which the container ran under a CPU limit; 0 without one.
    pub periods: u64,
    /// Those of them in which the limit stopped it.
    pub throttled_periods: u64,
    /// Time that all cores of the node were busy, since it was started.
    pub node_busy_us: u64,
    /// Part of it in which a core of the node had work, but the machine below ran another virtual machine.
    pub node_stolen_us: u64,
    /// Time that cores of the node had nothing to do but wait for a disk, since it was started.
    pub node_io_wait_us: u64,
    /// Time of all cores of the node, since it was started.
    pub node_total_us: u64,
    /// Share of the node's memory that is in use now, percent; what the kernel can give back at once is not.
    pub node_memory_percent: u32,
}
