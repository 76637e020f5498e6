//! Reading where each partition's log ends, before a client sends to it.

use std::time::{Duration, Instant};

use eoslab_runtime::tail::{self, TailError, Tails};
use rdkafka::ClientConfig;

/// How long the log's ends must stand still: what a killed producer sent last may still be on its way into the log.
pub const SETTLE: Duration = Duration::from_millis(300);
/// Longest time for one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// How a partition is taken up from its log.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// Configuration of the reading client.
    pub config: ClientConfig,
    /// Topic of the events.
    pub topic: String,
}

impl Takeover {
    /// Whether the topic has as many partitions as the stream is laid out over.
    pub fn check_partitions(&self, partitions: u32) -> Result<(), TailError> {
        tail::check_partitions(&self.config, &self.topic, partitions, deadline())
    }

    /// The last event of each partition, once the log's ends stand still.
    pub fn read(&self, partitions: &[u32]) -> Result<Tails, TailError> {
        tail::settled_last_events(&self.config, &self.topic, partitions, SETTLE, deadline())
    }
}

fn deadline() -> Instant {
    Instant::now() + ATTEMPT_TIMEOUT
}
