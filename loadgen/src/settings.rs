//! What the flags mean, checked alone and against each other.

use eoslab_core::StreamSpec;
use eoslab_runtime::PodArgs;
use eoslab_runtime::args::ArgsError;
use eoslab_runtime::kafka::{KafkaConfigError, client_config, client_config_with};
use eoslab_runtime::quota::STATISTICS_INTERVAL_MS;
use eoslab_runtime::slot::SlotSource;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;
use thiserror::Error;

use crate::args::{Acks, Args, LoadArgs, Mode, Rate};
use crate::lane::Batching;

/// Most clients (each with a sending thread) in one pod.
pub const CLIENTS_MAX: u32 = 64;
/// Most payload that one client may queue, MiB.
const QUEUE_MIB_MAX: u32 = 4096;
/// Room that a record takes beside its value at most: key, framing, and what librdkafka reckons with.
const RECORD_OVERHEAD_BYTES: u64 = 64;
/// What a record takes on the wire beside its value: key and framing.
const WIRE_OVERHEAD_BYTES: u64 = 20;
/// Requests that a client has in flight to one broker: what idempotence allows.
const IN_FLIGHT_MAX: u64 = 5;
/// Largest batch that a backlog is gathered to, bytes: brokers take 1 MiB by default.
const BATCH_BYTES_MAX: u64 = 900_000;
/// How long a batch that is not full waits in librdkafka, microseconds: the least that its threads can wait.
const CLIENT_LINGER_US: u64 = 1000;
/// Most records that one client queues, whatever their size.
const QUEUE_RECORDS_MAX: u64 = 1_000_000;

/// Flags that do not fit together; every message names the flag and the fix.
#[derive(Debug, Error, PartialEq)]
pub enum SettingsError {
    /// A shared flag.
    #[error(transparent)]
    Shared(#[from] ArgsError),
    /// A Kafka property.
    #[error(transparent)]
    Kafka(#[from] KafkaConfigError),
    /// What librdkafka itself refuses.
    #[error("librdkafka refuses the settings (see --client-properties): {0}")]
    Client(#[source] KafkaError),
    /// A number beyond its range.
    #[error("{flag} {value} is out of range: give {range}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        range: String,
    },
    /// A partition has one writer.
    #[error(
        "--producers {producers} exceeds --partitions {partitions}: a partition has one writer, use fewer producers"
    )]
    Producers {
        /// Wanted producers.
        producers: u32,
        /// Partitions of the topic.
        partitions: u32,
    },
    /// A slot beyond the producers.
    #[error("--slot {slot} does not exist with --producers {producers}: slots are 0 to producers - 1")]
    Slot {
        /// The slot.
        slot: u32,
        /// Wanted producers.
        producers: u32,
    },
    /// A run needs one end.
    #[error("give exactly one of --events <n> and --duration-seconds <n>")]
    End,
    /// A traffic model that contradicts the rate.
    #[error("--mode {mode} needs --rate {needs}")]
    Mode {
        /// The model.
        mode: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// Idempotence that the acknowledgements cannot give.
    #[error("--idempotence true needs --acks all: set --idempotence false, or leave it out")]
    Idempotence,
}

/// Where a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// After this many events in all partitions together.
    Events(u64),
    /// So many microseconds after its start (closed loop only).
    AfterUs(i64),
}

/// What the flags mean, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the slot is got.
    pub slot: SlotSource,
    /// Identity of the run.
    pub run_id: String,
    /// This pod, for [`PodArgs::incarnation`].
    pub pod: PodArgs,
    /// The stream.
    pub stream: StreamSpec,
    /// Bytes of a message's value.
    pub message_size: usize,
    /// Share of the padding that compresses away, percent.
    pub compressibility_percent: u8,
    /// Topic of the events.
    pub topic: String,
    /// Configuration of the producing clients.
    pub producer_config: ClientConfig,
    /// Configuration for reading the log's tail.
    pub reader_config: ClientConfig,
    /// Producers of the run.
    pub producers: u32,
    /// Clients in this pod.
    pub clients: u32,
    /// How fast.
    pub rate: Rate,
    /// Where it ends.
    pub end: End,
    /// Whether a failed send leaves no hole: the partition is then taken up from the log's tail. It is so with
    /// idempotence only: without it a retry may overtake what was sent after it, and the tail tells nothing.
    pub gapless: bool,
    /// When admitted events are handed to the client.
    pub batching: Batching,
    /// Events of a full batch of one partition.
    pub batch_records: u64,
    /// Most events admitted and not resolved in one client.
    pub window: u64,
    /// How long queued records may take to leave at the end, microseconds.
    pub flush_timeout_us: u64,
    /// Start of the schedule as given by hand.
    pub start_at_us: Option<i64>,
    /// End of the warm-up as given by hand.
    pub measure_from_us: Option<i64>,
}

