//! What stopped a run: a pure function of where events waited and of how busy every part was.
//!
//! Where they waited is the first of these that holds: before Kafka, where too little was sent; behind it, where the lag
//! grew, exceeded its objective, or was left at the end; on the side that makes up most of a latency that missed its
//! objective; before Kafka, where sends were late, and with `rate: max` in any case. Else nothing stopped the run.
//!
//! Who made them wait is the first of these that holds:
//! 1. A CPU limit stopped the members of that side in a quarter of their scheduling periods: `Producers` or `Counters`.
//! 2. Brokers held them back by a quota for a twentieth of the time: `Brokers`.
//! 3. Behind Kafka: the main thread of a Redis was busy for 90 % of the time: `Ledger`.
//! 4. The node's cores were busy for 95 % of the time: `Node`, for everything on it waits for them.
//! 5. Before Kafka: the schedule was missed and Kafka kept nobody waiting (with `rate: max`, the client's queue was full
//!    for less than a tenth of the time): `Producers`. Else the request handlers of the brokers were idle for 60 % of
//!    the time: `Partitions`, for an idempotent producer has one batch of each on its way at a time. Else `Brokers`.
//! 6. Behind Kafka: the busiest counter waited for the ledger half of its time and a call took 5 ms or longer: `Ledger`.
//!    It waited for records half of its time: `Brokers`. Else it was at work: `Partitions` where each
//!    partition has its counter, and `Counters` otherwise.

use eoslab_api::{
    Bottleneck, BottleneckStatus, BrokersUtilization, CountersUtilization, ProducersUtilization, UtilizationStatus,
};

use super::Prior;
use super::slo;
use super::validity;
use crate::plan::Plan;
use crate::seen::Seen;

/// Share of the scheduling periods in which a CPU limit stops those whom it limits, percent.
const THROTTLED_MIN: u32 = 25;
/// Share of the time that a quota takes from those whom it limits, percent.
const QUOTA_MIN: u32 = 5;
/// A main thread of Redis that is busy, percent.
const MAIN_THREAD_MIN: u32 = 90;
/// A node that is busy, percent.
const NODE_MIN: u32 = 95;
/// Request handlers that have little to do, percent of their time.
const HANDLERS_IDLE_MIN: u32 = 60;
/// A client's queue that is full now and then, percent of the time.
const QUEUE_FULL_MIN: u32 = 10;
/// Most of the time, percent.
const MOST: u32 = 50;
/// A slow call of the ledger, us. A busy Redis in the same data centre answers in a tenth of it.
const SLOW_CALL_US: u64 = 5000;

/// Where events waited, and what shows it.
enum Waited {
    Before(String),
    Behind(String),
    Nowhere,
}

/// Events that waited to be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Most at any time.
    pub peak: u64,
    /// When the counters were given no more time.
    pub left: u64,
}

/// Says what stopped a run whose events are sent.
pub fn judge(plan: &Plan, prior: &Prior, seen: &Seen, used: &UtilizationStatus, lag: Lag) -> BottleneckStatus {
    let (component, because) = match waited(plan, prior, seen, lag) {
        Waited::Nowhere => (Bottleneck::Nothing, vec!["the rate was held".to_owned()]),
        Waited::Before(symptom) => {
            let is_theirs = match plan.rate() {
                None => used.producers.queue_full_percent < QUEUE_FULL_MIN,
                Some(_) => {
                    let is_missed = validity::unsent(plan, prior, seen).or_else(|| validity::late(plan, seen));
                    is_missed.is_some() && validity::refused_by_kafka(plan, seen).is_none()
                }
            };
            let (component, why) = before_kafka(plan, used, is_theirs);
            (component, vec![symptom, why, fact(component, plan, used)])
        }
        Waited::Behind(symptom) => {
            let (component, why) = behind_kafka(plan, used);
            (component, vec![symptom, why, fact(component, plan, used)])
        }
    };
    let others = Bottleneck::ALL
        .iter()
        .filter(|other| ![component, Bottleneck::Nothing].contains(other));
    BottleneckStatus {
        component,
        because,
        not_because: others
            .map(|other| format!("{other}: {}", fact(*other, plan, used)))
            .collect(),
    }
}

fn waited(plan: &Plan, prior: &Prior, seen: &Seen, lag: Lag) -> Waited {
    if let Some(why) = validity::unsent(plan, prior, seen) {
        return Waited::Before(why);
    }
    if let Some(growth) = validity::lag_growth(seen) {
        return Waited::Behind(format!("the lag grew by {growth:.0} events/s"));
    }
    if lag.left > 0 {
        return Waited::Behind(format!("{} events were not counted in time", lag.left));
    }
    let judged = validity::judge(plan, prior, seen);
    let objectives = slo::judge(plan, seen, judged.as_ref(), lag.peak);
    if let Some((name, breach)) = objectives
        .iter()
        .find_map(|one| Some((one.name.as_str(), one.breach()?)))
    {
        if name == slo::MAX_LAG_RECORDS {
            return Waited::Behind(breach);
        }
        let (response, end_to_end) = (
            seen.produced.response.quantile(0.99),
            seen.counted.end_to_end.quantile(0.99),
        );
        let shares = format!(
            "the p99 to the acknowledgement was {} ms of {} ms",
            response / 1000,
            end_to_end / 1000
        );
        let symptom = format!("{breach}, and {shares}");
        return match response * 2 >= end_to_end {
            true => Waited::Before(symptom),
            false => Waited::Behind(symptom),
        };
    }
    match plan.rate() {
        Some(_) => validity::late(plan, seen).map_or(Waited::Nowhere, Waited::Before),
        None => Waited::Before("rate max sends as fast as Kafka takes".to_owned()),
    }
}

