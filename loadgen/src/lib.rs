//! The producer of eoslab: one deterministic stream a partition, sent on an absolute schedule by the partition's only
//! writer, with Kafka's log as the only checkpoint.
//!
//! Pure parts: [`plan`] (who owns which partition), [`schedule`] (what is due), [`resume`] (where to go on),
//! [`ranges`], [`assembly`]. At the edge: [`client`], [`takeover`], [`worker`]. [`pod`] puts them together.

pub mod ack_watch;
pub mod args;
pub mod assembly;
pub mod client;
pub mod controls;
pub mod desk;
pub mod lane;
pub mod metrics;
pub mod plan;
pub mod pod;
pub mod progress;
pub mod ranges;
pub mod records;
pub mod resume;
pub mod schedule;
pub mod settings;
pub mod state;
pub mod takeover;
pub mod threads;
pub mod worker;
