//! Processes against real brokers. `EOSLAB_TEST_KAFKA=<ip:port>` names one; without it the tests are skipped, or fail
//! if `EOSLAB_TEST_REQUIRE=1`.

mod common;

use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{PATIENCE, TestResult, counts, read_log, settings};
use eoslab_core::report::{ProducerReport, ProducerState};
use eoslab_runtime::clock::system_now_us;
use eoslab_runtime::tail::{TailError, last_events};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// The brokers, or `None` where there are none to test with.
fn brokers() -> Option<String> {
    match std::env::var("EOSLAB_TEST_KAFKA") {
        Ok(bootstrap) if !bootstrap.is_empty() => Some(bootstrap),
        _ if std::env::var("EOSLAB_TEST_REQUIRE").is_ok_and(|require| require == "1") => {
            panic!("EOSLAB_TEST_REQUIRE=1, but EOSLAB_TEST_KAFKA names no broker")
        }
        _ => {
            println!("SKIPPED: EOSLAB_TEST_KAFKA names no broker");
            None
        }
    }
}

/// A topic of its own for one test, deleted at its end.
struct Topic {
    bootstrap: String,
    name: String,
}

impl Topic {
    async fn create(bootstrap: &str, purpose: &str, partitions: i32) -> Result<Self, Box<dyn std::error::Error>> {
        let name = format!(
            "loadgen-{purpose}-{}",
            SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros()
        );
        let topic = Self {
            bootstrap: bootstrap.to_owned(),
            name,
        };
        let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(3)).set("min.insync.replicas", "2");
        for created in topic.admin()?.create_topics([&new], &AdminOptions::new()).await? {
            created.map_err(|(name, code)| format!("{name}: {code}"))?;
        }
        Ok(topic)
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, rdkafka::error::KafkaError> {
        ClientConfig::new().set("bootstrap.servers", &self.bootstrap).create()
    }

    async fn delete(&self) -> TestResult {
        self.admin()?.delete_topics(&[&self.name], &AdminOptions::new()).await?;
        Ok(())
    }
}

/// A loadgen process; killed when dropped.
struct Loadgen {
    child: Child,
    url: String,
}

