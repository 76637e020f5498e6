//! Where the log begins and ends, as the client or the brokers know it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::time::Duration;

use rdkafka::bindings::rd_kafka_get_watermark_offsets;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::context::{CounterConsumer, CounterContext};
use crate::count::Position;

const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// End of the partition as the client learned it with the last records; asks nobody. `None` before the first answer.
fn known_end(consumer: &CounterConsumer, topic: &CString, partition: u32) -> Option<i64> {
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client outlives the call, the topic is a C string that outlives it too, and both numbers are
    // written before it returns.
    let result = unsafe {
        rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition as i32,
            &mut low,
            &mut high,
        )
    };
    (result == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// Records between what is counted and the end of each partition, of those whose end is known.
pub fn lags(consumer: &CounterConsumer, topic: &str, applied: &[(u32, Position)]) -> Vec<(u32, u64)> {
    let Ok(topic) = CString::new(topic) else {
        return Vec::new();
    };
    let lag = |&(partition, position): &(u32, Position)| {
        // At-least-once does not know what it has not read.
        if position.offset < 0 && position.seq.is_none() {
            return None;
        }
        let end = known_end(consumer, &topic, partition)?;
        Some((partition, u64::try_from(end - (position.offset + 1)).unwrap_or(0)))
    };
    applied.iter().filter_map(lag).collect()
}

/// The present end of every partition, asked of the brokers.
pub fn ends(consumer: &CounterConsumer, topic: &str, partitions: u32) -> Result<BTreeMap<u32, i64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition as i32, Offset::End)?;
    }
    let mut ends = BTreeMap::new();
    for element in consumer.offsets_for_times(list, QUERY_TIMEOUT)?.elements() {
        element.error()?;
        if let Offset::Offset(end) = element.offset() {
            ends.insert(element.partition() as u32, end);
        }
    }
    Ok(ends)
}

/// The offset that each of these partitions is to be read on from by the group's commits; without those that have none.
pub fn committed(
    consumer: &CounterConsumer,
    topic: &str,
    partitions: &[u32],
) -> Result<BTreeMap<u32, i64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, *partition as i32);
    }
    let mut committed = BTreeMap::new();
    for element in consumer.committed_offsets(list, QUERY_TIMEOUT)?.elements() {
        if let Offset::Offset(next) = element.offset() {
            committed.insert(element.partition() as u32, next);
        }
    }
    Ok(committed)
}

/// Which partition's position is not in its log, in words.
pub fn explain(consumer: &CounterConsumer) -> String {
    let context: &CounterContext = consumer.context();
    let positions = context.core().engine.applied();
    let mut unknown = 0;
    for (partition, applied) in positions {
        let next = applied.offset + 1;
        match consumer.fetch_watermarks(context.topic(), partition as i32, QUERY_TIMEOUT) {
            Ok((low, high)) if next < low || next > high => {
                return format!(
                    "partition {partition} is to be read from offset {next}, but its log holds {low} to {high} (exclusive)"
                );
            }
            Ok(_) => {}
            Err(_) => unknown += 1,
        }
    }
    format!("a partition is to be read from an offset that its log does not hold ({unknown} partitions not looked up)")
}
