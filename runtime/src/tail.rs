//! The tail of a log: the last event of each partition, which is where its only producer stopped.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eoslab_core::Event;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use thiserror::Error;
use tracing::debug;

/// The last event of each asked partition; `None` where it holds none and none was deleted.
pub type Tails = BTreeMap<u32, Option<Tail>>;

/// The last event of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The event.
    pub event: Event,
    /// The record's own timestamp, microseconds since the Unix epoch: when its producer handed it over (or the broker
    /// wrote it, as the topic says), unlike the event's, which is when it was due.
    pub sent_at_us: Option<i64>,
}

/// How many offsets the first look goes back; each further look goes back this many times as far.
const STEP_FACTOR: i64 = 16;
/// Longest single wait for a record.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// Pause between two looks at the end offsets.
const SETTLE_INTERVAL: Duration = Duration::from_millis(50);

/// Why the tail could not be read.
#[derive(Debug, Error)]
pub enum TailError {
    /// The consumer could not be made: most likely a property that it does not know.
    #[error("cannot make a consumer to read the topic's tail: {0}")]
    Client(#[source] KafkaError),
    /// The topic does not exist, or no broker answered.
    #[error("cannot read the metadata of topic {topic}: {source}")]
    Metadata {
        /// The topic.
        topic: String,
        /// What the client says.
        #[source]
        source: KafkaError,
    },
    /// The topic does not exist.
    #[error("topic {0} does not exist")]
    NoTopic(String),
    /// The stream is laid out over another number of partitions.
    #[error("topic {topic} has {found} partitions, but --partitions is {wanted}: make them equal")]
    Partitions {
        /// The topic.
        topic: String,
        /// Partitions that the topic has.
        found: usize,
        /// Partitions of the stream.
        wanted: u32,
    },
    /// Offsets could not be read.
    #[error("cannot read the offsets of topic {topic}: {source}")]
    Offsets {
        /// The topic.
        topic: String,
        /// What the client says.
        #[source]
        source: KafkaError,
    },
    /// Records could not be read.
    #[error("cannot read the tail of topic {topic}: {source}")]
    Fetch {
        /// The topic.
        topic: String,
        /// What the client says.
        #[source]
        source: KafkaError,
    },
    /// Records were there, and are deleted.
    #[error(
        "topic {topic} holds no event of partition {partition} any more: it was emptied by its retention or by hand, so \
         nothing tells where this run stopped; use a new topic, and keep retention.ms above the length of a run"
    )]
    Emptied {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// It took too long.
    #[error("reading the tail of topic {topic} took too long: no answer for partitions {missing:?}")]
    Deadline {
        /// The topic.
        topic: String,
        /// Partitions that were not read in time.
        missing: Vec<u32>,
    },
}

impl TailError {
    /// A bounded name for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Metadata { .. } => "metadata",
            Self::NoTopic(_) => "no_topic",
            Self::Partitions { .. } => "partitions",
            Self::Offsets { .. } => "offsets",
            Self::Fetch { .. } => "fetch",
            Self::Emptied { .. } => "emptied",
            Self::Deadline { .. } => "deadline",
        }
    }

    /// Whether trying again cannot help.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Client(_) | Self::Partitions { .. } | Self::Emptied { .. })
    }
}

/// The last event of each given partition. Records that are no events (control records, malformed ones) are skipped.
/// Blocks until `deadline` at most.
pub fn last_events(
    config: &ClientConfig,
    topic: &str,
    partitions: &[u32],
    deadline: Instant,
) -> Result<Tails, TailError> {
    Reader::new(config, topic)?.last_events(partitions, Duration::ZERO, deadline)
}

/// [`last_events`] once the log's ends have not moved for `settle`: the last batches of a producer that was just killed
/// may still be on their way into the log, or be written and not yet visible.
pub fn settled_last_events(
    config: &ClientConfig,
    topic: &str,
    partitions: &[u32],
    settle: Duration,
    deadline: Instant,
) -> Result<Tails, TailError> {
    Reader::new(config, topic)?.last_events(partitions, settle, deadline)
}

