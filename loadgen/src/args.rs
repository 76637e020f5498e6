//! The flags of `loadgen`. What they mean together: [`crate::settings`].

use std::str::FromStr;

use clap::{ArgAction, Parser, ValueEnum};
use eoslab_runtime::{KafkaArgs, LogArgs, PodArgs, StreamArgs};

/// Highest rate that can be asked for, events a second.
pub const RATE_MAX: f64 = 100_000_000.0;

/// An open-model, deterministic Kafka producer.
///
/// Sends the events of one member of a run: partition p's events are a pure function of the seed, and are sent on an
/// absolute schedule by the only producer that owns the partition, p mod producers = slot. A restarted producer goes
/// on behind the last event that the log has.
#[derive(Clone, Debug, Parser)]
#[command(name = "loadgen", version, max_term_width = 120)]
pub struct Args {
    #[command(flatten)]
    /// Who and where.
    pub pod: PodArgs,
    #[command(flatten)]
    /// Which Kafka.
    pub kafka: KafkaArgs,
    #[command(flatten)]
    /// Which events.
    pub stream: StreamArgs,
    #[command(flatten)]
    /// Logging.
    pub logging: LogArgs,
    /// How many events, when and how.
    #[command(flatten)]
    pub load: LoadArgs,
}

/// How many events, when, and how they are sent.
#[derive(clap::Args, Clone, Debug)]
pub struct LoadArgs {
    /// Number of producers (slots) of the run; at most one for each partition.
    #[arg(long, env = "EOSLAB_PRODUCERS", default_value_t = 1)]
    pub producers: u32,
    /// Events a second of the WHOLE run, all producers together, or `max` for a closed loop.
    #[arg(long, env = "EOSLAB_RATE", value_name = "N|max")]
    pub rate: Rate,
    /// Events of the whole run; instead of --duration-seconds.
    #[arg(long, env = "EOSLAB_EVENTS")]
    pub events: Option<u64>,
    /// Length of the run in seconds; with a numeric --rate it means rate x duration events.
    #[arg(long, env = "EOSLAB_DURATION_SECONDS")]
    pub duration_seconds: Option<f64>,
    /// open = on schedule (needs a numeric --rate), closed = as fast as possible (needs --rate max); follows from
    /// --rate when not given.
    #[arg(long, env = "EOSLAB_MODE", value_enum)]
    pub mode: Option<Mode>,
    /// Replicas that must have a record before it counts as acknowledged.
    #[arg(long, env = "EOSLAB_ACKS", value_enum, default_value = "all")]
    pub acks: Acks,
    /// Idempotent producer; the default is true with --acks all and false otherwise. Without it a retry may double or
    /// overtake events, and a counter skips what was overtaken.
    #[arg(long, env = "EOSLAB_IDEMPOTENCE", action = ArgAction::Set)]
    pub idempotence: Option<bool>,
    /// How long a batch waits for more records, milliseconds.
    #[arg(long, env = "EOSLAB_LINGER_MS", default_value_t = 5)]
    pub linger_ms: u32,
    /// Largest batch of one partition, bytes before compression. With idempotence, what gathers behind a batch in flight
    /// leaves as one of up to five times as much: librdkafka has one request of a partition in flight, others five.
    #[arg(long, env = "EOSLAB_BATCH_SIZE", default_value_t = 65_536)]
    pub batch_size: u32,
    /// Compression of batches.
    #[arg(long, env = "EOSLAB_COMPRESSION", value_enum, default_value = "lz4")]
    pub compression: Compression,
    /// Kafka clients in this pod, each with its own thread and connections; the partitions are dealt over them.
    #[arg(long, env = "EOSLAB_CLIENTS", default_value_t = 1)]
    pub clients: u32,
    /// How long a record may take until it counts as failed, milliseconds; 0 = never give up.
    #[arg(long, env = "EOSLAB_DELIVERY_TIMEOUT_MS", default_value_t = 0)]
    pub delivery_timeout_ms: u32,
    /// Most payload that one client queues, MiB; beyond it sending waits, which shows as lateness.
    #[arg(long, env = "EOSLAB_QUEUE_MIB", default_value_t = 32)]
    pub queue_mib: u32,
    /// How long queued records may take to leave after SIGTERM, milliseconds.
    #[arg(long, env = "EOSLAB_FLUSH_TIMEOUT_MS", default_value_t = 10_000)]
    pub flush_timeout_ms: u32,
    /// Start of the schedule, microseconds since the Unix epoch; default: now, or what the slot's Lease says.
    #[arg(long, env = "EOSLAB_START_AT_US")]
    pub start_at_us: Option<i64>,
    /// Latencies of events with an earlier timestamp (microseconds since the Unix epoch) are warm-up and not recorded;
    /// default: all are recorded, or what the slot's Lease says.
    #[arg(long, env = "EOSLAB_MEASURE_FROM_US")]
    pub measure_from_us: Option<i64>,
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Events a second of the whole run.
    PerSecond(f64),
    /// As fast as the brokers acknowledge.
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(Self::PerSecond(rate)),
            _ => Err(format!("give events a second, above 0 and at most {RATE_MAX}, or max")),
        }
    }
}

/// Traffic model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// On an absolute schedule, whatever the brokers do.
    Open,
    /// As fast as acknowledgements come back.
    Closed,
}

/// Replicas that must have a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Acks {
    /// All in-sync replicas.
    All,
    /// The leader.
    #[value(name = "1")]
    One,
    /// None: sent is acknowledged.
    #[value(name = "0")]
    Zero,
}

impl Acks {
    /// The client's property.
    pub(crate) fn as_property(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::One => "1",
            Self::Zero => "0",
        }
    }
}

/// Compression of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// LZ4.
    Lz4,
    /// None.
    None,
    /// Zstandard.
    Zstd,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
}

impl Compression {
    /// The client's property.
    pub(crate) fn as_property(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::None => "none",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
        }
    }
}
