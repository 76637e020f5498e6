//! A real Kafka, named by EOSLAB_TEST_KAFKA, and the real `counter` binary against it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eoslab_core::report::{CounterReport, VerifyReport};
use eoslab_core::{Event, Key, Layout};
use eoslab_counter::ledger::Ledger;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use super::{MESSAGE_SIZE, new_run, spec};

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The brokers to test against. Without them a test is skipped and says so, or fails where EOSLAB_TEST_REQUIRE=1.
pub fn bootstrap() -> Option<String> {
    match std::env::var("EOSLAB_TEST_KAFKA") {
        Ok(bootstrap) if !bootstrap.is_empty() => Some(bootstrap),
        _ if std::env::var("EOSLAB_TEST_REQUIRE").as_deref() == Ok("1") => {
            panic!("EOSLAB_TEST_REQUIRE=1, and EOSLAB_TEST_KAFKA=<host:port> is not set");
        }
        _ => {
            println!("skipped: set EOSLAB_TEST_KAFKA=<host:port> to test against a real Kafka");
            None
        }
    }
}

/// A topic of a test's own with the stream that belongs into it.
pub struct KafkaRun {
    pub id: String,
    pub bootstrap: String,
    pub redis_url: String,
    pub layout: Layout,
    pub counts: Vec<u64>,
}

impl KafkaRun {
    /// Creates the topic.
    pub fn new(bootstrap: &str, redis_url: &str, partitions: u32, events: u64) -> Self {
        let layout = Layout::new(&spec(partitions)).expect("a valid spec");
        let counts = layout.counts(events);
        let run = Self {
            id: new_run(),
            bootstrap: bootstrap.into(),
            redis_url: redis_url.into(),
            layout,
            counts,
        };
        let topic =
            NewTopic::new(&run.id, partitions as i32, TopicReplication::Fixed(3)).set("min.insync.replicas", "2");
        let created = block_on(async { run.admin().create_topics([&topic], &AdminOptions::new()).await });
        created
            .expect("brokers answer")
            .remove(0)
            .expect("the topic is created");
        run.wait_for_leaders();
        run
    }

    /// Brokers learn of a new topic one after another, and a counter whose question comes before that ends.
    fn wait_for_leaders(&self) {
        let consumer: BaseConsumer = self.client().create().expect("a valid configuration");
        wait_until("every leader knows the topic", || {
            (0..self.counts.len() as i32).all(|p| consumer.fetch_watermarks(&self.id, p, PATIENCE).is_ok())
        });
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("a valid configuration")
    }

    /// Writes the whole stream at about `rate` events a second on a thread of its own. After every `garbage_every`
    /// events of a partition, a record that is no event follows.
    pub fn produce(&self, rate: u64, garbage_every: u64) -> JoinHandle<()> {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "50")
            .set("message.timeout.ms", "60000");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a valid configuration");
        let (topic, counts) = (self.id.clone(), self.counts.clone());
        let partitions: Vec<u32> = (0..counts.len() as u32).collect();
        let streams = self.layout.streams(&partitions);
        std::thread::spawn(move || {
            let (started, mut sent) = (Instant::now(), 0);
            for seq in 0..counts.iter().copied().max().unwrap_or(0) {
                for stream in streams
                    .iter()
                    .filter(|stream| seq < counts[stream.partition() as usize])
                {
                    let draw = stream.draw(seq);
                    let ts_us = eoslab_runtime::clock::system_now_us();
                    let event = Event {
                        account_id: draw.account_id,
                        amount: draw.amount,
                        ts_us,
                        seq,
                    };
                    let mut payload = [0; MESSAGE_SIZE];
                    event.encode(&mut payload);
                    let key = Key::new(draw.account_id, None);
                    send(&producer, &topic, stream.partition(), key.as_bytes(), &payload);
                    if garbage_every > 0 && seq % garbage_every == garbage_every - 1 {
                        send(&producer, &topic, stream.partition(), b"what", b"is this");
                    }
                    sent += 1;
                    if sent % 100 == 0 {
                        let due = started + Duration::from_secs_f64(sent as f64 / rate as f64);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                }
            }
            producer.flush(PATIENCE).expect("everything is written");
        })
    }

    /// A counter with `more` flags in `slot`, not waited for.
    pub fn counter(&self, slot: u32, more: &[&str]) -> Counter {
        Counter::spawn(self, slot, more)
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::new(&[&self.redis_url], &self.id).expect("a url")
    }

    /// Events counted so far; `None` while Redis does not answer.
    pub fn counted(&self, ledger: &mut Ledger) -> Option<u64> {
        let partitions: Vec<u32> = (0..self.counts.len() as u32).collect();
        Some(
            ledger
                .read(&partitions)
                .ok()?
                .iter()
                .map(|entry| entry.tally.count)
                .sum(),
        )
    }