impl Loadgen {
    fn start(topic: &Topic, flags: &[&str]) -> Result<Self, std::io::Error> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let listen = format!("127.0.0.1:{port}");
        let child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args([
                "--bootstrap-servers",
                &topic.bootstrap,
                "--topic",
                &topic.name,
                "--accounts",
                "5000",
            ])
            .args(["--listen", &listen])
            .args(flags)
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            url: format!("http://{listen}"),
        })
    }

    async fn wait(
        &self,
        what: &str,
        condition: impl Fn(&ProducerReport) -> bool,
    ) -> Result<ProducerReport, Box<dyn std::error::Error>> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            if let Ok(answer) = reqwest::get(format!("{}/report", self.url)).await
                && let Ok(report) = serde_json::from_slice::<ProducerReport>(&answer.bytes().await?)
                && condition(&report)
            {
                return Ok(report);
            }
            assert!(Instant::now() < give_up_at, "waiting for {what} took too long");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn done(&self) -> Result<ProducerReport, Box<dyn std::error::Error>> {
        self.wait("done", |report| report.state == ProducerState::Done).await
    }

    fn signal(&self, signal: &str) -> Result<ExitStatus, std::io::Error> {
        Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
    }

    fn ended(mut self) -> Result<ExitStatus, std::io::Error> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            assert!(Instant::now() < give_up_at, "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Loadgen {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_producer_leaves_neither_hole_nor_duplicate() -> TestResult {
    let Some(bootstrap) = brokers() else { return Ok(()) };
    let topic = Topic::create(&bootstrap, "kill", 12).await?;
    let start_at = (system_now_us() + 2_000_000).to_string();
    let run = [
        "--producers",
        "2",
        "--events",
        "200000",
        "--rate",
        "25000",
        "--start-at-us",
        &start_at,
    ];
    let start = |slot: &'static str| Loadgen::start(&topic, &[&run[..], &["--slot", slot]].concat());
    let (first, second) = (start("0")?, start("1")?);
    let before = second.wait("half of it", |report| report.sent > 40_000).await?;
    second.signal("-KILL")?;
    assert_eq!(second.ended()?.code(), None, "killed");
    let second = start("1")?;
    let (one, two) = (first.done().await?, second.done().await?);
    let spec = settings(
        &bootstrap,
        &topic.name,
        &["--rate", "1", "--events", "1", "--slot", "0"],
    )
    .stream;
    let counts = counts(&spec, 200_000);
    let log = read_log(&bootstrap, &topic.name, &spec, 256)?;
    assert!(log.is_dense(&counts), "{} records", log.len());
    let resumed: u64 = two.partitions.iter().map(|produced| produced.first_seq).sum();
    assert!(resumed >= before.partitions.iter().map(|produced| produced.acked.count).sum());
    assert_eq!(one.sent + resumed + two.sent, 200_000);
    for produced in one.partitions.iter().chain(&two.partitions) {
        assert_eq!(produced.acked.count, produced.next_seq - produced.first_seq);
        assert_eq!(Some(produced.next_seq), produced.end_seq);
        assert_eq!((produced.failed, produced.indeterminate), (0, 0));
    }
    assert!(
        two.lateness.max() > 100_000,
        "the time it was dead is lateness: {} us",
        two.lateness.max()
    );
    for process in [first, second] {
        process.signal("-TERM")?;
        assert_eq!(process.ended()?.code(), Some(0));
    }
    topic.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acks_and_compression_reaches_the_log() -> TestResult {
    let Some(bootstrap) = brokers() else { return Ok(()) };
    for (acks, compression, size) in [
        ("all", "zstd", "4096"),
        ("1", "lz4", "256"),
        ("0", "none", "256"),
        ("all", "gzip", "32"),
        ("1", "snappy", "33"),
    ] {
        let topic = Topic::create(&bootstrap, "acks", 3).await?;
        let flags = [
            "--partitions",
            "3",
            "--events",
            "6000",
            "--rate",
            "6000",
            "--slot",
            "0",
            "--acks",
            acks,
            "--compression",
            compression,
            "--message-size",
            size,
            "--clients",
            "2",
        ];
        let process = Loadgen::start(&topic, &flags)?;
        let report = process.done().await?;
        process.signal("-TERM")?;
        assert_eq!(process.ended()?.code(), Some(0));
        let spec = settings(&bootstrap, &topic.name, &flags).stream;
        let log = read_log(&bootstrap, &topic.name, &spec, size.parse()?)?;
        assert!(log.is_dense(&counts(&spec, 6000)), "acks {acks}: {} records", log.len());
        for produced in &report.partitions {
            assert_eq!(
                produced.acked,
                log.tallies.get(&produced.partition).copied().unwrap_or_default()
            );
        }
        topic.delete().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_the_middle_flushes_and_the_rest_follows_later() -> TestResult {
    let Some(bootstrap) = brokers() else { return Ok(()) };
    let topic = Topic::create(&bootstrap, "term", 4).await?;
    let flags = [
        "--partitions",
        "4",
        "--events",
        "80000",
        "--rate",
        "10000",
        "--slot",
        "0",
        "--linger-ms",
        "50",
    ];
    let process = Loadgen::start(&topic, &flags)?;
    process.wait("half of it", |report| report.sent > 40_000).await?;
    process.signal("-TERM")?;
    assert_eq!(process.ended()?.code(), Some(0));
    let spec = settings(&bootstrap, &topic.name, &flags).stream;
    let half = read_log(&bootstrap, &topic.name, &spec, 256)?;
    assert!(half.len() > 40_000 && half.len() < 80_000, "{}", half.len());
    // The rest takes at most 4 s: on a schedule that went on meanwhile, half of it would be more than 2 s late.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let process = Loadgen::start(&topic, &flags)?;
    let report = process.done().await?;
    assert_eq!(report.sent + half.len(), 80_000);
    assert!(
        report.lateness.quantile(0.5) < 1_000_000,
        "without a given start the schedule starts anew"
    );
    drop(process);
    let log = read_log(&bootstrap, &topic.name, &spec, 256)?;
    assert!(log.is_dense(&counts(&spec, 80_000)));
    topic.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_number_of_partitions_ends_with_exit_code_1() -> TestResult {
    let Some(bootstrap) = brokers() else { return Ok(()) };
    let topic = Topic::create(&bootstrap, "partitions", 2).await?;
    let process = Loadgen::start(&topic, &["--events", "1", "--rate", "1", "--slot", "0"])?;
    assert_eq!(process.ended()?.code(), Some(1));
    topic.delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_emptied_is_not_taken_for_one_never_written_to() -> TestResult {
    let Some(bootstrap) = brokers() else { return Ok(()) };
    let topic = Topic::create(&bootstrap, "emptied", 1).await?;
    let flags = ["--partitions", "1", "--events", "500", "--rate", "5000", "--slot", "0"];
    let process = Loadgen::start(&topic, &flags)?;
    process.done().await?;
    process.signal("-TERM")?;
    assert_eq!(process.ended()?.code(), Some(0));
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(&topic.name, 0, Offset::End)?;
    topic.admin()?.delete_records(&all, &AdminOptions::new()).await?;
    let config = settings(&bootstrap, &topic.name, &flags).reader_config;
    let error = last_events(&config, &topic.name, &[0], Instant::now() + PATIENCE).expect_err("all is deleted");
    assert!(matches!(error, TailError::Emptied { partition: 0, .. }), "{error}");
    let refused = Loadgen::start(&topic, &flags)?;
    assert_eq!(refused.ended()?.code(), Some(1));
    topic.delete().await
}
