//! The domain of eoslab, free of Kubernetes, Kafka and Redis: what an event is, which events a run holds, where they
//! belong, how they are tallied, and the reports that pods publish.
//!
//! A run's events are a pure function of its [`StreamSpec`]: `event(seed, partition, seq)`. A [`Layout`] places the
//! accounts on partitions, a [`PartitionStream`] draws the events of one partition, a [`SlotIndex`] finds an account's
//! place in the dense array of totals of its partition, and a [`Tally`] sums events up in any order.

pub mod report;

mod alias;
mod event;
mod key;
mod latency;
mod layout;
mod mix;
mod padding;
mod slots;
mod spec;
mod stream;
mod tally;
mod usage;
mod window;

pub use event::{DecodeError, Event, HEADER_LEN};
pub use key::{Key, murmur2, partition_of};
pub use latency::LatencyHistogram;
pub use layout::Layout;
pub use padding::Padding;
pub use slots::SlotIndex;
pub use spec::{
    ACCOUNTS_MAX, PARTITIONS_MAX, SALTED_ACCOUNTS_MAX, SALTS_MAX, Salting, StreamError, StreamSpec, ZIPF_EXPONENT_MAX,
};
pub use stream::{AMOUNT_MAX, AMOUNT_MIN, Draw, PartitionStream};
pub use tally::{Tally, digest_mix};
pub use usage::ResourceUse;
pub use window::{Standstill, Window};
