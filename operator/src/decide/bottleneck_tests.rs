//! Each part made the bottleneck, as a table; and the rules that come before another.

use eoslab_api::{
    Bottleneck, BrokersUtilization, CountersUtilization, LedgerUtilization, NodeUtilization, ProducersUtilization,
    SloSpec, UtilizationStatus,
};

use super::Prior;
use super::bottleneck::{Lag, judge};
use super::validity_tests::{closed_loop, good, growing, histogram, share};
use crate::fixtures::{loadtest, plan, plan_of};
use crate::plan::Plan;
use crate::seen::Seen;

/// Nobody has much to do.
fn idle() -> UtilizationStatus {
    UtilizationStatus {
        seconds: 20,
        producers: ProducersUtilization {
            cpu_millicores: 100,
            ..ProducersUtilization::default()
        },
        brokers: Some(BrokersUtilization {
            count: 3,
            request_handler_idle_percent: 90,
            network_processor_idle_percent: 95,
            ..BrokersUtilization::default()
        }),
        counters: CountersUtilization {
            cpu_millicores: 200,
            idle_percent: 20,
            ledger_percent: 30,
            ledger_call_us: 800,
            ..CountersUtilization::default()
        },
        ledger: Some(LedgerUtilization {
            main_thread_percent: 20,
        }),
        node: Some(NodeUtilization {
            cpu_percent: 50,
            ..NodeUtilization::default()
        }),
    }
}

fn component(plan: &Plan, seen: &Seen, used: &UtilizationStatus) -> Bottleneck {
    judge(plan, &Prior::default(), seen, used, Lag::default()).component
}

fn before(is_queue_full: bool) -> Seen {
    let mut seen = good();
    share(&mut seen, 0.9);
    seen.produced.lateness = histogram(50_000, 400_000);
    if is_queue_full {
        seen.produced.queue_full_us = 20_000_000;
    }
    seen
}

fn behind() -> Seen {
    let mut seen = good();
    growing(&mut seen);
    seen
}

/// With sends that are late and are all sent.
fn late(mut seen: Seen) -> Seen {
    seen.produced.lateness = histogram(50_000, 40_000);
    seen
}

#[test]
fn each_part_is_named_by_what_shows_it() {
    type Change = fn(&mut UtilizationStatus);
    let table: [(&str, Seen, Change, Bottleneck); 18] = [
        ("the rate was held", good(), |_| {}, Bottleneck::Nothing),
        (
            "a producer under a CPU limit",
            before(false),
            |u| u.producers.throttled_percent = 25,
            Bottleneck::Producers,
        ),
        (
            "whose queue fills as its threads starve",
            before(true),
            |u| u.producers.throttled_percent = 90,
            Bottleneck::Producers,
        ),
        (
            "a produce quota",
            before(true),
            |u| u.producers.quota_percent = 5,
            Bottleneck::Brokers,
        ),
        (
            "all cores busy before Kafka",
            before(true),
            |u| cpu(u, 95),
            Bottleneck::Node,
        ),
        (
            "late with room in the queue",
            before(false),
            |u| cpu(u, 94),
            Bottleneck::Producers,
        ),
        (
            "busy brokers",
            before(true),
            |u| handlers_idle(u, 59),
            Bottleneck::Brokers,
        ),
        (
            "brokers that are not known",
            before(true),
            |u| u.brokers = None,
            Bottleneck::Brokers,
        ),
        (
            "brokers with time for more",
            before(true),
            |_| {},
            Bottleneck::Partitions,
        ),
        (
            "a counter under a CPU limit",
            behind(),
            |u| u.counters.throttled_percent = 30,
            Bottleneck::Counters,
        ),
        (
            "a fetch quota",
            behind(),
            |u| u.counters.quota_percent = 50,
            Bottleneck::Brokers,
        ),
        (
            "a busy Redis",
            behind(),
            |u| {
                u.ledger = Some(LedgerUtilization {
                    main_thread_percent: 90,
                })
            },
            Bottleneck::Ledger,
        ),
        (
            "all cores busy behind Kafka",
            behind(),
            |u| cpu(u, 97),
            Bottleneck::Node,
        ),
        (
            "a slow Redis",
            behind(),
            |u| (u.counters.ledger_percent, u.counters.ledger_call_us) = (50, 5000),
            Bottleneck::Ledger,
        ),
        (
            "records that come slowly",
            behind(),
            |u| u.counters.idle_percent = 50,
            Bottleneck::Brokers,
        ),
        ("counters at work", behind(), |_| {}, Bottleneck::Counters),
        (
            "late sends and nothing else",
            late(good()),
            |_| {},
            Bottleneck::Producers,
        ),
        (
            "late sends and a growing lag",
            late(behind()),
            |_| {},
            Bottleneck::Counters,
        ),
    ];
    for (name, seen, change, expected) in table {
        let mut used = idle();
        change(&mut used);
        assert_eq!(component(&plan(), &seen, &used), expected, "{name}");
    }
}