impl Args {
    /// Checks all flags, alone and against each other.
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let slot = self.pod.slot_source()?;
        let stream = self.stream.validated()?;
        let load = &self.load;
        load.check_ranges()?;
        load.check_mode()?;
        load.check_members(&slot, stream.partitions)?;
        let idempotence = load.idempotence()?;
        let end = load.end()?;
        let window = load.window(self.stream.message_size);
        let batching = load.batching(idempotence, self.stream.message_size);
        let role = load.producer_properties(batching, self.stream.message_size, window);
        let producer_config = accepted(client_config_with(&self.kafka, &role)?)?;
        Ok(Settings {
            slot,
            run_id: self.pod.run_id.clone(),
            pod: self.pod,
            stream,
            message_size: self.stream.message_size as usize,
            compressibility_percent: self.stream.compressibility_percent,
            topic: self.kafka.topic.clone(),
            producer_config,
            reader_config: client_config(&self.kafka)?,
            producers: load.producers,
            clients: load.clients,
            rate: load.rate,
            end,
            gapless: idempotence,
            batching,
            batch_records: load.batch_records(self.stream.message_size),
            window,
            flush_timeout_us: u64::from(load.flush_timeout_ms) * 1000,
            start_at_us: load.start_at_us,
            measure_from_us: load.measure_from_us,
        })
    }
}

impl LoadArgs {
    fn check_ranges(&self) -> Result<(), SettingsError> {
        in_range("--producers", self.producers, 1, u32::MAX)?;
        in_range("--clients", self.clients, 1, CLIENTS_MAX)?;
        in_range("--linger-ms", self.linger_ms, 0, 900_000)?;
        in_range("--batch-size", self.batch_size, 1, 16 << 20)?;
        in_range("--queue-mib", self.queue_mib, 1, QUEUE_MIB_MAX)?;
        in_range("--events", self.events.unwrap_or(1), 1, 1 << 53)?;
        in_range(
            "--duration-seconds",
            self.duration_seconds.unwrap_or(1.0),
            0.001,
            31_536_000.0,
        )?;
        if self.delivery_timeout_ms > 0 {
            in_range(
                "--delivery-timeout-ms",
                self.delivery_timeout_ms,
                self.linger_ms + 1,
                i32::MAX as u32,
            )?;
        }
        Ok(())
    }

    fn check_mode(&self) -> Result<(), SettingsError> {
        match (self.mode, self.rate) {
            (Some(Mode::Open), Rate::Max) => Err(SettingsError::Mode {
                mode: "open",
                needs: "<events a second>",
            }),
            (Some(Mode::Closed), Rate::PerSecond(_)) => Err(SettingsError::Mode {
                mode: "closed",
                needs: "max",
            }),
            _ => Ok(()),
        }
    }

    fn check_members(&self, slot: &SlotSource, partitions: u32) -> Result<(), SettingsError> {
        let producers = self.producers;
        if producers > partitions {
            return Err(SettingsError::Producers { producers, partitions });
        }
        match *slot {
            SlotSource::Fixed(slot) if slot >= producers => Err(SettingsError::Slot { slot, producers }),
            _ => Ok(()),
        }
    }

    fn idempotence(&self) -> Result<bool, SettingsError> {
        let possible = self.acks == Acks::All;
        match self.idempotence {
            Some(true) if !possible => Err(SettingsError::Idempotence),
            given => Ok(given.unwrap_or(possible)),
        }
    }

