//! Whether the latencies of a run mean anything.
//!
//! The rule, in this order:
//! 1. `ClockSkewed`: more than one end-to-end sample in 1000 is below zero.
//! 2. An open run that sent less than 99.5 % of its schedule (up to the last look at which producers still sent) and was
//!    a second behind or falling back by half a percent of the rate (Mann-Kendall, Theil-Sen): `Saturated` if clients
//!    spent at least 1 % of the sending time waiting for room in their queue, or had every event ready in time, for then
//!    Kafka did not take the rate; `GeneratorBound` otherwise.
//! 3. `Saturated`: the lag was growing towards the end of the sending, so the latencies depend on the length of the run.
//! 4. `Inconclusive`: fewer than 1000 samples, or more than 1 % of the counted events without a sample because their
//!    member died before its last report was read.
//! 5. An open run whose lateness p99 exceeds both 10 ms and a tenth of the end-to-end p99: `Saturated` if the queue was
//!    full as in 2; `GeneratorBound` otherwise. Latencies count from the intended time, so what the producers
//!    are late by is in them: they are upper bounds then.
//! 6. `Valid`. A closed loop (`rate: max`) has service latencies only, and its validity is about these.

use eoslab_api::Validity;
use eoslab_core::LatencyHistogram;

use super::Prior;
use crate::plan::Plan;
use crate::seen::Seen;

/// Smallest share of the schedule that counts as reached.
pub const ACHIEVED_SHARE_MIN: f64 = 0.995;
/// Lateness that no latency is judged by, us.
pub const LATENESS_P99_US_MIN: u64 = 10_000;
/// Fewest samples.
pub const SAMPLES_MIN: u64 = 1000;
/// Largest share of events without a sample.
const MISSING_SHARE_MAX: f64 = 0.01;
/// Largest share of samples below zero.
const NEGATIVE_SHARE_MAX: f64 = 0.001;
/// Share of the sending time in a full queue that makes Kafka the bottleneck.
const QUEUE_FULL_SHARE_MIN: f64 = 0.01;

/// A judgement, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The judgement.
    pub validity: Validity,
    /// Why, in words.
    pub why: String,
    /// All that speaks against the latencies is that the producers were late, which is in them.
    pub is_upper_bound: bool,
}

impl Judged {
    fn new(validity: Validity, why: impl Into<String>) -> Self {
        Self {
            validity,
            why: why.into(),
            is_upper_bound: false,
        }
    }

    /// Whether a limit that these latencies keep is kept.
    pub fn shows_a_kept_limit(&self) -> bool {
        self.validity == Validity::Valid || self.is_upper_bound
    }
}

/// Judges the latencies; `None` while there are none.
pub fn judge(plan: &Plan, prior: &Prior, seen: &Seen) -> Option<Judged> {
    let samples = samples(plan, seen);
    if samples.is_empty() {
        return None;
    }
    let (counted, negative) = (seen.counted.end_to_end.count(), seen.counted.negative_latencies);
    let all = counted + negative;
    if negative as f64 > all as f64 * NEGATIVE_SHARE_MAX {
        let why = format!("{negative} of {all} end-to-end samples are below zero");
        return Some(Judged::new(Validity::ClockSkewed, why));
    }
    if let Some(why) = unsent(plan, prior, seen) {
        return Some(missed(plan, seen, &why));
    }
    if let Some(growth) = lag_growth(seen) {
        let why = format!("the lag grew by {growth:.0} events/s while events were sent");
        return Some(Judged::new(Validity::Saturated, why));
    }
    if let Some(why) = too_few(plan, seen, samples) {
        return Some(Judged::new(Validity::Inconclusive, why));
    }
    if let Some(why) = late(plan, seen) {
        let judged = missed(plan, seen, &why);
        return Some(Judged {
            is_upper_bound: judged.validity == Validity::GeneratorBound,
            ..judged
        });
    }
    Some(match plan.rate() {
        None => Judged::new(Validity::Valid, "rate max is a closed loop: service latencies only"),
        Some(_) => Judged::new(Validity::Valid, "the schedule was kept"),
    })
}

