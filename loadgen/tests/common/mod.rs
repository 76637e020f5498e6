//! What the tests share: settings from flags, a pod in this process, and the check of a whole log against the streams.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Parser;
use eoslab_core::report::{ProducerReport, ProducerState};
use eoslab_core::{Event, HEADER_LEN, Key, Layout, PartitionStream, StreamSpec, Tally};
use eoslab_loadgen::args::Args;
use eoslab_loadgen::pod::{self, RunError};
use eoslab_loadgen::settings::Settings;
use eoslab_runtime::exit::Exit;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Longest time that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Settings from flags; the flags common to all tests are there already.
pub fn settings(bootstrap: &str, topic: &str, flags: &[&str]) -> Settings {
    let fixed = [
        "loadgen",
        "--bootstrap-servers",
        bootstrap,
        "--topic",
        topic,
        "--accounts",
        "5000",
    ];
    let args = Args::try_parse_from(fixed.iter().chain(flags)).expect("flags parse");
    args.settings().expect("flags fit together")
}

/// A pod that runs in this process.
pub struct Pod {
    url: String,
    stop: CancellationToken,
    task: JoinHandle<Result<Exit, RunError>>,
}

impl Pod {
    pub async fn start(settings: Settings) -> Result<Self, Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let task = tokio::spawn(pod::run(settings, listener, stop.clone()));
        Ok(Self { url, stop, task })
    }

    pub async fn get(&self, path: &str) -> Result<(u16, String), reqwest::Error> {
        let answer = reqwest::get(format!("{}{path}", self.url)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    pub async fn report(&self) -> Result<ProducerReport, Box<dyn std::error::Error>> {
        Ok(serde_json::from_str(&self.get("/report").await?.1)?)
    }

    /// Waits until the report satisfies a condition.
    pub async fn wait(
        &self,
        what: &str,
        condition: impl Fn(&ProducerReport) -> bool,
    ) -> Result<ProducerReport, Box<dyn std::error::Error>> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let report = self.report().await?;
            if condition(&report) {
                return Ok(report);
            }
            assert!(
                Instant::now() < give_up_at,
                "waiting for {what} took too long: {report:#?}"
            );
            assert!(!self.task.is_finished(), "the pod ended while waiting for {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn done(&self) -> Result<ProducerReport, Box<dyn std::error::Error>> {
        self.wait("done", |report| report.state == ProducerState::Done).await
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(self) -> Result<Exit, Box<dyn std::error::Error>> {
        self.stop.cancel();
        Ok(self.task.await??)
    }

    /// Waits until it ends by itself.
    pub async fn ended(self) -> Result<Result<Exit, RunError>, Box<dyn std::error::Error>> {
        Ok(tokio::time::timeout(PATIENCE, self.task).await??)
    }
}

/// What a log holds, checked record by record against the streams.
#[derive(Debug, Default)]
pub struct Log {
    /// Events by partition in the order of the log.
    pub seqs: BTreeMap<u32, Vec<u64>>,
    /// Tally of the first occurrence of each seq, by partition.
    pub tallies: BTreeMap<u32, Tally>,
}

impl Log {
    /// Whether each partition holds exactly the seqs `0..counts[partition]` in their order.
    pub fn is_dense(&self, counts: &[u64]) -> bool {
        let dense = |(partition, count): (usize, &u64)| self.seqs[&(partition as u32)].iter().copied().eq(0..*count);
        counts.iter().enumerate().all(dense)
    }

    /// Records in all partitions.
    pub fn len(&self) -> u64 {
        self.seqs.values().map(|seqs| seqs.len() as u64).sum()
    }
}

/// Reads all partitions from the beginning to their present end, and checks every record: header, key, partition, size.
pub fn read_log(bootstrap: &str, topic: &str, spec: &StreamSpec, message_size: usize) -> Result<Log, KafkaError> {
    let layout = Layout::new(spec).expect("a valid stream");
    let streams: BTreeMap<u32, PartitionStream> = (0..spec.partitions)
        .filter_map(|partition| Some((partition, layout.stream(partition)?)))
        .collect();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "loadgen-test")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..spec.partitions {
        assignment.add_partition_offset(topic, partition as i32, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let seqs = (0..spec.partitions).map(|partition| (partition, Vec::new())).collect();
    let mut log = Log {
        seqs,
        tallies: BTreeMap::new(),
    };
    let mut open = spec.partitions;
    let give_up_at = Instant::now() + PATIENCE;
    while open > 0 {
        assert!(Instant::now() < give_up_at, "reading the log took too long");
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error),
            Some(Ok(record)) => check(&record, &streams, spec.partitions, message_size, &mut log),
        }
    }
    Ok(log)
}

fn check(
    record: &impl Message,
    streams: &BTreeMap<u32, PartitionStream>,
    partitions: u32,
    message_size: usize,
    log: &mut Log,
) {
    let partition = record.partition() as u32;
    let payload = record.payload().expect("a value");
    let event = Event::decode(payload).expect("an event");
    let draw = streams[&partition].draw(event.seq);
    let key = Key::new(draw.account_id, draw.salt);
    assert_eq!(
        (event.account_id, event.amount),
        (draw.account_id, draw.amount),
        "seq {}",
        event.seq
    );
    assert_eq!(record.key(), Some(key.as_bytes()), "key of seq {}", event.seq);
    assert_eq!(key.partition(partitions), partition, "partition of seq {}", event.seq);
    assert_eq!(payload.len(), message_size, "size of seq {}", event.seq);
    assert!(
        message_size <= HEADER_LEN || event.ts_us > 1_600_000_000_000_000,
        "time of seq {}",
        event.seq
    );
    let seqs = log.seqs.entry(partition).or_default();
    if seqs.last().is_none_or(|last| *last < event.seq) {
        log.tallies
            .entry(partition)
            .or_default()
            .add(partition, event.seq, event.account_id, event.amount);
    }
    seqs.push(event.seq);
}

/// Events of each partition for a number of events of the whole run.
pub fn counts(spec: &StreamSpec, events: u64) -> Vec<u64> {
    Layout::new(spec).expect("a valid stream").counts(events)
}
