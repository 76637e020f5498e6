//! The ChaosRun resource: faults against a LoadTest that runs, one after another, each measured.

pub mod cel;
mod spec;
mod status;

pub use spec::{
    ChaosRun, ChaosRunSpec, Expectation, Fault, FaultTarget, FaultType, PAUSE_SECONDS_MAX, PodSelector, Recovery,
    RestartTarget, SteadyState,
};
pub use status::{
    Baseline, ChaosPhase, ChaosRunStatus, FaultSummary, INJECTIONS_MAX, Injection, InjectionState, PartitionAckGap,
    SpreadMs, VictimStatus,
};