/// The number of partitions that a topic has, compared with what the stream is laid out over.
pub fn check_partitions(config: &ClientConfig, topic: &str, wanted: u32, deadline: Instant) -> Result<(), TailError> {
    let found = Reader::new(config, topic)?.partitions(deadline)?;
    if found == wanted as usize {
        Ok(())
    } else {
        Err(TailError::Partitions {
            topic: topic.to_owned(),
            found,
            wanted,
        })
    }
}

struct Reader {
    consumer: BaseConsumer<QuietContext>,
    topic: String,
}

/// Errors come with the polls; here they would only be logged a second time, and the end of a partition as one.
struct QuietContext;

impl ClientContext for QuietContext {
    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "reading the log's tail");
    }
}

impl ConsumerContext for QuietContext {}

/// First offset and end offset (one past the last) of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    low: i64,
    end: i64,
}

impl Reader {
    fn new(config: &ClientConfig, topic: &str) -> Result<Self, TailError> {
        let consumer = config
            .clone()
            // A group is never joined and nothing committed; librdkafka wants a name for it.
            .set("group.id", "eoslab-tail")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_uncommitted")
            .set("allow.auto.create.topics", "false")
            .set("fetch.wait.max.ms", "10")
            .create_with_context(QuietContext)
            .map_err(TailError::Client)?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
        })
    }

    fn partitions(&self, deadline: Instant) -> Result<usize, TailError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(&self.topic), until(deadline))
            .map_err(|source| TailError::Metadata {
                topic: self.topic.clone(),
                source,
            })?;
        let found = metadata.topics().iter().find(|found| found.name() == self.topic);
        match found.map(|found| found.partitions().len()) {
            Some(partitions) if partitions > 0 => Ok(partitions),
            _ => Err(TailError::NoTopic(self.topic.clone())),
        }
    }

    fn last_events(&self, partitions: &[u32], settle: Duration, deadline: Instant) -> Result<Tails, TailError> {
        let bounds = self.settled_bounds(partitions, settle, deadline)?;
        let mut tails: Tails = bounds.keys().map(|partition| (*partition, None)).collect();
        let mut open: BTreeMap<u32, i64> = BTreeMap::new();
        for (partition, bounds) in &bounds {
            if bounds.end > bounds.low {
                open.insert(*partition, bounds.end - 1);
            }
        }
        let mut step = 1;
        while !open.is_empty() {
            for (partition, tail) in self.read_from(&open, &bounds, deadline)? {
                tails.insert(partition, Some(tail));
            }
            step *= STEP_FACTOR;
            open.retain(|partition, start| {
                let Bounds { low, end } = bounds[partition];
                let more = tails[partition].is_none() && *start > low;
                *start = (end - step).max(low);
                more
            });
        }
        match tails
            .iter()
            .find(|(partition, tail)| tail.is_none() && bounds[partition].low > 0)
        {
            Some((partition, _)) => Err(TailError::Emptied {
                topic: self.topic.clone(),
                partition: *partition,
            }),
            None => Ok(tails),
        }
    }

    fn settled_bounds(
        &self,
        partitions: &[u32],
        settle: Duration,
        deadline: Instant,
    ) -> Result<BTreeMap<u32, Bounds>, TailError> {
        let mut bounds = self.bounds(partitions, deadline)?;
        let mut unchanged_since = Instant::now();
        while unchanged_since.elapsed() < settle {
            if Instant::now() >= deadline {
                return Err(TailError::Deadline {
                    topic: self.topic.clone(),
                    missing: partitions.to_vec(),
                });
            }
            std::thread::sleep(SETTLE_INTERVAL.min(settle));
            let again = self.bounds(partitions, deadline)?;
            if again != bounds {
                bounds = again;
                unchanged_since = Instant::now();
            }
        }
        Ok(bounds)
    }

    fn bounds(&self, partitions: &[u32], deadline: Instant) -> Result<BTreeMap<u32, Bounds>, TailError> {
        let lows = self.offsets(partitions, Offset::Beginning, deadline)?;
        let ends = self.offsets(partitions, Offset::End, deadline)?;
        Ok(lows
            .into_iter()
            .zip(ends)
            .map(|((partition, low), (_, end))| (partition, Bounds { low, end }))
            .collect())
    }

    fn offsets(&self, partitions: &[u32], at: Offset, deadline: Instant) -> Result<BTreeMap<u32, i64>, TailError> {
        let failed = |source| TailError::Offsets {
            topic: self.topic.clone(),
            source,
        };
        let mut wanted = TopicPartitionList::new();
        for partition in partitions {
            wanted
                .add_partition_offset(&self.topic, *partition as i32, at)
                .map_err(failed)?;
        }
        let found = self
            .consumer
            .offsets_for_times(wanted, until(deadline))
            .map_err(failed)?;
        let mut offsets = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(failed)?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition() as u32, offset);
            }
        }
        let missing: Vec<u32> = partitions
            .iter()
            .copied()
            .filter(|p| !offsets.contains_key(p))
            .collect();
        if missing.is_empty() {
            Ok(offsets)
        } else {
            Err(TailError::Deadline {
                topic: self.topic.clone(),
                missing,
            })
        }
    }

    /// Reads each partition from the given offset to its end; returns the last event of those that have one.
    fn read_from(
        &self,
        starts: &BTreeMap<u32, i64>,
        bounds: &BTreeMap<u32, Bounds>,
        deadline: Instant,
    ) -> Result<BTreeMap<u32, Tail>, TailError> {
        let failed = |source| TailError::Fetch {
            topic: self.topic.clone(),
            source,
        };
        let mut assignment = TopicPartitionList::new();
        for (partition, start) in starts {
            let start = Offset::Offset(*start);
            assignment
                .add_partition_offset(&self.topic, *partition as i32, start)
                .map_err(failed)?;
        }
        self.consumer.assign(&assignment).map_err(failed)?;
        let mut found = BTreeMap::new();
        let mut unread: Vec<u32> = starts.keys().copied().collect();
        while !unread.is_empty() {
            if Instant::now() >= deadline {
                return Err(TailError::Deadline {
                    topic: self.topic.clone(),
                    missing: unread,
                });
            }
            let read_to_end = match self.consumer.poll(POLL_TIMEOUT) {
                None => None,
                Some(Ok(record)) => note(&record, bounds, &mut found),
                Some(Err(KafkaError::PartitionEOF(partition))) => Some(partition as u32),
                Some(Err(error)) if is_passing(&error) => None,
                Some(Err(source)) => return Err(failed(source)),
            };
            unread.retain(|partition| Some(*partition) != read_to_end);
        }
        self.consumer.unassign().map_err(failed)?;
        Ok(found)
    }
}

/// Keeps a record that is an event; returns its partition if it is the last one before the partition's end.
fn note(record: &BorrowedMessage<'_>, bounds: &BTreeMap<u32, Bounds>, found: &mut BTreeMap<u32, Tail>) -> Option<u32> {
    let partition = record.partition() as u32;
    let end = bounds.get(&partition)?.end;
    if record.offset() < end
        && let Some(event) = record.payload().and_then(|payload| Event::decode(payload).ok())
    {
        let sent_at_us = record.timestamp().to_millis().map(|at_ms| at_ms * 1000);
        found.insert(partition, Tail { event, sent_at_us });
    }
    (record.offset() + 1 >= end).then_some(partition)
}

/// Errors that librdkafka recovers from by itself.
fn is_passing(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::Resolve
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::OffsetNotAvailable
                | Code::RequestTimedOut
        )
    )
}

fn until(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}
