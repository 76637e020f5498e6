//! The pauses that are noted with the batches.

use std::time::Duration;

use eoslab_counter::ledger::{Batch, Mode, Writer};
use redis::Commands;

use super::{Fixture, batch, writer};

#[test]
fn a_pause_is_noted_when_the_partition_moves_or_stalls_while_events_wait() {
    let mut fixture = Fixture::new();
    let now_us = eoslab_runtime::clock::system_now_us;
    assert_eq!(
        fixture.apply(batch(-1, 9, &[(0, 1)])).expect("applies").pause_us,
        0,
        "the first apply ends nothing"
    );
    assert_eq!(
        fixture.apply(batch(9, 10, &[(0, 1)])).expect("applies").pause_us,
        0,
        "neither moved nor stalled"
    );
    std::thread::sleep(Duration::from_millis(120));
    let moved = fixture
        .apply_as(Mode::ExactlyOnce, "m-1", batch(10, 11, &[(0, 1)]))
        .expect("applies");
    assert!((100_000..60_000_000).contains(&moved.pause_us), "{moved:?}");
    let idle = Batch {
        first_waiting_us: now_us() + 10_000_000,
        ..batch(11, 12, &[(0, 1)])
    };
    assert_eq!(
        fixture
            .apply_as(Mode::ExactlyOnce, "m-0", idle)
            .expect("applies")
            .pause_us,
        0,
        "nothing waited"
    );
    std::thread::sleep(Duration::from_millis(60));
    let stall = Writer {
        stall_us: 50_000,
        ..writer(Mode::ExactlyOnce, "m-0")
    };
    let stalled = fixture
        .ledger
        .apply(&stall, &[batch(12, 13, &[(0, 1)])])
        .remove(0)
        .expect("applies");
    assert!(stalled.pause_us >= 50_000);

    let pauses = fixture.ledger.pauses(&[4, 5], 10).expect("reads");
    let seen: Vec<_> = pauses
        .iter()
        .map(|p| (p.partition, p.member_before.as_str(), p.member_after.as_str()))
        .collect();
    assert_eq!(seen, [(5, "m-0", "m-0"), (5, "m-0", "m-1")], "newest first");
    assert_eq!(
        (pauses[0].length_us, pauses[1].length_us),
        (stalled.pause_us, moved.pause_us)
    );
    assert!((pauses[1].ended_at_us - now_us()).abs() < 60_000_000);
    assert_eq!(fixture.ledger.pauses(&[5], 1).expect("reads").len(), 1);
}

#[test]
fn names_and_pauses_that_could_not_be_noted_are_noted_with_the_next_batch() {
    let mut fixture = Fixture::new();
    let key = fixture.key("pauses");
    let () = fixture.raw().set(&key, "in the way").expect("writes");
    fixture.apply(batch(-1, 9, &[(0, 1)])).expect("applies");
    let moved = fixture
        .apply_as(Mode::ExactlyOnce, "m-1", batch(9, 10, &[(0, 1)]))
        .expect("applied all the same");
    assert!(moved.pause_us > 0);
    let () = fixture.raw().del(&key).expect("writes");
    fixture
        .apply_as(Mode::ExactlyOnce, "m-1", batch(10, 11, &[(0, 1)]))
        .expect("applies");
    let pauses = fixture.ledger.pauses(&[5], 10).expect("reads");
    assert_eq!(
        (pauses.len(), pauses[0].length_us, pauses[0].member_after.as_str()),
        (1, moved.pause_us, "m-1")
    );
}

#[test]
fn the_list_of_pauses_is_bounded() {
    let mut fixture = Fixture::new();
    let always = Writer {
        stall_us: 0,
        ..writer(Mode::ExactlyOnce, "m-0")
    };
    for offset in 0..1_100 {
        let results = fixture.ledger.apply(&always, &[batch(offset - 1, offset, &[(0, 1)])]);
        assert!(results.into_iter().all(|result| result.is_ok()));
    }
    assert_eq!(fixture.ledger.pauses(&[5], u32::MAX >> 1).expect("reads").len(), 1_000);
}