/// Whose fault a missed schedule is.
fn missed(plan: &Plan, seen: &Seen, why: &str) -> Judged {
    let (validity, because) = match refused_by_kafka(plan, seen) {
        Some(how) => (Validity::Saturated, how),
        None => (Validity::GeneratorBound, "the client's queue had room"),
    };
    Judged::new(validity, format!("{why}, and {because}"))
}

/// The samples that the run is about: end to end, or in a closed loop the service latencies.
fn samples<'a>(plan: &Plan, seen: &'a Seen) -> &'a LatencyHistogram {
    match plan.rate() {
        Some(_) => &seen.counted.end_to_end,
        None => &seen.produced.service,
    }
}

/// How much of the schedule was not sent in time, if too much.
pub fn unsent(plan: &Plan, prior: &Prior, seen: &Seen) -> Option<String> {
    let target = plan.rate()?;
    // After a restart of the operator past the sending, the status has the average.
    let share = match seen.achieved {
        Some(achieved) => achieved.share.filter(|_| achieved.is_behind),
        None if prior.draining_since_us.is_some() => Some(prior.sent_rate as f64 / target as f64),
        None => None,
    };
    let share = share.filter(|share| *share < ACHIEVED_SHARE_MIN)?;
    Some(format!("only {:.1} % of the schedule was sent in time", share * 100.0))
}

/// How late events were sent, if too late.
pub fn late(plan: &Plan, seen: &Seen) -> Option<String> {
    plan.rate()?;
    let lateness = seen.produced.lateness.quantile(0.99);
    is_late(seen).then(|| format!("one send in 100 was later than {} ms", lateness / 1000))
}

fn is_late(seen: &Seen) -> bool {
    let end_to_end = seen.counted.end_to_end.quantile(0.99);
    seen.produced.lateness.quantile(0.99) > LATENESS_P99_US_MIN.max(end_to_end / 10)
}

/// How it shows that a schedule was missed by Kafka and not by the producers; `None` if it was they.
pub fn refused_by_kafka(plan: &Plan, seen: &Seen) -> Option<&'static str> {
    let target = plan.rate()?;
    // All clients together send for this long, whatever their number.
    let clients = f64::from(plan.producers() * plan.valid.spec.producer.clients_per_pod);
    let sending_us = seen.produced.sent as f64 * 1e6 / target as f64 * clients;
    if seen.produced.queue_full_us as f64 >= sending_us * QUEUE_FULL_SHARE_MIN {
        return Some("the client's queue was full");
    }
    let has_lateness = !seen.produced.lateness.is_empty();
    (has_lateness && !is_late(seen)).then_some("the rest was ready in time and waited for acknowledgements")
}

/// By how many events a second the lag grew, if it did.
pub fn lag_growth(seen: &Seen) -> Option<f64> {
    let growth = seen.achieved?.lag_growth;
    (growth > 0.0).then_some(growth)
}

fn too_few(plan: &Plan, seen: &Seen, samples: &LatencyHistogram) -> Option<String> {
    let count = samples.count();
    if count < SAMPLES_MIN {
        return Some(format!("only {count} samples, {SAMPLES_MIN} are needed"));
    }
    let expected = expected_samples(plan, seen)?;
    let missing = expected.saturating_sub(count + seen.counted.negative_latencies);
    (missing as f64 > expected as f64 * MISSING_SHARE_MAX).then(|| {
        format!(
            "{missing} of {expected} measured events have no sample: their member died before its last report was read"
        )
    })
}

/// Events counted so far whose intended time is past the warm-up, roughly: the schedule is absolute.
fn expected_samples(plan: &Plan, seen: &Seen) -> Option<u64> {
    let warmup = plan.rate()? as f64 * plan.warmup_us() as f64 / 1e6;
    Some(seen.counted_events()?.saturating_sub(warmup.ceil() as u64))
}
