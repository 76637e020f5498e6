//! Shares and counts of partitions, and the digest of a layout.

use eoslab_core::{Key, Layout, Salting, StreamSpec};
use proptest::prelude::*;

use crate::common::{layout, salted_spec, spec, specs, streams};

fn shares(layout: &Layout) -> Vec<f64> {
    (0..layout.spec().partitions)
        .map(|partition| layout.share(partition))
        .collect()
}

proptest! {
    #[test]
    fn counts_sum_to_the_events(spec in specs(), events in prop_oneof![0..10_000u64, 0..=1u64 << 53, any::<u64>()]) {
        let layout = layout(&spec);
        let counts = layout.counts(events);
        prop_assert_eq!(counts.iter().map(|count| u128::from(*count)).sum::<u128>(), u128::from(events));
        for (count, share) in counts.iter().zip(shares(&layout)) {
            let exact = share * events as f64;
            // Shares are known to 53 bits: beyond as many events they cannot give a count to the last event.
            let near = (*count as f64 - exact).abs() <= 1.0 + exact * 1e-14;
            prop_assert!(near || events > 1 << 53, "{} of {}", count, exact);
            prop_assert!(share > 0.0 || *count == 0);
        }
    }

    #[test]
    fn shares_sum_to_one(spec in specs()) {
        prop_assert!((shares(&layout(&spec)).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn partitions_without_accounts_have_no_share_and_no_stream(spec in specs()) {
        let layout = layout(&spec);
        let with_share: Vec<u32> = (0..spec.partitions).filter(|partition| layout.share(*partition) > 0.0).collect();
        let with_stream: Vec<u32> = streams(&layout).iter().map(|stream| stream.partition()).collect();
        prop_assert_eq!(with_share, with_stream);
    }

    /// The twin: rounding every share by itself.
    #[test]
    fn rounding_alone_is_not_enough(events in 100..10_000u64) {
        let layout = layout(&StreamSpec { partitions: 64, ..spec() });
        let floors = |rounding: fn(f64) -> f64| {
            shares(&layout).iter().map(|share| rounding(share * events as f64) as u64).sum::<u64>()
        };
        prop_assert!(floors(f64::floor) < events);
    }
}

#[test]
fn ties_go_to_the_lower_partition() {
    // Two accounts alike, alone in two of the partitions.
    let homes_of = |partitions| [1, 2].map(|account| Key::new(account, None).partition(partitions));
    let partitions = (2..100).find(|partitions| homes_of(*partitions)[0] != homes_of(*partitions)[1]);
    let partitions = partitions.expect("the two accounts live apart somewhere");
    let homes = homes_of(partitions);
    let spec = StreamSpec {
        seed: 1,
        partitions,
        accounts: 2,
        zipf_exponent: 0.0,
        salting: None,
    };
    let counts = layout(&spec).counts(7);
    assert_eq!(homes.map(|home| layout(&spec).share(home)), [0.5, 0.5]);
    assert_eq!(counts[homes[0].min(homes[1]) as usize], 4);
    assert_eq!(counts[homes[0].max(homes[1]) as usize], 3);
    assert_eq!(counts.iter().sum::<u64>(), 7);
}

#[test]
fn one_account_fills_one_partition() {
    let layout = layout(&StreamSpec {
        accounts: 1,
        partitions: 4096,
        ..spec()
    });
    let home = Key::new(1, None).partition(4096);
    assert_eq!(layout.share(home), 1.0);
    assert_eq!(layout.counts(1000)[home as usize], 1000);
    assert_eq!(
        (0..4096)
            .filter(|partition| layout.stream(*partition).is_some())
            .count(),
        1
    );
}

#[test]
fn zipf_weights_decide_the_shares() {
    let spec = StreamSpec {
        accounts: 1000,
        zipf_exponent: 1.0,
        ..spec()
    };
    let layout = layout(&spec);
    let harmonic: f64 = (1..=1000).map(|rank| 1.0 / f64::from(rank)).sum();
    for partition in 0..12 {
        let own = (1..=1000u32).filter(|rank| Key::new(u64::from(*rank), None).partition(12) == partition);
        let expected = own.map(|rank| 1.0 / f64::from(rank)).sum::<f64>() / harmonic;
        assert!((layout.share(partition) - expected).abs() < 1e-12);
    }
}

#[test]
fn every_field_of_the_spec_changes_the_digest() {
    let base = salted_spec();
    let salting = |accounts, salts| Some(Salting { accounts, salts });
    let variants = [
        base.clone(),
        StreamSpec {
            seed: 43,
            ..base.clone()
        },
        StreamSpec {
            partitions: 13,
            ..base.clone()
        },
        StreamSpec {
            accounts: 10_001,
            ..base.clone()
        },
        StreamSpec {
            zipf_exponent: 1.1 + f64::EPSILON,
            ..base.clone()
        },
        StreamSpec {
            salting: None,
            ..base.clone()
        },
        StreamSpec {
            salting: salting(11, 16),
            ..base.clone()
        },
        StreamSpec {
            salting: salting(10, 17),
            ..base.clone()
        },
    ];
    let mut digests: Vec<u64> = variants.iter().map(|spec| layout(spec).digest()).collect();
    assert_eq!(
        digests[0],
        layout(&base).digest(),
        "the digest is a function of the spec"
    );
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), variants.len());
}

#[test]
fn specs_of_equal_streams_have_equal_digests() {
    let none = StreamSpec {
        salting: None,
        ..spec()
    };
    let of_nobody = StreamSpec {
        salting: Some(Salting { accounts: 0, salts: 9 }),
        ..spec()
    };
    assert_eq!(layout(&none).digest(), layout(&of_nobody).digest());
    let zero = StreamSpec {
        zipf_exponent: 0.0,
        ..spec()
    };
    let negative_zero = StreamSpec {
        zipf_exponent: -0.0,
        ..spec()
    };
    assert_eq!(layout(&zero).digest(), layout(&negative_zero).digest());
}
