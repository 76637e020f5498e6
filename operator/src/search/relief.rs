//! What relieves the part that is said to stop a pipeline: if it does stop it, the rate that failed then holds.

use eoslab_api::{Bottleneck, Compression, ComputeResources, LoadTestSpec, Resources, milli_cpus};

/// Most milliseconds that a producer waits for a fuller batch, where brokers or node are relieved.
const LINGER_MS_MAX: u32 = 100;
/// The same of a counter.
const BATCH_INTERVAL_MS_MAX: u32 = 200;
const BATCH_SIZE_BYTES_MAX: u32 = 1 << 20;
const BATCH_EVENTS_MAX: u32 = 50_000;
const PARTITIONS_MAX: u32 = 512;

/// Changes `spec` so that `component` has less to do for each event, or more to do it with, and says how in words; `None`
/// where a LoadTest cannot.
pub fn apply(spec: &mut LoadTestSpec, component: Bottleneck) -> Option<String> {
    let before = spec.clone();
    match component {
        Bottleneck::Nothing => return None,
        Bottleneck::Producers => {
            let producer = &mut spec.producer;
            let most = spec.topic.partitions / producer.clients_per_pod.max(1);
            more(&mut producer.resources, &mut producer.replicas, most);
        }
        Bottleneck::Counters => {
            let counter = &mut spec.counter;
            more(&mut counter.resources, &mut counter.replicas, spec.topic.partitions);
        }
        Bottleneck::Partitions => {
            let partitions = (spec.topic.partitions * 4).min(PARTITIONS_MAX);
            if spec.counter.replicas == spec.topic.partitions {
                spec.counter.replicas = (spec.counter.replicas * 2).min(partitions);
            }
            spec.topic.partitions = partitions;
        }
        Bottleneck::Brokers => fuller_sends(spec),
        Bottleneck::Ledger => fuller_applies(spec),
        Bottleneck::Node => {
            fuller_sends(spec);
            fuller_applies(spec);
        }
    }
    give_time(&before, spec);
    let changes = changes(&before, spec);
    (!changes.is_empty()).then(|| changes.join(", "))
}

/// What events wait for fuller batches is no sign that the relief failed: the objective grows by it.
fn give_time(before: &LoadTestSpec, spec: &mut LoadTestSpec) {
    let waits_ms = |spec: &LoadTestSpec| spec.producer.linger_ms + spec.counter.batch_interval_ms;
    let more_ms = waits_ms(spec).saturating_sub(waits_ms(before));
    if let Some(limit_ms) = spec.slo.as_mut().and_then(|slo| slo.end_to_end_p99_ms.as_mut()) {
        *limit_ms += more_ms;
    }
}

/// Twice the CPU limit; without one, twice the pods.
fn more(resources: &mut Resources, replicas: &mut u32, replicas_max: u32) {
    match resources.limits.as_mut().and_then(|limits| limits.cpu.as_mut()) {
        Some(cpu) => *cpu = doubled(cpu),
        None => *replicas = (*replicas * 2).min(replicas_max).max(*replicas),
    }
}

/// Twice an amount of CPU such as `500m` or `1.5`.
fn doubled(cpu: &str) -> String {
    milli_cpus(cpu).map_or_else(|| cpu.to_owned(), |milli| format!("{}m", milli * 2))
}

/// Fewer and fuller produce requests, which carry less.
fn fuller_sends(spec: &mut LoadTestSpec) {
    let producer = &mut spec.producer;
    producer.linger_ms = (producer.linger_ms.max(2) * 10)
        .min(LINGER_MS_MAX)
        .max(producer.linger_ms);
    producer.batch_size_bytes = grown(producer.batch_size_bytes, BATCH_SIZE_BYTES_MAX);
    if producer.compression == Compression::None {
        producer.compression = Compression::Lz4;
    }
}

/// Fewer and fuller calls of the ledger.
fn fuller_applies(spec: &mut LoadTestSpec) {
    let counter = &mut spec.counter;
    let interval_ms = counter.batch_interval_ms * 10;
    counter.batch_interval_ms = interval_ms.min(BATCH_INTERVAL_MS_MAX).max(counter.batch_interval_ms);
    counter.batch_events = grown(counter.batch_events, BATCH_EVENTS_MAX);
}

