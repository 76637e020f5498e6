//! What several subjects share.

use eoslab_core::{Draw, Layout, PartitionStream, Salting, StreamSpec};
use proptest::prelude::*;

/// A small valid spec, to be varied.
pub fn spec() -> StreamSpec {
    StreamSpec {
        seed: 42,
        partitions: 12,
        accounts: 10_000,
        zipf_exponent: 1.1,
        salting: None,
    }
}

/// A small spec with salted accounts.
pub fn salted_spec() -> StreamSpec {
    StreamSpec {
        salting: Some(Salting {
            accounts: 10,
            salts: 16,
        }),
        ..spec()
    }
}

/// The layout of a valid spec.
pub fn layout(spec: &StreamSpec) -> Layout {
    Layout::new(spec).expect("the spec is valid")
}

/// Every stream of a layout; partitions without accounts have none.
pub fn streams(layout: &Layout) -> Vec<PartitionStream> {
    layout.streams(&(0..layout.spec().partitions).collect::<Vec<_>>())
}

/// The first `count` draws of a stream.
pub fn draws(stream: &PartitionStream, count: u64) -> Vec<Draw> {
    let mut draws = vec![Draw::default(); count as usize];
    stream.fill(0, &mut draws);
    draws
}

/// Any valid spec of up to 3000 accounts and 64 partitions.
pub fn specs() -> impl Strategy<Value = StreamSpec> {
    let salting = |accounts: u32| proptest::option::of((0..=accounts.min(20), 1..=20u16));
    (any::<u64>(), 1..=64u32, 1..=3000u32, 0.0..=3.0)
        .prop_flat_map(move |(seed, partitions, accounts, zipf_exponent)| {
            (Just((seed, partitions, accounts, zipf_exponent)), salting(accounts))
        })
        .prop_map(|((seed, partitions, accounts, zipf_exponent), salting)| StreamSpec {
            seed,
            partitions,
            accounts,
            zipf_exponent,
            salting: salting.map(|(accounts, salts)| Salting { accounts, salts }),
        })
}