    fn end(&self) -> Result<End, SettingsError> {
        match (self.events, self.duration_seconds, self.rate) {
            (Some(events), None, _) => Ok(End::Events(events)),
            (None, Some(seconds), Rate::PerSecond(rate)) => Ok(End::Events((rate * seconds).round().max(1.0) as u64)),
            (None, Some(seconds), Rate::Max) => Ok(End::AfterUs((seconds * 1e6) as i64)),
            _ => Err(SettingsError::End),
        }
    }

    /// Events that one client may have queued and in flight.
    fn window(&self, message_size: u32) -> u64 {
        let bytes = u64::from(self.queue_mib) << 20;
        (bytes / (u64::from(message_size) + RECORD_OVERHEAD_BYTES)).clamp(16, QUEUE_RECORDS_MAX)
    }

    fn batch_records(&self, message_size: u32) -> u64 {
        (u64::from(self.batch_size) / (u64::from(message_size) + WIRE_OVERHEAD_BYTES)).max(1)
    }

    fn batching(&self, idempotence: bool, message_size: u32) -> Batching {
        if !idempotence {
            return Batching::ByClient;
        }
        let records = self.batch_records(message_size);
        let linger_us = (u64::from(self.linger_ms) * 1000).saturating_sub(CLIENT_LINGER_US);
        let wire_bytes = u64::from(message_size) + WIRE_OVERHEAD_BYTES;
        let records_max = (records * IN_FLIGHT_MAX).min(BATCH_BYTES_MAX / wire_bytes).max(records);
        Batching::OneAtATime {
            records,
            records_max,
            linger_us,
        }
    }

    /// The window is what bounds the client; librdkafka's own limits stay just beyond it, so that a record which fits
    /// the window is never refused. Where the batches are made here, a full one leaves by its number of records, and a
    /// smaller one after a linger that is just long enough to hand all of it over.
    fn producer_properties(&self, batching: Batching, message_size: u32, window: u64) -> Vec<(&'static str, String)> {
        let (idempotence, linger_ms, batch_records, batch_bytes) = match batching {
            Batching::ByClient => (false, f64::from(self.linger_ms), 1_000_000, u64::from(self.batch_size)),
            Batching::OneAtATime { records_max, .. } => {
                let batch_bytes = records_max * (u64::from(message_size) + RECORD_OVERHEAD_BYTES) + 1024;
                (
                    true,
                    CLIENT_LINGER_US as f64 / 2000.0,
                    records_max.min(1_000_000),
                    batch_bytes,
                )
            }
        };
        let message_max = 1_000_000.max(batch_bytes).max(u64::from(message_size) + 4096);
        let queue_kbytes = (u64::from(self.queue_mib) << 11).max(window * u64::from(message_size) / 512);
        vec![
            ("client.id", "eoslab-loadgen".into()),
            ("statistics.interval.ms", STATISTICS_INTERVAL_MS.into()),
            ("acks", self.acks.as_property().into()),
            ("enable.idempotence", idempotence.to_string()),
            // With idempotence more would let a retry overtake its successors; without it any number above one does.
            ("max.in.flight", IN_FLIGHT_MAX.to_string()),
            ("linger.ms", linger_ms.to_string()),
            ("batch.size", batch_bytes.to_string()),
            ("batch.num.messages", batch_records.to_string()),
            ("compression.type", self.compression.as_property().into()),
            ("message.timeout.ms", self.delivery_timeout_ms.to_string()),
            ("message.max.bytes", message_max.to_string()),
            ("queue.buffering.max.messages", (window + 1024).to_string()),
            (
                "queue.buffering.max.kbytes",
                queue_kbytes.min(2_147_483_647).to_string(),
            ),
        ]
    }
}

/// What librdkafka refuses is refused here, and not after the slot was claimed.
fn accepted(config: ClientConfig) -> Result<ClientConfig, SettingsError> {
    // Some rules are checked only when a client is made, but it needs no broker for that.
    match config.create::<BaseProducer>() {
        Ok(_) => Ok(config),
        Err(error) => Err(SettingsError::Client(error)),
    }
}

fn in_range<T: PartialOrd + ToString>(flag: &'static str, value: T, low: T, high: T) -> Result<(), SettingsError> {
    if value >= low && value <= high {
        return Ok(());
    }
    let range = format!("{} to {}", low.to_string(), high.to_string());
    Err(SettingsError::Range {
        flag,
        value: value.to_string(),
        range,
    })
}