fn grown(value: u32, most: u32) -> u32 {
    (value * 4).min(most).max(value)
}

fn changes(before: &LoadTestSpec, after: &LoadTestSpec) -> Vec<String> {
    let cpu = |resources: &Resources| {
        let limit = resources
            .limits
            .as_ref()
            .and_then(|limits: &ComputeResources| limits.cpu.clone());
        limit.unwrap_or_default()
    };
    let values = |spec: &LoadTestSpec| {
        [
            ("topic.partitions", spec.topic.partitions.to_string()),
            ("producer.replicas", spec.producer.replicas.to_string()),
            ("producer.lingerMs", spec.producer.linger_ms.to_string()),
            ("producer.batchSizeBytes", spec.producer.batch_size_bytes.to_string()),
            ("producer.compression", spec.producer.compression.to_string()),
            ("producer.resources.limits.cpu", cpu(&spec.producer.resources)),
            ("counter.replicas", spec.counter.replicas.to_string()),
            ("counter.batchIntervalMs", spec.counter.batch_interval_ms.to_string()),
            ("counter.batchEvents", spec.counter.batch_events.to_string()),
            ("counter.resources.limits.cpu", cpu(&spec.counter.resources)),
        ]
    };
    let pairs = values(before).into_iter().zip(values(after));
    pairs
        .filter(|(before, after)| before != after)
        .map(|((field, before), (_, after))| format!("{field} {after} instead of {before}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::loadtest;

    #[test]
    fn each_part_is_relieved_by_what_it_lacks() {
        let table = [
            (Bottleneck::Nothing, None),
            (Bottleneck::Producers, Some("producer.replicas 4 instead of 2")),
            (Bottleneck::Counters, Some("counter.replicas 4 instead of 2")),
            (Bottleneck::Partitions, Some("topic.partitions 16 instead of 4")),
            (
                Bottleneck::Brokers,
                Some(
                    "producer.lingerMs 50 instead of 5, producer.batchSizeBytes 262144 instead of 65536, \
                     producer.compression lz4 instead of none",
                ),
            ),
            (
                Bottleneck::Ledger,
                Some("counter.batchIntervalMs 200 instead of 20, counter.batchEvents 20000 instead of 5000"),
            ),
        ];
        for (component, expected) in table {
            let mut spec = loadtest().spec;
            assert_eq!(apply(&mut spec, component).as_deref(), expected, "{component}");
            spec.validate().expect("still valid");
        }
    }

    #[test]
    fn who_has_a_cpu_limit_gets_twice_as_much() {
        for (cpu, doubled) in [("150m", "300m"), ("1", "2000m"), ("0.25", "500m")] {
            let mut spec = loadtest().spec;
            spec.counter.resources = serde_json::from_value(json!({"limits": {"cpu": cpu}})).expect("resources");
            let words = apply(&mut spec, Bottleneck::Counters);
            assert_eq!(
                words,
                Some(format!("counter.resources.limits.cpu {doubled} instead of {cpu}"))
            );
            spec.validate().expect("still valid");
        }
    }

    #[test]
    fn what_fuller_batches_wait_for_is_no_breach() {
        let mut spec = loadtest().spec;
        spec.slo = serde_json::from_value(json!({"endToEndP99Ms": 150})).expect("objectives");
        apply(&mut spec, Bottleneck::Node).expect("a relief");
        assert_eq!(spec.slo.and_then(|slo| slo.end_to_end_p99_ms), Some(150 + 45 + 180));
    }

    #[test]
    fn what_has_no_room_for_more_is_not_relieved() {
        let mut spec = loadtest().spec;
        spec.producer.replicas = spec.topic.partitions;
        assert_eq!(apply(&mut spec, Bottleneck::Producers), None);
        spec.counter.replicas = spec.topic.partitions;
        let words = apply(&mut spec, Bottleneck::Partitions).unwrap_or_default();
        assert_eq!(
            words,
            "topic.partitions 16 instead of 4, counter.replicas 8 instead of 4"
        );
    }
}
