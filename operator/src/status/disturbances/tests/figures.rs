//! What disturbances cost.

use super::*;

fn pause(partition: u32, from_us: i64, to_us: i64) -> Pause {
    Pause {
        partition,
        ended_at_us: to_us,
        length_us: (to_us - from_us) as u64,
        member_before: "lt-counter-1".to_owned(),
        member_after: "lt-counter-1".to_owned(),
    }
}

fn pauses(all: Vec<Pause>) -> Option<Pauses> {
    Some(Pauses::new(all, 12, Some(0)))
}

fn replaced() -> Group {
    group(vec![pod("a"), pod("c")], &["a", "c"])
}

#[test]
fn what_a_replacement_cost() {
    let rebalances = |a: u64, b: u64| [("u-a".to_owned(), a), ("u-b".to_owned(), b)].into();
    let mut calm = World::at(96, calm());
    calm.seen.rebalances = rebalances(2, 1);
    let mut down = World::at(97, group(vec![pod("a"), deleted("b", 96 * S)], &["a", "b"]));
    (down.lag, down.seen.rebalances) = (900, rebalances(2, 2));
    let mut up = World::at(100, replaced());
    (up.lag, up.seen.rebalances) = (5_000, rebalances(5, 2));
    let mut drained = World::at(101, replaced());
    drained.seen.pauses = pauses(vec![
        pause(1, 96 * S + 100, 100 * S),
        pause(3, 96 * S + 200, 100 * S + 300),
        pause(0, 90 * S, 97 * S),
    ]);
    drained.seen.rebalances = rebalances(6, 2);
    let status = [&calm, &down, &up, &drained]
        .iter()
        .fold(begun(), |status, world| world.look(&status));
    let one = &status.disturbances[0];
    assert_eq!((one.lag_records_before, one.peak_lag_records), (40, 5_000));
    assert_eq!(
        (one.duration_ms, one.drain_ms, one.over),
        (Some(3_000), Some(2_000), false)
    );
    assert_eq!(one.rebalances, 4, "of the other counter");
    let paused: Vec<(u32, u64)> = one
        .paused_partitions
        .iter()
        .map(|one| (one.partition, one.length_ms))
        .collect();
    assert_eq!(paused, [(3, 4_000), (1, 3_999)], "0 paused before");
    assert_eq!((one.longest_pause_ms, one.paused_partitions_total), (4_000, 2));

    let mut after = World::at(102, replaced());
    after.seen.pauses = drained.seen.pauses.clone();
    let status = after.look(&status);
    assert!(status.disturbances[0].over, "a look later");
    (after.lag, after.seen.rebalances, after.seen.pauses) = (9_999, rebalances(9, 9), pauses(Vec::new()));
    assert_eq!(
        after.look(&status).disturbances,
        status.disturbances,
        "its figures are final"
    );
}

#[test]
fn each_of_a_rolling_restart_has_its_own_partitions() {
    // b is asked to stop in the same second in which a's successor became ready, before that has counted anything.
    let first = World::at(97, group(vec![deleted("a", 96 * S), pod("b")], &["a", "b"])).look(&begun());
    let both = group(vec![pod("c"), deleted("b", 99 * S)], &["c", "b"]);
    let mut second = World::at(100, both);
    second.lag = 9_999;
    let status = second.look(&first);
    let mut done = World::at(103, group(vec![pod("c"), pod("d")], &["c", "d"]));
    done.seen.pauses = pauses(vec![
        pause(0, 96 * S + 500_000, 99 * S + 700_000),
        pause(1, 99 * S + 600_000, 102 * S),
    ]);
    let status = done.look(&status);
    let of = |index: usize| -> Vec<u32> {
        let paused = status.disturbances[index].paused_partitions.iter();
        paused.map(|one| one.partition).collect()
    };
    assert_eq!((of(0), of(1)), (vec![0], vec![1]));
    assert_eq!(status.disturbances[1].lag_records_before, 40, "as before the first");
}

#[test]
fn a_producer_goes_without_acknowledgements() {
    let mut world = World::at(100, calm());
    world.seen.producers = group(vec![pod("p"), pod("r")], &["p", "r"]);
    let gap = |partition, length_us| AckGap {
        partition,
        ended_at_us: 99 * S,
        length_us,
    };
    world.seen.ack_gaps = vec![gap(0, 9_000_000), gap(1, 2_500_000), gap(3, 3_500_000)];
    let status = world.look(&begun());
    let one = &status.disturbances[0];
    assert_eq!(
        (one.component, one.slot, one.cause),
        (Component::Producer, 1, PodReplaced)
    );
    assert_eq!(
        one.longest_ack_gap_ms,
        Some(3_500),
        "slot 1 of 2 owns the partitions 1 and 3"
    );
    world.seen.ack_gaps.clear();
    let later = world.look(&status);
    assert_eq!(
        later.disturbances[0].longest_ack_gap_ms,
        Some(3_500),
        "what noted it may be gone"
    );
}

/// Name, lag and its age at each look from the recovery on, time to drain, and whether it is over.
type Row<'a> = (&'a str, &'a [(u64, u64)], Option<u64>, bool);

#[test]
fn it_is_over_when_the_lag_is_back_twice_in_a_row() {
    let (back, many, old) = ((40, 30), (9_999, 30), (41, 1_001));
    let table: [Row; 6] = [
        ("at once", &[back], Some(1_000), false),
        ("at once, and it stays", &[back, back], Some(1_000), true),
        ("it had not shown yet", &[back, many], None, false),
        ("nor that a partition stands still", &[back, old], None, false),
        ("until it is counted again", &[back, old, back], Some(3_000), false),
        ("for good", &[back, old, back, back], Some(3_000), true),
    ];
    for (name, lags, drain_ms, over) in table {
        let looks = (100..).zip(lags).map(|(seconds, (lag, lag_ms))| World {
            lag: *lag,
            lag_ms: *lag_ms,
            ..World::at(seconds, replaced())
        });
        let status = looks.fold(begun(), |status, world| world.look(&status));
        let one = &status.disturbances[0];
        assert_eq!((one.drain_ms, one.over), (drain_ms, over), "{name}");
    }
}

#[test]
fn a_lag_that_does_not_come_back_is_not_waited_for_for_ever() {
    let at = |seconds| World {
        lag: 9_999,
        ..World::at(seconds, replaced())
    };
    let status = at(100).look(&begun());
    let status = at(398).look(&status);
    assert!(!status.disturbances[0].over);
    let status = at(399).look(&status);
    assert_eq!(
        (status.disturbances[0].over, status.disturbances[0].drain_ms),
        (true, None)
    );
}

#[test]
fn the_end_of_the_run_is_the_end_of_what_has_recovered() {
    let last = World {
        phase: Phase::Draining,
        decided: Phase::Verifying,
        ..World::at(100, replaced())
    };
    assert!(last.look(&begun()).disturbances[0].over);
}
