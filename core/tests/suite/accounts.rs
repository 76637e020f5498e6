//! Where accounts live: every account has one slot in each partition that may hold it, and no two share one.

use eoslab_core::{Key, Layout, SlotIndex, StreamSpec};
use proptest::prelude::*;

use crate::common::{draws, layout, salted_spec, specs, streams};

/// Whether `slot` numbers the accounts of every partition from 0 to the number of its slots, each once.
fn is_bijection(layout: &Layout, slot: impl Fn(u64, u32) -> Option<u32>) -> bool {
    (0..layout.spec().partitions).all(|partition| {
        let accounts = 1..=u64::from(layout.spec().accounts);
        let mut slots: Vec<u32> = accounts.filter_map(|account| slot(account, partition)).collect();
        slots.sort_unstable();
        slots.into_iter().eq(0..layout.slots(partition))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slots_are_a_bijection(spec in specs()) {
        let layout = layout(&spec);
        let index = SlotIndex::new(&layout);
        prop_assert!(is_bijection(&layout, |account, partition| index.slot(account, partition)));
    }

    #[test]
    fn every_draw_is_where_key_and_slot_say(spec in specs()) {
        let layout = layout(&spec);
        let index = SlotIndex::new(&layout);
        let salted = spec.salting.map_or(0, |salting| u64::from(salting.accounts));
        for stream in streams(&layout) {
            for draw in draws(&stream, 300) {
                prop_assert!((1..=u64::from(spec.accounts)).contains(&draw.account_id));
                prop_assert!((1..=1000).contains(&draw.amount));
                prop_assert_eq!(draw.salt.is_some(), draw.account_id <= salted);
                let key = Key::new(draw.account_id, draw.salt);
                prop_assert_eq!(key.partition(spec.partitions), stream.partition());
                prop_assert_eq!(index.slot(draw.account_id, stream.partition()), Some(draw.slot));
                prop_assert!(index.homes(draw.account_id).contains(&stream.partition()));
                prop_assert_eq!(stream.account(draw.slot), Some(draw.account_id));
            }
        }
    }

    #[test]
    fn accounts_are_found_by_slot(spec in specs()) {
        let layout = layout(&spec);
        let index = SlotIndex::new(&layout);
        for stream in streams(&layout) {
            let slots = layout.slots(stream.partition());
            for slot in (0..slots).step_by(17) {
                let account = index.account(stream.partition(), slot);
                prop_assert_eq!(account.and_then(|account| index.slot(account, stream.partition())), Some(slot));
                prop_assert_eq!(stream.account(slot), account);
            }
            prop_assert_eq!(index.account(stream.partition(), slots), None);
            prop_assert_eq!(stream.account(slots), None);
        }
    }

    #[test]
    fn unknown_accounts_and_partitions_have_no_slot(spec in specs(), account: u64, partition: u32) {
        let index = SlotIndex::new(&layout(&spec));
        let known = (1..=u64::from(spec.accounts)).contains(&account);
        prop_assert!(known || (index.slot(account, partition).is_none() && index.homes(account).is_empty()));
        prop_assert!(partition < spec.partitions || index.slot(account, partition).is_none());
        for outside in [0, u64::from(spec.accounts) + 1, u64::from(spec.accounts) + (1 << 32), u64::MAX] {
            prop_assert!((0..spec.partitions).all(|partition| index.slot(outside, partition).is_none()));
            prop_assert!(index.homes(outside).is_empty());
        }
        prop_assert_eq!(index.account(spec.partitions, 0), None);
    }
}

#[test]
fn salted_accounts_have_their_slot_in_every_partition() {
    let layout = layout(&salted_spec());
    let index = SlotIndex::new(&layout);
    for partition in 0..12 {
        assert_eq!(index.slot(1, partition), Some(0));
        assert_eq!(index.slot(10, partition), Some(9));
        assert_eq!(index.account(partition, 9), Some(10));
    }
    assert!(index.homes(1).len() > 3, "16 keys live in several of 12 partitions");
    assert!(index.homes(1).is_sorted());
    assert_eq!(index.homes(11), [Key::new(11, None).partition(12)]);
    assert_eq!(index.slot(11, index.homes(11)[0] ^ 1), None, "not at home there");
}

#[test]
fn the_others_follow_in_ascending_order() {
    let layout = layout(&salted_spec());
    let index = SlotIndex::new(&layout);
    let homed = (11..=10_000).filter(|account| index.slot(*account, 5).is_some());
    assert!(
        homed
            .map(|account| index.slot(account, 5))
            .eq((10..layout.slots(5)).map(Some))
    );
}

#[test]
fn a_layout_without_a_partitions_accounts_has_no_slots_there() {
    let layout = layout(&StreamSpec {
        accounts: 3,
        partitions: 100,
        salting: None,
        ..salted_spec()
    });
    let index = SlotIndex::new(&layout);
    assert_eq!((0..100).map(|partition| layout.slots(partition)).sum::<u32>(), 3);
    assert!(is_bijection(&layout, |account, partition| index.slot(account, partition)));
}

#[test]
fn twins_that_number_wrongly_are_caught() {
    let layout = layout(&salted_spec());
    let index = SlotIndex::new(&layout);
    let without_salted = |account: u64, partition| {
        let slot = index.slot(account, partition)?;
        Some(if account > 10 { slot - 10 } else { slot })
    };
    let everywhere = |account: u64, partition| {
        index
            .slot(account, partition)
            .or_else(|| index.slot(account, index.homes(account)[0]))
    };
    let from_one = |account: u64, partition| index.slot(account, partition).map(|slot| slot + 1);
    assert!(
        !is_bijection(&layout, without_salted),
        "salted and other accounts share slots"
    );
    assert!(!is_bijection(&layout, everywhere), "accounts have slots away from home");
    assert!(!is_bijection(&layout, from_one), "slots start at 1");
}
