//! Why a counter ends.

use eoslab_runtime::exit::Exit;
use eoslab_runtime::kafka::KafkaConfigError;
use eoslab_runtime::slot::SlotError;
use rdkafka::error::KafkaError;

use crate::args::CounterArgsError;
use crate::ledger::LedgerError;

/// What `counter run` cannot go on from.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Flags that cannot be used.
    #[error(transparent)]
    Args(#[from] CounterArgsError),
    /// The client's properties cannot be used.
    #[error(transparent)]
    KafkaConfig(#[from] KafkaConfigError),
    /// The ledger refuses for good.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No slot.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// A call of the Kafka client failed that must not fail.
    #[error("the kafka client failed: {0}")]
    Kafka(#[from] KafkaError),
    /// The client can never work again: fenced by another process of the same name, or worse.
    #[error("the kafka client failed for good: {reason}")]
    Fatal {
        /// What the client says.
        reason: String,
    },
    /// The topic does not hold what the ledger would go on from.
    #[error("{what}; nothing is counted from here on: the log was truncated, deleted from, or is another topic")]
    OutOfRange {
        /// Which partition, and how far apart they are.
        what: String,
    },
    /// The topic has more partitions than the run.
    #[error("the topic has a partition {partition}, but --partitions is {partitions}: make them equal")]
    Partitions {
        /// A partition beyond the run's.
        partition: u32,
        /// Partitions of the run.
        partitions: u32,
    },
    /// The slot was lost to another pod.
    #[error("the slot is lost")]
    LostLease,
    /// The address cannot be listened on, or another thing of the process's own failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The consumer's thread did not come to its end.
    #[error("the consumer did not end in time")]
    Stuck,
}

impl RunError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Kafka(KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) => Exit::Error,
            Self::Fatal { .. } | Self::OutOfRange { .. } | Self::Kafka(_) => Exit::FatalClient,
            Self::LostLease | Self::Slot(SlotError::Lost(_)) => Exit::LostLease,
            _ => Exit::Error,
        }
    }
}
