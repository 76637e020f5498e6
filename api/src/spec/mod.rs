//! The parts of a LoadTest's spec, one file each.

mod counter;
mod kafka;
mod ledger;
mod limits;
mod pod;
mod producer;
mod search;
mod stream;
mod topic;

pub use counter::{Assignor, CounterSpec, Mode, Protocol};
pub use kafka::KafkaSpec;
pub use ledger::{LedgerSpec, RedisSpec, SecretKeyRef};
pub use limits::{LimitsSpec, SloSpec};
pub use pod::{ComputeResources, PodTemplateSpec, Resources, TaintEffect, Toleration, TolerationOperator};
pub use producer::{Acks, Compression, ProducerSpec};
pub use search::SearchSpec;
pub use stream::{SaltingSpec, StreamSpec};
pub use topic::{DeletionPolicy, TopicSpec};
