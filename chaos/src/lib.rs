//! Faults for eoslab: the ChaosRun controller, and what is run inside a pod to stop or kill a process there.
//!
//! A reconciliation looks at everything ([`look`]: I/O, into the plain data of [`world`]), measures ([`measure`]),
//! decides ([`decide`], [`verdict`]: pure) and acts ([`hands`]). What is about to be done is written into the status
//! before it is done, so that a controller that was killed in between knows. The faults are in [`faults`], a file each.
//!
//! A deleted pod is no crash: the kubelet still sends SIGTERM and waits. A crash is a SIGKILL, and it must be sent from
//! within the pod: [`signal`] is that for eoslab's own pods, a line of shell for others.

pub mod args;
pub mod context;
pub mod decide;
pub mod error;
pub mod events;
pub mod faults;
pub mod hands;
pub mod look;
pub mod measure;
pub mod memory;
pub mod metrics;
pub mod places;
pub mod quorum;
pub mod reconcile;
pub mod run;
pub mod signal;
pub mod spread;
pub mod status;
pub mod verdict;
pub mod world;
