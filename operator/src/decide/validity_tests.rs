//! Validity and objectives as tables.

use eoslab_api::{SloSpec, SloState, Validity};
use eoslab_core::{LatencyHistogram, Tally};
use eoslab_counter::ledger::LedgerEntry;

use super::{slo, validity};
use crate::decide::Prior;
use crate::fixtures::{loadtest, plan, plan_of};
use crate::plan::Plan;
use crate::seen::Seen;
use crate::seen::trend::Achieved;

pub(super) fn histogram(count: u64, us: u64) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::default();
    (0..count).for_each(|_| histogram.record(us));
    histogram
}

/// A good run: 1000 events a second for 60 s, the first 10 s of them not measured, p99 50 ms.
pub(super) fn good() -> Seen {
    let mut seen = Seen {
        achieved: Some(Achieved {
            rate: 1000.0,
            share: Some(1.0),
            is_behind: false,
            lag_growth: 0.0,
        }),
        ledger: Some(vec![LedgerEntry {
            tally: Tally {
                count: 60_000,
                ..Tally::default()
            },
            ..LedgerEntry::empty(0)
        }]),
        ..Seen::default()
    };
    seen.counted.end_to_end = histogram(50_000, 50_000);
    seen.produced.lateness = histogram(50_000, 1_000);
    seen.produced.service = histogram(50_000, 20_000);
    seen.produced.sent = 60_000;
    seen
}

fn judged(seen: &Seen) -> Option<Validity> {
    validity::judge(&plan(), &Prior::default(), seen).map(|judged| judged.validity)
}

#[test]
fn latencies_are_valid_only_if_nothing_speaks_against_it() {
    type Change = fn(&mut Seen);
    let table: [(&str, Change, Validity); 15] = [
        ("good", |_| {}, Validity::Valid),
        ("achieved 99.5 %", |s| share(s, 0.995), Validity::Valid),
        ("achieved 99.4 %", late_share, Validity::GeneratorBound),
        (
            "the rest of it on its way",
            |s| {
                share(s, 0.98);
                if let Some(achieved) = &mut s.achieved {
                    achieved.is_behind = false;
                }
            },
            Validity::Valid,
        ),
        (
            "the same with all of it ready in time",
            |s| share(s, 0.994),
            Validity::Saturated,
        ),
        (
            "the same with a full queue",
            |s| {
                late_share(s);
                s.produced.queue_full_us = 2_000_000;
            },
            Validity::Saturated,
        ),
        (
            "a queue that was full for a moment",
            |s| {
                late_share(s);
                s.produced.queue_full_us = 900_000;
            },
            Validity::GeneratorBound,
        ),
        (
            "late by 10 ms",
            |s| s.produced.lateness = histogram(100, 9_900),
            Validity::Valid,
        ),
        (
            "late by 11 ms",
            |s| s.produced.lateness = histogram(100, 11_000),
            Validity::GeneratorBound,
        ),
        (
            "late, but little of a long latency",
            |s| {
                s.produced.lateness = histogram(100, 11_000);
                s.counted.end_to_end = histogram(50_000, 200_000);
            },
            Validity::Valid,
        ),
        ("the lag was growing", growing, Validity::Saturated),
        (
            "below zero, once",
            |s| s.counted.negative_latencies = 1,
            Validity::Valid,
        ),
        (
            "below zero, often",
            |s| s.counted.negative_latencies = 60,
            Validity::ClockSkewed,
        ),
        (
            "too few samples",
            |s| s.counted.end_to_end = histogram(999, 50_000),
            Validity::Inconclusive,
        ),
        (
            "lost samples",
            |s| s.counted.end_to_end = histogram(49_000, 50_000),
            Validity::Inconclusive,
        ),
    ];
    for (name, change, expected) in table {
        let mut seen = good();
        change(&mut seen);
        assert_eq!(judged(&seen), Some(expected), "{name}");
    }
    assert_eq!(
        judged(&Seen::default()),
        None,
        "without samples there is nothing to judge"
    );
}

