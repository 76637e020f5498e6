//! Tallies: free of order, mergeable, and not to be fooled by one loss and one duplicate.

use eoslab_core::{Tally, digest_mix};
use proptest::prelude::*;
use proptest::sample::Index;

/// Partition, seq, account, amount.
type Counted = (u32, u64, u64, i64);

fn tally(events: &[Counted]) -> Tally {
    let mut tally = Tally::default();
    for (partition, seq, account, amount) in events {
        tally.add(*partition, *seq, *account, *amount);
    }
    tally
}

/// Distinct positions of few partitions, few accounts and few amounts, so that events are often alike.
fn events() -> impl Strategy<Value = Vec<Counted>> {
    let positions = proptest::collection::btree_set((0..3u32, 0..1000u64), 2..60);
    let effects = proptest::collection::vec((1..4u64, 1..3i64), 60);
    (positions, effects).prop_map(|(positions, effects)| {
        let pairs = positions.into_iter().zip(effects);
        pairs
            .map(|((partition, seq), (account, amount))| (partition, seq, account, amount))
            .collect()
    })
}

proptest! {
    #[test]
    fn order_and_grouping_do_not_matter(
        (events, shuffled) in events().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        cut: Index,
    ) {
        let (one, two) = shuffled.split_at(cut.index(shuffled.len()));
        let mut merged = tally(one);
        merged.merge(&tally(two));
        let mut added = tally(two);
        added += tally(one);
        prop_assert_eq!(merged, tally(&events));
        prop_assert_eq!(added, tally(&events));
    }

    #[test]
    fn one_lost_and_another_doubled_show(events in events(), lost: Index, doubled: Index) {
        let (lost, doubled) = (lost.index(events.len()), doubled.index(events.len()));
        prop_assume!(lost != doubled);
        let mut counted = events.clone();
        counted[lost] = events[doubled];
        prop_assert_eq!(tally(&counted).count, tally(&events).count);
        prop_assert_ne!(tally(&counted).digest, tally(&events).digest);
    }

    #[test]
    fn every_number_counts(partition: u32, seq: u64, account: u64, amount: i64, bit in 0..64u32) {
        let mix = digest_mix(partition, seq, account, amount);
        prop_assert_ne!(mix, digest_mix(partition ^ (1 << (bit % 32)), seq, account, amount));
        prop_assert_ne!(mix, digest_mix(partition, seq ^ (1 << bit), account, amount));
        prop_assert_ne!(mix, digest_mix(partition, seq, account ^ (1 << bit), amount));
        prop_assert_ne!(mix, digest_mix(partition, seq, account, amount ^ (1 << bit)));
    }

    #[test]
    fn nothing_overflows(events in proptest::collection::vec(any::<Counted>(), 0..20)) {
        tally(&events);
    }
}

/// Whether a digest sees that the first of two events was lost and the second counted twice.
fn sees(mix: fn(Counted) -> u64, combine: fn(u64, u64) -> u64) -> bool {
    let (one, two) = ((3, 7, 1, 5), (3, 8, 1, 5));
    combine(mix(one), mix(two)) != combine(mix(two), mix(two))
}

#[test]
fn a_twin_without_seq_is_blind() {
    assert!(sees(
        |(partition, seq, account, amount)| digest_mix(partition, seq, account, amount),
        u64::wrapping_add
    ));
    assert!(!sees(
        |(partition, _, account, amount)| digest_mix(partition, 0, account, amount),
        u64::wrapping_add
    ));
}

#[test]
fn a_twin_that_combines_by_xor_is_blind_to_triples() {
    let mix = digest_mix(3, 7, 1, 5);
    assert_eq!(mix ^ mix ^ mix, mix);
    assert_ne!(tally(&[(3, 7, 1, 5); 3]).digest, tally(&[(3, 7, 1, 5)]).digest);
}

#[test]
fn digests_of_neighbours_do_not_collide() {
    let mixes = (0..4).flat_map(|partition| {
        (0..50).flat_map(move |seq| {
            (1..50).flat_map(move |account| (1..20).map(move |amount| (partition, seq, account, amount)))
        })
    });
    let mut mixes: Vec<u64> = mixes
        .map(|(partition, seq, account, amount)| digest_mix(partition, seq, account, amount))
        .collect();
    let count = mixes.len();
    mixes.sort_unstable();
    mixes.dedup();
    assert_eq!(mixes.len(), count);
}

#[test]
fn the_json_is_camel_case_with_whole_digests() -> Result<(), serde_json::Error> {
    let tally = Tally {
        count: 1,
        sum: -2,
        digest: u64::MAX,
    };
    let json = serde_json::to_string(&tally)?;
    assert_eq!(json, r#"{"count":1,"sum":-2,"digest":18446744073709551615}"#);
    assert_eq!(serde_json::from_str::<Tally>(&json)?, tally);
    Ok(())
}
