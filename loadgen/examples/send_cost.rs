//! What handing a record over and taking its delivery report costs the sending thread: rdkafka's own `send` and its
//! callback against [`Client`]'s batches. Prints nanoseconds of that thread's CPU per record, against mock brokers.
//!
//! `cargo run --release -p eoslab-loadgen --example send_cost`

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eoslab_core::{Event as WireEvent, Layout, PartitionStream, StreamSpec};
use eoslab_loadgen::client::{Client, Event};
use eoslab_loadgen::records::Records;
use rdkafka::client::ClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, Message};

const RECORDS: u64 = 1_000_000;
const ROUNDS: u32 = 3;
const TOPIC: &str = "events";
/// Records under way at most, so that neither way is held up by a full queue.
const WINDOW: u64 = 50_000;

fn main() -> Result<(), Box<dyn Error>> {
    let brokers = MockCluster::new(3)?;
    brokers.create_topic(TOPIC, 1, 1)?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers.bootstrap_servers())
        .set("linger.ms", "5");
    config.set("batch.size", "65536").set("batch.num.messages", "1000000");
    let spec = StreamSpec {
        seed: 42,
        partitions: 1,
        accounts: 100_000,
        zipf_exponent: 1.1,
        salting: None,
    };
    let stream = Layout::new(&spec)?.stream(0).ok_or("the only partition has a stream")?;
    for _ in 0..ROUNDS {
        println!("generate only  {:4} ns", generate(&stream)? / RECORDS);
        println!("send           {:4} ns", with_send(&config, &stream)? / RECORDS);
        println!("produce_batch  {:4} ns", with_batches(&config, &stream)? / RECORDS);
    }
    Ok(())
}

fn records() -> Records {
    Records::new(42, 50, 256)
}

fn fill(records: &mut Records, stream: &PartitionStream, first: u64) -> u64 {
    let count = records.capacity();
    records.fill(stream, first, count, std::iter::repeat(1));
    count as u64
}

fn generate(stream: &PartitionStream) -> Result<u64, Box<dyn Error>> {
    let (mut records, mut sent) = (records(), 0);
    let before = thread_cpu_ns()?;
    while sent < RECORDS {
        sent += fill(&mut records, stream, sent);
    }
    Ok(thread_cpu_ns()? - before)
}

#[derive(Default)]
struct Counting {
    delivered: AtomicU64,
    amounts: AtomicU64,
}

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, _: usize) {
        if let Ok(record) = result
            && let Some(Ok(event)) = record.payload().map(WireEvent::decode)
        {
            self.amounts.fetch_add(event.amount as u64, Ordering::Relaxed);
        }
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

fn with_send(config: &ClientConfig, stream: &PartitionStream) -> Result<u64, Box<dyn Error>> {
    let producer: BaseProducer<Counting> = config.create_with_context(Counting::default())?;
    producer.client().fetch_metadata(Some(TOPIC), Duration::from_secs(10))?;
    let (mut records, mut sent) = (records(), 0);
    let delivered = || producer.context().delivered.load(Ordering::Relaxed);
    let before = thread_cpu_ns()?;
    while sent < RECORDS {
        let count = fill(&mut records, stream, sent);
        for record in records.iter() {
            let to = BaseRecord::with_opaque_to(TOPIC, 1)
                .partition(0)
                .key(record.key)
                .payload(record.payload);
            producer.send(to).map_err(|(error, _)| error)?;
        }
        sent += count;
        producer.poll(Duration::ZERO);
        while sent - delivered() > WINDOW {
            producer.poll(Duration::from_millis(1));
        }
    }
    while delivered() < sent {
        producer.poll(Duration::from_millis(10));
    }
    Ok(thread_cpu_ns()? - before)
}

fn with_batches(config: &ClientConfig, stream: &PartitionStream) -> Result<u64, Box<dyn Error>> {
    let mut client = Client::connect(config, TOPIC, Duration::from_secs(10))?;
    let (mut records, mut sent, mut amounts) = (records(), 0, 0);
    let mut take = |event: Event<'_>| {
        if let Event::Deliveries(deliveries) = event {
            let events = deliveries.filter_map(|delivery| WireEvent::decode(delivery.payload).ok());
            amounts += events.map(|event| event.amount as u64).sum::<u64>();
        }
    };
    let before = thread_cpu_ns()?;
    while sent < RECORDS {
        sent += fill(&mut records, stream, sent);
        client.produce(0, &records, 0);
        while client.poll(Duration::ZERO, &mut take) {}
        while client.in_flight() as u64 > WINDOW {
            client.poll(Duration::from_millis(1), &mut take);
        }
    }
    while client.in_flight() > 0 {
        client.poll(Duration::from_millis(10), &mut take);
    }
    let spent = thread_cpu_ns()? - before;
    assert!(amounts > 0, "reports were read");
    Ok(spent)
}

/// CPU time of the calling thread, nanoseconds.
fn thread_cpu_ns() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat
        .split_ascii_whitespace()
        .next()
        .ok_or("schedstat has three fields")?
        .parse()?)
}