#[test]
fn latencies_are_upper_bounds_where_only_late_sends_speak_against_them() {
    type Change = fn(&mut Seen);
    let table: [(&str, Change, bool); 6] = [
        ("on time", |s| s.produced.lateness = histogram(100, 1_000), false),
        ("late", |_| {}, true),
        ("late, and some were never sent", late_share, false),
        ("late, and the lag grew", growing, false),
        (
            "late, and too few samples",
            |s| s.counted.end_to_end = histogram(999, 50_000),
            false,
        ),
        ("late for a full queue", |s| s.produced.queue_full_us = 2_000_000, false),
    ];
    for (name, change, expected) in table {
        let mut seen = good();
        seen.produced.lateness = histogram(100, 40_000);
        change(&mut seen);
        let judged = validity::judge(&plan(), &Prior::default(), &seen).expect("there are samples");
        assert_eq!(judged.is_upper_bound, expected, "{name}");
    }
}

pub(super) fn share(seen: &mut Seen, share: f64) {
    seen.achieved = Some(Achieved {
        rate: 1000.0 * share,
        share: Some(share),
        is_behind: true,
        lag_growth: 0.0,
    });
}

/// Less than the schedule, as the producers were late.
fn late_share(seen: &mut Seen) {
    share(seen, 0.994);
    seen.produced.lateness = histogram(50_000, 400_000);
}

pub(super) fn growing(seen: &mut Seen) {
    seen.achieved = Some(Achieved {
        rate: 1000.0,
        share: Some(1.0),
        is_behind: false,
        lag_growth: 25.0,
    });
}

#[test]
fn after_a_restart_past_the_sending_the_status_says_what_was_achieved() {
    let mut seen = good();
    seen.achieved = None;
    let after = |sent_rate| {
        let prior = Prior {
            draining_since_us: Some(1),
            sent_rate,
            ..Prior::default()
        };
        validity::judge(&plan(), &prior, &seen).map(|judged| judged.validity)
    };
    assert_eq!(
        (after(1000), after(900)),
        (Some(Validity::Valid), Some(Validity::Saturated))
    );
}

pub(super) fn closed_loop() -> Plan {
    let mut loadtest = loadtest();
    loadtest.spec.producer.rate = serde_json::from_str("\"max\"").expect("a rate");
    plan_of(&loadtest)
}

#[test]
fn a_closed_loop_is_judged_by_its_service_latencies_and_says_so() {
    let mut seen = good();
    seen.counted.end_to_end = LatencyHistogram::default();
    let judged = validity::judge(&closed_loop(), &Prior::default(), &seen).expect("service latencies");
    assert_eq!(judged.validity, Validity::Valid);
    assert!(judged.why.contains("closed loop"), "{}", judged.why);
}

#[test]
fn objectives_are_kept_missed_or_not_judged() {
    let mut loadtest = loadtest();
    loadtest.spec.slo = Some(SloSpec {
        end_to_end_p99_ms: Some(100),
        max_lag_records: Some(5000),
    });
    let plan = plan_of(&loadtest);
    let states = |seen: &Seen, peak_lag| -> Vec<SloState> {
        let validity = validity::judge(&plan, &Prior::default(), seen);
        let results = slo::judge(&plan, seen, validity.as_ref(), peak_lag);
        results.into_iter().map(|result| result.state).collect()
    };
    use SloState::{Breached, NotEvaluated, Ok};
    assert_eq!(states(&good(), 5000), [Ok, Ok]);
    assert_eq!(states(&good(), 5001), [Ok, Breached]);
    let mut slow = good();
    slow.counted.end_to_end = histogram(50_000, 150_000);
    assert_eq!(states(&slow, 0), [Breached, Ok]);
    let mut saturated = good();
    growing(&mut saturated);
    assert_eq!(
        states(&saturated, 0),
        [NotEvaluated, Ok],
        "kept, but of a run that means nothing"
    );
    saturated.counted.end_to_end = histogram(50_000, 150_000);
    assert_eq!(states(&saturated, 0), [Breached, Ok], "missed is missed");
    let mut late = good();
    late.produced.lateness = histogram(50_000, 40_000);
    assert_eq!(states(&late, 0), [Ok, Ok], "kept although late");
    growing(&mut late);
    assert_eq!(states(&late, 0), [NotEvaluated, Ok], "late, and not only late");
    let mut skewed = slow.clone();
    skewed.counted.negative_latencies = 600;
    assert_eq!(states(&skewed, 0), [NotEvaluated, Ok]);
    assert_eq!(states(&Seen::default(), 0), [NotEvaluated, Ok]);
}