    /// Waits until `share` of all events are counted.
    pub fn wait_for_share(&self, share: f64) {
        let wanted = (self.counts.iter().sum::<u64>() as f64 * share) as u64;
        let mut ledger = self.ledger();
        wait_until(&format!("{wanted} events are counted"), || {
            self.counted(&mut ledger).is_some_and(|n| n >= wanted)
        });
    }

    /// Waits until every partition's last event is counted.
    pub fn wait_for_end(&self) {
        let mut ledger = self.ledger();
        let partitions: Vec<u32> = (0..self.counts.len() as u32).collect();
        wait_until("the last event of every partition is counted", || {
            let entries = ledger.read(&partitions).unwrap_or_default();
            entries.len() == self.counts.len() && entries.iter().zip(&self.counts).all(|(e, n)| e.seq + 1 >= *n as i64)
        });
    }

    /// Runs `counter verify`: its exit code and report.
    pub fn verify(&self) -> (i32, VerifyReport) {
        let result_file = std::env::temp_dir().join(format!("{}-result", self.id));
        let counts: Vec<String> = self.counts.iter().map(u64::to_string).collect();
        let output = Command::new(env!("CARGO_BIN_EXE_counter"))
            .args([
                "verify",
                "--run-id",
                &self.id,
                "--redis-url",
                &self.redis_url,
                "--counts",
                &counts.join(","),
            ])
            .args(stream_flags(&self.layout))
            .arg("--result-file")
            .arg(&result_file)
            .output()
            .expect("the binary runs");
        let text = std::fs::read_to_string(&result_file).expect("a result is written");
        let _ = std::fs::remove_file(&result_file);
        println!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(text.len() < 4096, "{text}");
        let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (output.status.code().unwrap_or(-1), report)
    }

    /// Asserts that every account is exact.
    pub fn assert_exact(&self) {
        let (code, report) = self.verify();
        assert!(code == 0 && report.is_exact(), "exit {code}: {report:?}");
        assert_eq!(report.counted.count, self.counts.iter().sum::<u64>());
    }
}

impl Drop for KafkaRun {
    fn drop(&mut self) {
        let _ = block_on(async {
            self.admin()
                .delete_topics(&[&self.id], &AdminOptions::new())
                .await
                .map(|_| ())
        });
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn stream_flags(layout: &Layout) -> Vec<String> {
    let spec = layout.spec();
    vec![
        format!("--partitions={}", spec.partitions),
        format!("--accounts={}", spec.accounts),
        format!("--seed={}", spec.seed),
        format!("--zipf-exponent={}", spec.zipf_exponent),
        format!("--message-size={MESSAGE_SIZE}"),
    ]
}

fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, partition: u32, key: &[u8], payload: &[u8]) {
    let mut record = BaseRecord::to(topic)
        .partition(partition as i32)
        .key(key)
        .payload(payload);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                std::thread::sleep(Duration::from_millis(1));
            }
            Err((error, _)) => panic!("{error}"),
        }
    }
}

/// Waits for a condition, and fails with its name.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A `counter run` process; killed when dropped.
pub struct Counter {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Counter {
    fn spawn(run: &KafkaRun, slot: u32, more: &[&str]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .expect("a port")
            .port();
        let log = std::env::temp_dir().join(format!("{}-counter-{slot}-{port}.log", run.id));
        let file = std::fs::File::create(&log).expect("a temporary file");
        let child = Command::new(env!("CARGO_BIN_EXE_counter"))
            .args([
                "run",
                "--bootstrap-servers",
                &run.bootstrap,
                "--topic",
                &run.id,
                "--group-id",
                &run.id,
            ])
            .args([
                "--run-id",
                &run.id,
                "--redis-url",
                &run.redis_url,
                "--slot",
                &slot.to_string(),
            ])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(stream_flags(&run.layout))
            // Not by its flag, which a test may give.
            .env("EOSLAB_SESSION_TIMEOUT_MS", "6000")
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Self { child, port, log }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .expect("it is this test's child");
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill runs");
    }

    /// The exit code, once it ends by itself.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is this test's child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the counter does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `GET path`: status and body; status 0 while nobody listens.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).unwrap_or((0, String::new()))
    }

    fn try_get(&self, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Ok((status, body.to_owned()))
    }

    /// How often a new client took over as the coordinator had answered too late.
    pub fn new_clients(&self) -> usize {
        self.log().matches("a new client takes over").count()
    }

    pub fn wait_ready(&self) {
        wait_until("the counter is ready", || self.get("/readyz").0 == 200);
    }

    /// Whether it is ready and has so many partitions.
    pub fn holds(&self, partitions: usize) -> bool {
        let held = || self.report().partitions.iter().filter(|p| p.assigned).count();
        self.get("/readyz").0 == 200 && held() == partitions
    }

    pub fn report(&self) -> CounterReport {
        serde_json::from_str(&self.get("/report").1).expect("a report")
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
        let _ = std::fs::remove_file(&self.log);
    }
}
