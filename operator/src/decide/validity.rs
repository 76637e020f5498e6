//! Whether the latencies of a run mean anything.
//!
//! The rule, in this order:
//! 1. `ClockSkewed`: more than one end-to-end sample in 1000 is below zero.
//! 2. An open run that sent less than 99.5 % of its schedule (up to the last look at which producers still sent), or
//!    whose lateness p99 exceeds both 10 ms and a tenth of the end-to-end p99: `Saturated` if producers spent at least
//!    1 % of the sending time waiting for room in the client's queue, for then Kafka did not take the rate;
//!    `GeneratorBound` otherwise.
//! 3. `Saturated`: the lag was growing when the sending ended, so the latencies depend on the length of the run.
//! 4. `Inconclusive`: fewer than 1000 samples, or more than 1 % of the counted events without a sample because their
//!    member died before its last report was read.
//! 5. `Valid`. A closed loop (`rate: max`) has service latencies only, and its validity is about these.

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
}

/// Judges the latencies; `None` while there are none.
pub fn judge(plan: &Plan, prior: &Prior, seen: &Seen) -> Option<Judged> {
    let samples = samples(plan, seen);
    if samples.is_empty() {
        return None;
    }
    let judged = |validity, why: String| Judged { validity, why };
    let (counted, negative) = (seen.counted.end_to_end.count(), seen.counted.negative_latencies);
    let all = counted + negative;
    if negative as f64 > all as f64 * NEGATIVE_SHARE_MAX {
        let why = format!("{negative} of {all} end-to-end samples are below zero");
        return Some(judged(Validity::ClockSkewed, why));
    }
    if let Some(why) = missed_schedule(plan, prior, seen) {
        let (validity, because) = match is_queue_full(plan, seen) {
            true => (Validity::Saturated, "the client's queue was full"),
            false => (Validity::GeneratorBound, "the client's queue had room"),
        };
        return Some(judged(validity, format!("{why}, and {because}")));
    }
    if seen.achieved.is_some_and(|achieved| achieved.is_lag_growing) {
        let why = "the lag was growing to the end of the sending".to_owned();
        return Some(judged(Validity::Saturated, why));
    }
    Some(match too_few(plan, seen, samples) {
        Some(why) => judged(Validity::Inconclusive, why),
        None if plan.rate().is_none() => judged(
            Validity::Valid,
            "rate max is a closed loop: service latencies only".to_owned(),
        ),
        None => judged(Validity::Valid, "the schedule was kept".to_owned()),
    })
}

/// The samples that the run is about: end to end, or in a closed loop the service latencies.
fn samples<'a>(plan: &Plan, seen: &'a Seen) -> &'a LatencyHistogram {
    match plan.rate() {
        Some(_) => &seen.counted.end_to_end,
        None => &seen.produced.service,
    }
}

fn missed_schedule(plan: &Plan, prior: &Prior, seen: &Seen) -> Option<String> {
    let target = plan.rate()?;
    // After a restart of the operator past the sending, the status has the average.
    let share = match seen.achieved {
        Some(achieved) => achieved.share,
        None if prior.draining_since_us.is_some() => Some(prior.sent_rate as f64 / target as f64),
        None => None,
    };
    if let Some(share) = share.filter(|share| *share < ACHIEVED_SHARE_MIN) {
        return Some(format!("only {:.1} % of the schedule was sent in time", share * 100.0));
    }
    let lateness = seen.produced.lateness.quantile(0.99);
    let end_to_end = seen.counted.end_to_end.quantile(0.99);
    (lateness > LATENESS_P99_US_MIN.max(end_to_end / 10))
        .then(|| format!("one send in 100 was later than {} ms", lateness / 1000))
}

fn is_queue_full(plan: &Plan, seen: &Seen) -> bool {
    let Some(target) = plan.rate() else { return false };
    // All producers together send for this long, whatever their number.
    let sending_us = seen.produced.sent as f64 * 1e6 / target as f64 * f64::from(plan.producers());
    seen.produced.queue_full_us as f64 >= sending_us * QUEUE_FULL_SHARE_MIN
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
