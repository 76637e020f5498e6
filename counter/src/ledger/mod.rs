//! The ledger in Redis: the totals of every account, and for each partition how far they are exact.
//!
//! Both are one key, and change by one command of one script or not at all, by compare-and-set on the offset applied
//! last. Everything that a counter may do wrong (a late zombie, a batch sent twice, a Redis that lost its tail) ends as
//! an answer that says where to go on, never as a wrong total.

mod apply;
mod client;
mod entry;
mod error;
mod eviction;
mod keys;
mod pause;
mod reads;
mod resp;
mod shard;
mod words;

pub use apply::{ApplyReply, Batch, DELTAS_MAX, Mode, Outcome, Writer, decide};
pub use client::Ledger;
pub use entry::LedgerEntry;
pub use error::LedgerError;
pub(crate) use keys::is_name;
pub(crate) use words::LEDGER_BYTES;
