use super::*;
use crate::fixtures::plan;

const S: i64 = 1_000_000;

fn member(role: Role) -> MemberUse {
    MemberUse {
        role,
        resources: ResourceUse::default(),
        queue_full_us: 0,
        quota_us: 0,
        redis_us: 0,
        redis_calls: 0,
        idle_us: 0,
    }
}

fn producer(cpu_us: u64, periods: u64, throttled_periods: u64, queue_full_us: u64) -> MemberUse {
    let resources = ResourceUse {
        cpu_us,
        periods,
        throttled_periods,
        node_memory_percent: 40,
        node_busy_us: cpu_us * 3,
        node_stolen_us: cpu_us * 2,
        node_total_us: cpu_us * 4,
        ..ResourceUse::default()
    };
    MemberUse {
        resources,
        queue_full_us,
        ..member(Role::Producer)
    }
}

fn counter(redis_us: u64, redis_calls: u64, idle_us: u64) -> MemberUse {
    MemberUse {
        redis_us,
        redis_calls,
        idle_us,
        ..member(Role::Counter)
    }
}

fn window(looks: &[(i64, Vec<(&'static str, MemberUse)>)]) -> UsageWindow {
    let mut window = UsageWindow::default();
    for (at_s, members) in looks {
        window.push_members(at_s * S, members.iter().cloned());
    }
    window
}

#[test]
fn shares_are_of_the_time_between_the_first_look_and_the_last() {
    assert_eq!(UsageWindow::default().utilization(&plan()), None);
    let one = window(&[(10, vec![("p", producer(0, 0, 0, 0))])]);
    assert_eq!(one.utilization(&plan()), None);
    let used = window(&[
        (10, vec![("p", producer(500_000, 10, 5, 100))]),
        (15, vec![("p", producer(900_000, 50, 50, 200))]),
        (
            20,
            vec![
                ("p", producer(5_500_000, 110, 30, 4_000_100)),
                ("q", producer(0, 0, 0, 0)),
            ],
        ),
    ]);
    let used = used.utilization(&plan()).expect("two looks");
    assert_eq!(used.seconds, 10);
    let producers = used.producers;
    assert_eq!((producers.cpu_millicores, producers.throttled_percent), (500, 25));
    assert_eq!(producers.queue_full_percent, 40);
    let node = used.node.expect("a node");
    assert_eq!(
        (node.cpu_percent, node.stolen_percent, node.memory_percent),
        (75, 50, 40)
    );
    assert_eq!((used.ledger, used.brokers), (None, None));
}

#[test]
fn the_busiest_counter_speaks_for_all_if_it_was_there_for_long() {
    let used = window(&[
        (0, vec![("idle", counter(0, 0, 0)), ("busy", counter(0, 0, 0))]),
        (9, vec![("new", counter(0, 0, 0))]),
        (
            10,
            vec![
                ("idle", counter(S as u64, 1000, 9_000_000)),
                ("busy", counter(6_000_000, 3000, 500_000)),
                ("new", counter(1_000_000, 1, 0)),
            ],
        ),
    ]);
    let counters = used.utilization(&plan()).expect("two looks").counters;
    assert_eq!((counters.ledger_percent, counters.idle_percent), (60, 5));
    assert_eq!(counters.ledger_call_us, 2000);
}

fn broker(handlers_idle_s: f64, network_idle: f64, produced: f64, total_ms: f64) -> BrokerUse {
    BrokerUse {
        handlers_idle_ns: handlers_idle_s * 1e9,
        network_idle,
        produce: RequestUse {
            count: produced,
            total_ms,
            ..RequestUse::default()
        },
        ..BrokerUse::default()
    }
}

#[test]
fn the_busiest_redis_and_broker_speak_for_all_but_the_restarted() {
    let mut window = window(&[(0, vec![]), (10, vec![])]);
    let mut push = |at_s: i64, ledger_us, brokers: Vec<(i32, BrokerUse)>| {
        let brokers = brokers.into_iter().collect();
        window.push_servers(at_s * S, &ServerUse { ledger_us, brokers });
    };
    let begun = vec![
        (0, broker(50.0, 1.0, 10.0, 10.0)),
        (1, broker(60.0, 1.0, 0.0, 0.0)),
        (2, broker(70.0, 1.0, 0.0, 0.0)),
    ];
    push(0, Some(vec![100, 900]), begun);
    let ended = vec![
        (0, broker(58.0, 0.9, 110.0, 1010.0)),
        (1, broker(63.0, 0.7, 100.0, 200.0)),
        (2, broker(0.5, 0.1, 5.0, 5.0)),
        (3, broker(0.0, 0.0, 0.0, 0.0)),
    ];
    push(10, Some(vec![8_000_100, 500_000]), ended);
    push(15, None, vec![]);
    let used = window.utilization(&plan()).expect("two looks");
    assert_eq!(used.ledger.map(|ledger| ledger.main_thread_percent), Some(80));
    let brokers = used.brokers.expect("brokers");
    assert_eq!(brokers.count, 2, "one was restarted, one seen once only");
    assert_eq!(
        (
            brokers.request_handler_idle_percent,
            brokers.network_processor_idle_percent
        ),
        (30, 70)
    );
    assert_eq!(brokers.produce.total_us, 6000);
}
