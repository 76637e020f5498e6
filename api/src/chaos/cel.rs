//! The CEL rules of the ChaosRun, with messages that name the field and the fix.

use crate::cel::{CelRule, must_at};

/// `spec` as a whole.
pub const SPEC: &[CelRule] = &[
    must_at(
        ".faults",
        "self.faults.map(f, f.repeat).sum() <= 200",
        "spec.faults: must not inject more than 200 times in all, for the status names each; lower it (repeat) or write \
         another ChaosRun",
    ),
    must_at(
        ".control",
        "!has(self.control) || self.expect == 'Exact'",
        "spec.control: only a run that expects Exact has a control; remove it, or expect Exact",
    ),
    must_at(
        ".steadyState.timeoutSeconds",
        "self.steadyState.timeoutSeconds > self.steadyState.seconds",
        "spec.steadyState.timeoutSeconds: must be more than spec.steadyState.seconds, or nothing is ever steady in time; \
         raise it",
    ),
    must_at(
        ".abort",
        "!oldSelf.abort || self.abort",
        "spec.abort: cannot be taken back; create a new ChaosRun",
    ),
    must_at(
        ".faults",
        "self.faults == oldSelf.faults",
        "spec.faults: cannot be changed; create a new ChaosRun",
    ),
    must_at(
        ".loadTest",
        "self.loadTest == oldSelf.loadTest",
        "spec.loadTest: cannot be changed; create a new ChaosRun",
    ),
    must_at(
        ".expect",
        "self.expect == oldSelf.expect && has(self.control) == has(oldSelf.control) && (!has(self.control) || \
         self.control == oldSelf.control)",
        "spec.expect: neither it nor spec.control can be changed; create a new ChaosRun",
    ),
    must_at(
        ".dryRun",
        "self.dryRun == oldSelf.dryRun && self.allowUnsafe == oldSelf.allowUnsafe && self.seed == oldSelf.seed",
        "spec.dryRun: neither it nor spec.allowUnsafe nor spec.seed can be changed; create a new ChaosRun",
    ),
];

/// One of `spec.faults`.
pub const FAULT: &[CelRule] = &[
    must_at(
        ".target",
        "!has(self.target) || (has(self.target.leaderOf) ? 1 : 0) + (has(self.target.brokerId) ? 1 : 0) + \
         (has(self.target.activeController) ? 1 : 0) + (has(self.target.slot) ? 1 : 0) + (has(self.target.restart) ? \
         1 : 0) == 1",
        "spec.faults[].target: must name exactly one of leaderOf, brokerId, activeController, slot and restart; correct \
         it, or remove it for a random one",
    ),
    must_at(
        ".target",
        "!has(self.target) || !(has(self.target.leaderOf) || has(self.target.brokerId) || \
         has(self.target.activeController)) || self.type in ['KillBroker', 'StopBroker', 'PauseBroker']",
        "spec.faults[].target: leaderOf, brokerId and activeController are for KillBroker, StopBroker and PauseBroker; \
         correct it",
    ),
    must_at(
        ".target",
        "!has(self.target) || !has(self.target.slot) || self.type in ['KillCounter', 'PauseCounter', 'KillProducer']",
        "spec.faults[].target.slot: is for KillCounter, PauseCounter and KillProducer; correct it",
    ),
    must_at(
        ".target",
        "!has(self.target) || !has(self.target.restart) || self.type == 'RollingRestart'",
        "spec.faults[].target.restart: is for RollingRestart; remove it",
    ),
    must_at(
        ".target",
        "!has(self.target) || !has(self.target.activeController) || self.target.activeController",
        "spec.faults[].target.activeController: can only be true; remove it for a random broker",
    ),
    must_at(
        ".pauseSeconds",
        "!has(self.pauseSeconds) || self.type in ['PauseBroker', 'PauseCounter']",
        "spec.faults[].pauseSeconds: is for PauseBroker and PauseCounter; remove it",
    ),
    must_at(
        ".replicas",
        "has(self.replicas) == (self.type == 'ScaleCounters')",
        "spec.faults[].replicas: is what ScaleCounters scales to, and for nothing else; add or remove it",
    ),
];
