//! How fast a topic can be read by one consumer that does nothing with it: the baseline of `counter run --exit-at-end`.
//!
//! `cargo run --release -p eoslab-counter --example noop_consumer -- --bootstrap-servers <host:port> --topic <topic>
//! --partitions <n>` reads every record that the topic holds at the start, with the very configuration of a counter,
//! and prints one JSON line. The other flags of Kafka, the group and the stream are those of `counter run`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Parser;
use eoslab_counter::args::ConsumerArgs;
use eoslab_counter::run::consumer_config;
use eoslab_runtime::usage::process_cpu_us;
use eoslab_runtime::{KafkaArgs, StreamArgs};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::json;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    consumer: ConsumerArgs,
    #[command(flatten)]
    stream: StreamArgs,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let consumer: BaseConsumer = consumer_config(&args.kafka, &args.consumer, "noop")?.create()?;
    let ends = ends(&consumer, &args)?;
    let mut list = TopicPartitionList::new();
    for partition in ends.keys() {
        list.add_partition_offset(&args.kafka.topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut open = ends.iter().filter(|(_, end)| **end > 0).count();
    let (mut records, mut bytes, mut first_at) = (0u64, 0u64, None);
    while open > 0 {
        let Some(polled) = consumer.poll(Duration::from_secs(30)) else {
            anyhow::bail!("no record for 30 s")
        };
        let record = polled?;
        first_at.get_or_insert_with(Instant::now);
        records += 1;
        bytes += (record.payload_len() + record.key_len()) as u64;
        open -= usize::from(
            ends.get(&record.partition())
                .is_some_and(|end| record.offset() + 1 == *end),
        );
    }
    let seconds = first_at.map_or(0.0, |first_at| first_at.elapsed().as_secs_f64());
    println!(
        "{}",
        json!({
            "bench": "noop_consumer", "events": records, "bytes": bytes, "seconds": seconds,
            "events_per_second": records as f64 / seconds, "bytes_per_second": bytes as f64 / seconds,
            "cpu_seconds": process_cpu_us() as f64 / 1e6,
        })
    );
    Ok(())
}

fn ends(consumer: &BaseConsumer, args: &Args) -> anyhow::Result<BTreeMap<i32, i64>> {
    let mut ends = BTreeMap::new();
    for partition in 0..args.stream.partitions as i32 {
        let (_, end) = consumer.fetch_watermarks(&args.kafka.topic, partition, Duration::from_secs(10))?;
        ends.insert(partition, end);
    }
    Ok(ends)
}
