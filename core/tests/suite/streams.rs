//! Streams are pure: nothing but seed, partition and seq decides what is drawn.

use eoslab_core::{Draw, Layout, PartitionStream, StreamSpec, Tally};
use proptest::prelude::*;

use crate::common::{draws, layout, salted_spec, spec, specs, streams};

/// What a stream's first `count` events add up to.
fn tally(stream: &PartitionStream, count: u64) -> Tally {
    let mut tally = Tally::default();
    for (seq, draw) in (0..).zip(draws(stream, count)) {
        tally.add(stream.partition(), seq, draw.account_id, draw.amount);
    }
    tally
}

/// What `producers` processes send that share the partitions out, each with a layout of its own.
fn produced(spec: &StreamSpec, events: u64, producers: u32) -> Tally {
    let mut total = Tally::default();
    for producer in 0..producers {
        let layout = layout(spec);
        let owned: Vec<u32> = (0..spec.partitions)
            .filter(|partition| partition % producers == producer)
            .collect();
        let counts = layout.counts(events);
        for stream in layout.streams(&owned) {
            total += tally(&stream, counts[stream.partition() as usize]);
        }
    }
    total
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_number_of_producers_does_not_matter(spec in specs(), events in 0..3000u64, producers in 1..=64u32) {
        let producers = producers.min(spec.partitions);
        let alone = produced(&spec, events, 1);
        prop_assert_eq!(alone.count, events);
        prop_assert_eq!(produced(&spec, events, producers), alone);
    }

    #[test]
    fn a_batch_is_its_draws(spec in specs(), first: u64, len in 0..200usize) {
        let layout = layout(&spec);
        for stream in streams(&layout).iter().take(3) {
            let mut batch = vec![Draw::default(); len];
            stream.fill(first, &mut batch);
            let single = (0..len as u64).map(|i| stream.draw(first.wrapping_add(i)));
            prop_assert!(batch.iter().copied().eq(single));
        }
    }

    #[test]
    fn restarts_go_on_where_they_stopped(spec in specs(), stop in 0..200u64) {
        let layout = layout(&spec);
        for stream in streams(&layout).iter().take(3) {
            let whole = draws(stream, 200);
            let rebuilt = layout.stream(stream.partition()).expect("the partition has accounts");
            let mut rest = vec![Draw::default(); (200 - stop) as usize];
            rebuilt.fill(stop, &mut rest);
            prop_assert_eq!(&whole[stop as usize..], &rest[..]);
        }
    }
}

#[test]
fn streams_built_together_are_those_built_alone() {
    let layout = layout(&salted_spec());
    let together = layout.streams(&[7, 2, 11]);
    let partitions: Vec<u32> = together.iter().map(PartitionStream::partition).collect();
    assert_eq!(partitions, [7, 2, 11], "in the order asked for");
    for stream in &together {
        let alone = layout.stream(stream.partition()).expect("the partition has accounts");
        assert_eq!(draws(&alone, 500), draws(stream, 500));
        assert_eq!(alone.keys(), stream.keys());
    }
}

#[test]
fn keys_are_all_there() {
    let keys = |spec: &StreamSpec| streams(&layout(spec)).iter().map(PartitionStream::keys).sum::<u32>();
    assert_eq!(keys(&spec()), 10_000);
    assert_eq!(keys(&salted_spec()), 10_000 - 10 + 10 * 16);
}

#[test]
fn seeds_and_partitions_draw_apart() {
    let uniform = |seed| {
        layout(&StreamSpec {
            seed,
            zipf_exponent: 0.0,
            ..spec()
        })
    };
    let amounts = |layout: &Layout, partition: u32| -> Vec<i64> {
        let stream = layout.stream(partition).expect("the partition has accounts");
        draws(&stream, 100).iter().map(|draw| draw.amount).collect()
    };
    let base = amounts(&uniform(1), 0);
    assert_eq!(base, amounts(&uniform(1), 0));
    let alike = |other: &[i64]| base.iter().zip(other).filter(|(one, two)| one == two).count();
    assert!(alike(&amounts(&uniform(2), 0)) < 5, "seed");
    assert!(alike(&amounts(&uniform(1), 1)) < 5, "partition");
    assert!(alike(&amounts(&uniform(1), 0)[1..]) < 5, "position");
}

/// The twin: a generator with state gives other events after a restart.
#[test]
fn a_stream_with_state_is_caught() {
    let layout = layout(&spec());
    let stream = layout.stream(0).expect("the partition has accounts");
    let mut calls = 0;
    let mut stateful = |_seq: u64| {
        calls += 1;
        stream.draw(calls - 1)
    };
    let whole: Vec<Draw> = (0..100).map(&mut stateful).collect();
    let resumed: Vec<Draw> = (50..100).map(&mut stateful).collect();
    assert_ne!(whole[50..], resumed[..]);
}
