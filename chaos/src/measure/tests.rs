use eoslab_api::chaos::VictimStatus;
use eoslab_core::report::{AckGap, Pause};
use eoslab_counter::ledger::LedgerEntry;
use eoslab_operator::seen::log::LogRange;

use super::*;
use crate::decide::micro;
use crate::world::{LoadTestState, PartitionState};

const S: i64 = 1_000_000;
const INJECTED: i64 = 100 * S;

fn broker(id: i32, restarts: u32, is_ready: bool) -> PodState {
    PodState {
        name: format!("lab-broker-{id}"),
        uid: format!("uid-{id}"),
        restarts,
        is_ready,
        ..PodState::default()
    }
}

fn world(after_ms: i64, restarts: u32, is_ready: bool, leader: i32, in_sync: &[i32]) -> World {
    World {
        now_us: INJECTED + after_ms * 1000,
        pods: [(
            Component::Brokers,
            vec![broker(0, 0, true), broker(1, restarts, is_ready)],
        )]
        .into(),
        topic: Some(vec![PartitionState {
            leader,
            replicas: vec![0, 1],
            in_sync: in_sync.to_vec(),
        }]),
        ..World::default()
    }
}

fn killed() -> (Fault, Injection) {
    let fault = Fault {
        fault_type: FaultType::KillBroker,
        ..Fault::default()
    };
    let injection = Injection {
        fault_type: FaultType::KillBroker,
        state: InjectionState::Injected,
        victim: Some(VictimStatus {
            name: "lab-broker-1".to_owned(),
            uid: "uid-1".to_owned(),
            ..VictimStatus::default()
        }),
        intended_at: Some(micro(INJECTED)),
        injected_at: Some(micro(INJECTED)),
        ledger_from_us: Some(50),
        ..Injection::default()
    };
    (fault, injection)
}

#[test]
fn the_life_of_a_killed_broker() {
    let (fault, mut injection) = killed();
    let mut baseline = Baseline::default();
    let looks = [
        (world(250, 0, true, 1, &[0, 1]), true),
        (world(500, 1, false, -1, &[0]), false),
        (world(750, 1, false, 0, &[0]), false),
        (world(4_000, 1, true, 0, &[0]), true),
        (world(6_000, 1, true, 0, &[0, 1]), true),
        (world(7_000, 1, true, 1, &[0, 1]), true),
    ];
    for (world, is_ready) in &looks {
        fold(&fault, &mut injection, &mut baseline, world, *is_ready);
    }
    assert_eq!(injection.detected_ms, Some(500));
    assert_eq!(injection.leader_change_ms, Some(750));
    assert_eq!(injection.ready_ms, Some(4_000));
    assert_eq!(injection.isr_restored_ms, Some(6_000));
    assert_eq!(injection.rescheduled_ms, None, "the pod stayed");
    recovered(&mut injection, INJECTED + 6_500_000);
    assert_eq!((injection.recovered_ms, injection.drain_ms), (Some(6_500), Some(2_500)));
    injection.healed_at = Some(micro(INJECTED + 8 * S));
    recovered(&mut injection, INJECTED + 6_500_000);
    assert_eq!(injection.recovered_ms, Some(8_000), "not before it was taken back");
    injection.ready_ms = Some(9_000);
    recovered(&mut injection, INJECTED + 6_500_000);
    assert_eq!(
        injection.recovered_at,
        Some(micro(INJECTED + 9 * S)),
        "nor before all are ready"
    );
}

/// So many counters are wanted and there; partition 0 was last counted by counter 0, and partition 1 by this one.
fn counted_by(after_ms: i64, counters: u32, slot: u32) -> World {
    let counter = |slot| PodState {
        slot: Some(slot),
        is_ready: true,
        ..PodState::default()
    };
    let entry = |partition, slot| LedgerEntry {
        member: format!("lt-counter-{slot}"),
        offset: 9,
        ts_us: INJECTED,
        ..LedgerEntry::empty(partition)
    };
    let mut world = World {
        loadtest: Some(LoadTestState {
            counters,
            ..LoadTestState::default()
        }),
        log: Some(vec![LogRange { begin: 0, end: 10 }; 2]),
        ledger: Some(vec![entry(0, 0), entry(1, slot)]),
        ..world(after_ms, 0, true, 1, &[0, 1])
    };
    let counters = (0..counters).map(counter).collect();
    world.pods.insert(Component::Counters, counters);
    world
}

#[test]
fn counters_are_ready_when_as_many_as_before_have_the_partitions_again() {
    let fault = Fault {
        fault_type: FaultType::ScaleCounters,
        replicas: Some(2),
        ..Fault::default()
    };
    let (_, mut injection) = killed();
    injection.fault_type = FaultType::ScaleCounters;
    let look = |injection: &mut Injection, world: &World| {
        fold(&fault, injection, &mut Baseline::default(), world, true);
        injection.ready_ms
    };
    assert_eq!(look(&mut injection, &counted_by(3_000, 2, 1)), None, "it is at work");
    injection.healed_at = Some(micro(INJECTED + 5 * S));
    assert_eq!(look(&mut injection, &counted_by(5_250, 1, 1)), None);
    assert_eq!(look(&mut injection, &counted_by(12_000, 1, 0)), Some(12_000));
}

#[test]
fn where_the_partitions_are_is_asked_only_after_counters_were_scaled() {
    let said = |fault_type: Option<FaultType>, world: &World| {
        let fault = fault_type.map(|fault_type| Fault {
            fault_type,
            ..Fault::default()
        });
        trouble(fault.as_ref(), world, 2_000)
    };
    let gone = counted_by(0, 1, 1);
    assert!(said(Some(FaultType::ScaleCounters), &gone).is_some_and(|said| said.contains("is gone")));
    assert_eq!(said(Some(FaultType::ScaleCounters), &counted_by(0, 1, 0)), None);
    assert_eq!(said(Some(FaultType::KillCounter), &gone), None);
    assert_eq!(said(None, &gone), None);
}

