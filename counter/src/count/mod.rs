//! Counting without I/O: from records of the log to batches for the ledger, and from its answers to what comes next.

mod batch;
mod partition;
mod record;
mod seq;

pub use batch::OpenBatch;
pub use partition::{Next, PartitionState, Position, Taken};
pub use record::{CheckedEvent, Checker, Malformed, NUMBER_MAX, RecordView};
pub use seq::{SeqStep, step};
