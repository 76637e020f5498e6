//! How much memory the load pods need for the accounts, as an upper bound from the sizes of `eoslab-core`'s tables.

use crate::LoadTestSpec;

/// What a load pod takes before it holds any account: code, threads, Kafka client, buffers; bytes.
const BASE_BYTES: u64 = 64 << 20;
/// What a Kafka client of a producer queues at most, payload and the client's own copy; bytes.
const QUEUE_BYTES_PER_CLIENT: u64 = 64 << 20;
/// A key in a stream's alias table while it is built: column 8, account 4, weight 8, salt 2, slack; bytes.
const STREAM_BYTES_PER_KEY: u64 = 24;
/// An account in the index of slots, while it is built; bytes.
const INDEX_BYTES_PER_ACCOUNT: u64 = 8;
/// An account's expected and counted totals in the verifier; bytes.
const TOTALS_BYTES_PER_ACCOUNT: u64 = 16;

/// What one producer needs: its clients' queues and the streams of the partitions that it owns; bytes.
pub fn producer_bytes(spec: &LoadTestSpec) -> u64 {
    let partitions = u64::from(spec.topic.partitions.max(1));
    let owned = partitions.div_ceil(u64::from(spec.producer.replicas.max(1)));
    let queues = u64::from(spec.producer.clients_per_pod) * QUEUE_BYTES_PER_CLIENT;
    BASE_BYTES + queues + keys(spec) * owned / partitions * STREAM_BYTES_PER_KEY
}

/// What one counter needs: the index of all accounts, for any partition may become its own; bytes.
pub fn counter_bytes(spec: &LoadTestSpec) -> u64 {
    BASE_BYTES + u64::from(spec.stream.accounts) * INDEX_BYTES_PER_ACCOUNT
}

/// What the verifier needs if it compares all partitions at once; bytes.
pub fn verifier_bytes(spec: &LoadTestSpec) -> u64 {
    let salted = spec
        .stream
        .salting
        .as_ref()
        .map_or(0, |salting| u64::from(salting.accounts));
    let slots = u64::from(spec.stream.accounts) + salted * u64::from(spec.topic.partitions);
    BASE_BYTES + keys(spec) * STREAM_BYTES_PER_KEY + slots * TOTALS_BYTES_PER_ACCOUNT
}

/// Keys of the run: an account each, more for salted ones.
fn keys(spec: &LoadTestSpec) -> u64 {
    let salted = spec.stream.salting.as_ref().map_or(0, |salting| {
        u64::from(salting.accounts) * u64::from(salting.salts.saturating_sub(1))
    });
    u64::from(spec.stream.accounts) + salted
}