#[test]
fn what_is_frozen_is_not_ready_before_it_is_woken() {
    let (mut fault, mut injection) = killed();
    (fault.fault_type, injection.fault_type) = (FaultType::PauseBroker, FaultType::PauseBroker);
    let mut baseline = Baseline::default();
    fold(
        &fault,
        &mut injection,
        &mut baseline,
        &world(250, 0, true, 1, &[0, 1]),
        true,
    );
    assert_eq!(
        (injection.detected_ms, injection.ready_ms),
        (None, None),
        "no probe has failed yet"
    );
    injection.healed_at = Some(micro(INJECTED + 10 * S));
    fold(
        &fault,
        &mut injection,
        &mut baseline,
        &world(10_250, 0, true, 1, &[0, 1]),
        true,
    );
    assert_eq!((injection.detected_ms, injection.ready_ms), (None, Some(10_250)));
}

#[test]
fn pauses_are_those_of_the_ledgers_own_time() {
    let (fault, mut injection) = killed();
    let pause = |partition, ended_at_us, length_us| Pause {
        partition,
        ended_at_us,
        length_us,
        member_before: "a".to_owned(),
        member_after: "b".to_owned(),
    };
    let mut seen = world(1_000, 1, true, 0, &[0, 1]);
    seen.ledger = Some(vec![LedgerEntry {
        at_us: 9_000_000,
        ..LedgerEntry::empty(0)
    }]);
    seen.pauses = vec![
        pause(0, 40, 10),
        pause(1, 2_000_000, 1_500_000),
        pause(2, 3_000_000, 2_500_000),
    ];
    fold(&fault, &mut injection, &mut Baseline::default(), &seen, true);
    assert_eq!(
        (injection.partitions_paused, injection.longest_pause_ms),
        (2, Some(2_500))
    );
    assert_eq!(injection.pauses[0].partition, 2);
}

#[test]
fn times_without_an_acknowledgement_are_kept_a_partition_each() {
    let (fault, mut injection) = killed();
    let gap = |partition, ended_at_us, length_ms: u64| AckGap {
        partition,
        ended_at_us,
        length_us: length_ms * 1000,
    };
    let mut seen = world(1_000, 1, true, 0, &[0, 1]);
    seen.ack_gaps = vec![gap(0, INJECTED + 400_000, 300), gap(0, INJECTED - 5 * S, 900)];
    fold(&fault, &mut injection, &mut Baseline::default(), &seen, true);
    let listed = |injection: &Injection| -> Vec<(u32, u64)> {
        let gaps = injection.ack_gaps.iter();
        gaps.map(|gap| (gap.partition, gap.length_ms)).collect()
    };
    assert_eq!(listed(&injection), [(0, 300)], "the older gap is not the fault's");
    assert_eq!(injection.longest_ack_gap_ms, Some(300));
    // As a controller that was restarted sees it, of a producer that was restarted as well.
    seen.now_us = INJECTED + 4 * S;
    seen.ack_gaps = vec![gap(0, INJECTED + 2 * S, 100), gap(7, INJECTED + 2 * S, 500)];
    fold(&fault, &mut injection, &mut Baseline::default(), &seen, true);
    assert_eq!(listed(&injection), [(7, 500), (0, 300)]);
    assert_eq!(injection.longest_ack_gap_ms, Some(500));
    seen.ack_gaps = (0..20)
        .map(|partition| gap(partition, INJECTED + 3 * S, 1_000))
        .collect();
    fold(&fault, &mut injection, &mut Baseline::default(), &seen, true);
    assert_eq!(injection.ack_gaps.len(), PAUSED_PARTITIONS_MAX);
}

#[test]
fn the_first_assignment_of_a_new_process_is_no_rebalance() {
    let (fault, mut injection) = killed();
    let mut baseline = Baseline {
        rebalances: [("a".to_owned(), 3), ("b".to_owned(), 1)].into(),
        ..Baseline::default()
    };
    let mut seen = world(1_000, 1, true, 0, &[0, 1]);
    seen.rebalances = [("a".to_owned(), 5), ("b".to_owned(), 1), ("new".to_owned(), 1)].into();
    fold(&fault, &mut injection, &mut baseline, &seen, true);
    assert_eq!(injection.rebalances, Some(2));
    seen.rebalances.insert("new".to_owned(), 4);
    fold(&fault, &mut injection, &mut baseline, &seen, true);
    assert_eq!(injection.rebalances, Some(5), "what follows it is one");
}

#[test]
fn a_summary_has_the_least_the_middle_and_the_greatest() {
    let of = |fault_type, state, pause_ms| Injection {
        fault_type,
        state,
        longest_pause_ms: Some(pause_ms),
        recovered_ms: Some(pause_ms * 2),
        ..Injection::default()
    };
    use InjectionState::{NotRecovered, Recovered};
    let all = [
        of(FaultType::KillRedis, Recovered, 300),
        of(FaultType::KillCounter, Recovered, 10),
        of(FaultType::KillRedis, NotRecovered, 100),
        of(FaultType::KillRedis, Recovered, 200),
        of(FaultType::KillRedis, InjectionState::Injected, 9_999),
    ];
    let summary = summary(&all);
    assert_eq!(summary.len(), 2);
    let redis = &summary[0];
    assert_eq!((redis.injections, redis.recovered), (3, 2));
    assert_eq!(
        redis.pause,
        SpreadMs {
            min_ms: 100,
            median_ms: 200,
            max_ms: 300
        }
    );
}