fn before_kafka(plan: &Plan, used: &UtilizationStatus, is_theirs: bool) -> (Bottleneck, String) {
    let producers = &used.producers;
    if producers.throttled_percent >= THROTTLED_MIN {
        return (Bottleneck::Producers, stopped(producers.throttled_percent));
    }
    if producers.quota_percent >= QUOTA_MIN {
        return (Bottleneck::Brokers, quota("producers", producers.quota_percent));
    }
    if let Some(why) = busy_node(used) {
        return (Bottleneck::Node, why);
    }
    if is_theirs {
        let why = "Kafka kept them waiting for nothing, so the producers themselves were late";
        return (Bottleneck::Producers, why.to_owned());
    }
    let idle = used
        .brokers
        .as_ref()
        .map(|brokers| brokers.request_handler_idle_percent);
    let has_time = idle.is_some_and(|idle| idle >= HANDLERS_IDLE_MIN);
    match plan.valid.spec.producer.idempotence && has_time {
        true => {
            let why = "each partition has one batch on its way at a time, and the brokers had time for more";
            (Bottleneck::Partitions, why.to_owned())
        }
        false => (
            Bottleneck::Brokers,
            "what was sent waited for its acknowledgement".to_owned(),
        ),
    }
}

fn behind_kafka(plan: &Plan, used: &UtilizationStatus) -> (Bottleneck, String) {
    let counters = &used.counters;
    let main_thread = used.ledger.as_ref().map_or(0, |ledger| ledger.main_thread_percent);
    if counters.throttled_percent >= THROTTLED_MIN {
        return (Bottleneck::Counters, stopped(counters.throttled_percent));
    }
    if counters.quota_percent >= QUOTA_MIN {
        return (Bottleneck::Brokers, quota("counters", counters.quota_percent));
    }
    if main_thread >= MAIN_THREAD_MIN {
        let why = "one thread of Redis runs all commands, and it had no time left";
        return (Bottleneck::Ledger, why.to_owned());
    }
    if let Some(why) = busy_node(used) {
        return (Bottleneck::Node, why);
    }
    if counters.ledger_percent >= MOST && counters.ledger_call_us >= SLOW_CALL_US {
        let why = format!(
            "the busiest counter waited for Redis {} % of its time",
            counters.ledger_percent
        );
        return (Bottleneck::Ledger, why);
    }
    if counters.idle_percent >= MOST {
        let why = format!(
            "the busiest counter waited for records {} % of its time",
            counters.idle_percent
        );
        return (Bottleneck::Brokers, why);
    }
    match plan.counters() >= plan.partitions() {
        true => (
            Bottleneck::Partitions,
            "each has its counter, and the busiest of these was at work".to_owned(),
        ),
        false => (Bottleneck::Counters, "the busiest of them was at work".to_owned()),
    }
}

fn stopped(percent: u32) -> String {
    format!("their CPU limit stopped them in {percent} % of the scheduling periods")
}

fn quota(whom: &str, percent: u32) -> String {
    format!("a quota held the {whom} back {percent} % of the time")
}

fn busy_node(used: &UtilizationStatus) -> Option<String> {
    let is_busy = used.node.as_ref().is_some_and(|node| node.cpu_percent >= NODE_MIN);
    is_busy.then(|| "everything on it waits for its cores".to_owned())
}

/// How busy a part was, in a sentence.
fn fact(component: Bottleneck, plan: &Plan, used: &UtilizationStatus) -> String {
    let known = match component {
        Bottleneck::Nothing => Some("nothing waited".to_owned()),
        Bottleneck::Producers => Some(producers(&used.producers)),
        Bottleneck::Brokers => used.brokers.as_ref().map(brokers),
        Bottleneck::Partitions => Some(format!(
            "{} for {} producers and {} counters",
            plan.partitions(),
            plan.producers(),
            plan.counters()
        )),
        Bottleneck::Counters => Some(counters(&used.counters)),
        Bottleneck::Ledger => used.ledger.as_ref().map(|ledger| {
            let call_ms = millis(used.counters.ledger_call_us);
            format!(
                "main thread busy {} % of the time, a call took {call_ms} ms",
                ledger.main_thread_percent
            )
        }),
        Bottleneck::Node => used.node.as_ref().map(|node| {
            format!(
                "CPU {} % busy, {} % stolen by other machines, {} % waiting for disks, memory {} % used",
                node.cpu_percent, node.stolen_percent, node.io_wait_percent, node.memory_percent
            )
        }),
    };
    known.unwrap_or_else(|| "could not be looked at".to_owned())
}

fn producers(used: &ProducersUtilization) -> String {
    format!(
        "{} cores used, the busiest stopped by a CPU limit in {} % of the periods, its client's queue full {} % of the time",
        cores(used.cpu_millicores),
        used.throttled_percent,
        used.queue_full_percent
    )
}

fn brokers(used: &BrokersUtilization) -> String {
    format!(
        "request handlers idle {} %, network threads idle {} %, a produce request took {} ms",
        used.request_handler_idle_percent,
        used.network_processor_idle_percent,
        millis(used.produce.total_us)
    )
}

fn counters(used: &CountersUtilization) -> String {
    format!(
        "{} cores used, the busiest stopped by a CPU limit in {} % of the periods, waiting for records {} % and for the \
         ledger {} % of the time",
        cores(used.cpu_millicores),
        used.throttled_percent,
        used.idle_percent,
        used.ledger_percent
    )
}

fn cores(millicores: u64) -> String {
    format!("{:.2}", millicores as f64 / 1000.0)
}

fn millis(us: u64) -> String {
    format!("{:.1}", us as f64 / 1000.0)
}
