//! Why a counter ends.

use eoslab_runtime::exit::Exit;
use eoslab_runtime::kafka::KafkaConfigError;
use eoslab_runtime::slot::SlotError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

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
    #[error("the kafka client failed for good: {code}: {reason}")]
    Fatal {
        /// Of what kind.
        code: RDKafkaErrorCode,
        /// What the client says.
        reason: String,
    },
    /// The group may have assigned what this client never heard of.
    #[error("answers of the group's coordinator came too late, and with them perhaps what it assigned")]
    Unheard,
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
    /// Whether a new client can go on where this one cannot.
    pub fn passes(&self) -> bool {
        self.is_id_held() || matches!(self, Self::Unheard)
    }

    /// Whether the group still holds this member's id for its last process: with the consumer protocol that is fatal
    /// for the client, but passes once the session of that process has ended.
    pub fn is_id_held(&self) -> bool {
        matches!(
            self,
            Self::Fatal {
                code: RDKafkaErrorCode::UnreleasedInstanceId,
                ..
            }
        )
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_client_ends_the_process_and_a_new_one_takes_over_from_what_passes() {
        let fatal = |code| RunError::Fatal {
            code,
            reason: "as the broker says".into(),
        };
        for code in [
            RDKafkaErrorCode::FencedInstanceId,
            RDKafkaErrorCode::UnsupportedAssignor,
            RDKafkaErrorCode::InvalidRequest,
            RDKafkaErrorCode::UnreleasedInstanceId,
        ] {
            let error = fatal(code);
            assert_eq!(error.exit(), Exit::FatalClient, "{error}");
            assert_eq!(
                error.passes(),
                code == RDKafkaErrorCode::UnreleasedInstanceId,
                "{error}"
            );
        }
        assert!(RunError::Unheard.passes() && !RunError::LostLease.passes());
    }
}