fn cpu(used: &mut UtilizationStatus, percent: u32) {
    used.node.get_or_insert_default().cpu_percent = percent;
}

fn handlers_idle(used: &mut UtilizationStatus, percent: u32) {
    used.brokers.get_or_insert_default().request_handler_idle_percent = percent;
}

#[test]
fn counters_at_work_are_bound_by_partitions_where_no_more_of_them_can_help() {
    let mut loadtest = loadtest();
    loadtest.spec.counter.replicas = loadtest.spec.topic.partitions;
    assert_eq!(
        component(&plan_of(&loadtest), &behind(), &idle()),
        Bottleneck::Partitions
    );
}

#[test]
fn a_quick_ledger_is_not_to_blame_however_long_the_counters_wait_for_it() {
    let mut used = idle();
    used.counters.ledger_percent = 95;
    assert_eq!(component(&plan(), &behind(), &used), Bottleneck::Counters);
}

#[test]
fn a_latency_is_put_down_to_the_side_that_it_came_from() {
    let mut loadtest = loadtest();
    loadtest.spec.slo = Some(SloSpec {
        end_to_end_p99_ms: Some(100),
        max_lag_records: None,
    });
    let plan = plan_of(&loadtest);
    let mut slow = good();
    slow.counted.end_to_end = histogram(50_000, 150_000);
    let used = UtilizationStatus {
        brokers: None,
        ..idle()
    };
    for (response_us, expected) in [(20_000, Bottleneck::Counters), (100_000, Bottleneck::Brokers)] {
        slow.produced.response = histogram(50_000, response_us);
        assert_eq!(component(&plan, &slow, &used), expected);
    }
}

#[test]
fn a_lag_is_behind_kafka_whatever_the_latencies() {
    let mut loadtest = loadtest();
    loadtest.spec.slo = Some(SloSpec {
        end_to_end_p99_ms: None,
        max_lag_records: Some(100),
    });
    let mut seen = good();
    seen.produced.response = seen.counted.end_to_end.clone();
    let of = |lag| judge(&plan_of(&loadtest), &Prior::default(), &seen, &idle(), lag).component;
    assert_eq!(of(Lag { peak: 100, left: 0 }), Bottleneck::Nothing);
    assert_eq!(of(Lag { peak: 101, left: 0 }), Bottleneck::Counters);
    assert_eq!(of(Lag { peak: 0, left: 1 }), Bottleneck::Counters);
}

#[test]
fn a_closed_loop_is_always_bound_by_something() {
    let mut used = idle();
    used.producers.queue_full_percent = 9;
    assert_eq!(component(&closed_loop(), &good(), &used), Bottleneck::Producers);
    used.producers.queue_full_percent = 90;
    assert_eq!(component(&closed_loop(), &good(), &used), Bottleneck::Partitions);
    cpu(&mut used, 99);
    assert_eq!(component(&closed_loop(), &good(), &used), Bottleneck::Node);
}

#[test]
fn a_client_that_has_many_batches_of_a_partition_on_their_way_is_not_bound_by_partitions() {
    let mut loadtest = loadtest();
    loadtest.spec.producer.idempotence = false;
    assert_eq!(
        component(&plan_of(&loadtest), &before(true), &idle()),
        Bottleneck::Brokers
    );
}

#[test]
fn every_part_is_spoken_of_once() {
    let judged = judge(&plan(), &Prior::default(), &behind(), &idle(), Lag::default());
    assert_eq!(judged.because.len(), 3, "{judged:?}");
    assert_eq!(judged.because[0], "the lag grew by 25 events/s");
    assert_eq!(judged.not_because.len(), Bottleneck::ALL.len() - 2, "{judged:?}");
    assert!(
        judged.not_because.iter().all(|fact| !fact.starts_with("Counters")),
        "{judged:?}"
    );
}
