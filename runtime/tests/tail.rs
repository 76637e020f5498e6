//! The tail of a log on librdkafka's mock brokers.

use std::time::{Duration, Instant};

use eoslab_core::{Event, HEADER_LEN};
use eoslab_runtime::KafkaArgs;
use eoslab_runtime::clock::system_now_us;
use eoslab_runtime::kafka::client_config;
use eoslab_runtime::tail::{TailError, Tails, check_partitions, last_events, settled_last_events};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const TOPIC: &str = "events";

struct Log {
    _brokers: MockCluster<'static, DefaultProducerContext>,
    config: ClientConfig,
    producer: BaseProducer,
}

impl Log {
    fn new(partitions: i32) -> Result<Self, Box<dyn std::error::Error>> {
        let brokers = MockCluster::new(2)?;
        brokers.create_topic(TOPIC, partitions, 2)?;
        let args = KafkaArgs {
            bootstrap_servers: brokers.bootstrap_servers(),
            topic: TOPIC.into(),
            client_properties: String::new(),
        };
        let config = client_config(&args)?;
        let producer = config.clone().set("linger.ms", "1").create()?;
        Ok(Self {
            _brokers: brokers,
            config,
            producer,
        })
    }

    /// Appends and waits until it is in the log, so that each call is a batch of its own.
    fn append(&self, partition: i32, values: &[Vec<u8>]) -> TestResult {
        for value in values {
            let record = BaseRecord::<(), _>::to(TOPIC).partition(partition).payload(value);
            self.producer.send(record).map_err(|(error, _)| error)?;
        }
        self.producer.flush(Duration::from_secs(10))?;
        Ok(())
    }

    fn tails(&self, partitions: &[u32]) -> Result<Tails, TailError> {
        last_events(&self.config, TOPIC, partitions, soon())
    }
}

fn last(tails: &Tails, partition: u32) -> Option<Event> {
    tails[&partition].map(|tail| tail.event)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn event(seq: u64) -> Event {
    Event {
        account_id: 7,
        amount: 3,
        ts_us: 9,
        seq,
    }
}

fn events(seqs: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    seqs.map(|seq| {
        let mut value = vec![0; HEADER_LEN + 8];
        event(seq).encode(&mut value);
        value
    })
    .collect()
}

#[test]
fn the_last_event_of_each_partition_is_found() -> TestResult {
    let log = Log::new(4)?;
    log.append(0, &events(0..500))?;
    log.append(2, &events(0..1))?;
    let tails = log.tails(&[0, 1, 2])?;
    assert_eq!(tails.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(last(&tails, 0), Some(event(499)));
    assert_eq!(last(&tails, 1), None);
    assert_eq!(last(&tails, 2), Some(event(0)));
    Ok(())
}

#[test]
fn a_tail_tells_when_it_was_sent() -> TestResult {
    let log = Log::new(1)?;
    let before_us = system_now_us() - 1000;
    log.append(0, &events(0..1))?;
    let sent_at_us = log.tails(&[0])?[&0]
        .and_then(|tail| tail.sent_at_us)
        .ok_or("no timestamp")?;
    assert!((before_us..=system_now_us()).contains(&sent_at_us), "{sent_at_us}");
    Ok(())
}

#[test]
fn records_that_are_no_events_are_skipped_however_many() -> TestResult {
    for malformed in [1, 15, 16, 17, 600] {
        let log = Log::new(2)?;
        log.append(0, &events(0..20))?;
        log.append(0, &vec![b"no event".to_vec(); malformed])?;
        log.append(1, &vec![b"no event".to_vec(); malformed])?;
        let tails = log.tails(&[0, 1])?;
        assert_eq!(last(&tails, 0), Some(event(19)), "{malformed} malformed ones");
        assert_eq!(last(&tails, 1), None, "{malformed} malformed ones");
    }
    Ok(())
}

#[test]
fn a_log_that_still_grows_is_waited_for() -> TestResult {
    let log = Log::new(1)?;
    log.append(0, &events(0..10))?;
    // Much longer than between two events, also on a slow machine.
    let settle = Duration::from_secs(3);
    let tails = std::thread::scope(|scope| {
        let settled = scope.spawn(|| settled_last_events(&log.config, TOPIC, &[0], settle, soon()));
        for seq in 10..20 {
            std::thread::sleep(Duration::from_millis(100));
            log.append(0, &events(seq..seq + 1)).expect("appended");
        }
        settled.join().expect("no panic")
    })?;
    assert_eq!(last(&tails, 0), Some(event(19)));
    Ok(())
}

#[test]
fn another_number_of_partitions_is_an_error_that_names_the_flag() -> TestResult {
    let log = Log::new(3)?;
    check_partitions(&log.config, TOPIC, 3, soon())?;
    let error = check_partitions(&log.config, TOPIC, 12, soon()).expect_err("3 are not 12");
    assert!(
        error.is_permanent() && error.to_string().contains("--partitions is 12"),
        "{error}"
    );
    Ok(())
}

#[test]
fn brokers_that_do_not_answer_are_given_up_at_the_deadline() -> TestResult {
    let args = KafkaArgs {
        bootstrap_servers: "127.0.0.1:1".into(),
        topic: TOPIC.into(),
        client_properties: String::new(),
    };
    let started = Instant::now();
    let error = last_events(
        &client_config(&args)?,
        TOPIC,
        &[0],
        started + Duration::from_millis(800),
    );
    assert!(error.is_err_and(|error| !error.is_permanent()));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    Ok(())
}
