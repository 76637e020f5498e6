//! `Warmup` and `Running`: events are sent.

use eoslab_api::{Phase, Verdict};

use super::{Decision, Look, MembersTodo, NO_PROGRESS_LIMIT_US, START_DELAY_US, STOPPED, Schedule, Todo};

/// A start that the members cannot get to know in time is put off, us.
const START_DELAY_MIN_US: i64 = 500_000;

pub(super) fn next(look: &Look) -> Decision {
    let schedule = schedule(look);
    let mut decision = step(look, schedule);
    if decision.outcome.is_none() {
        decision.measure_us = Some(schedule.measure_us);
    }
    decision
}

fn step(look: &Look, schedule: Schedule) -> Decision {
    if let Some(stuck) = look.stuck(true) {
        return stuck;
    }
    let is_stopping = look.plan.valid.spec.stop;
    if look.all_producers_done() {
        let (reason, message) = match is_stopping {
            true => (STOPPED, "spec.stop was set; the counters count what was sent"),
            false => ("Sent", "every event was sent; the counters count the rest"),
        };
        return drain(look, reason, message, true);
    }
    if is_too_long(look, schedule) {
        let limit_s = look.plan.valid.spec.limits.max_duration_seconds.unwrap_or_default();
        let message = format!("spec.limits.maxDurationSeconds ({limit_s}) is over before every event was sent");
        return drain(look, "MaxDuration", message, false);
    }
    if look.seen.no_progress_us >= NO_PROGRESS_LIMIT_US {
        return no_progress(look);
    }
    let (phase, reason, message) = if look.now_us >= schedule.measure_us {
        (Phase::Running, "Sending", "events are sent and everything is recorded")
    } else {
        let message = "events are sent; latencies are not recorded yet";
        (Phase::Warmup, "Started", message)
    };
    let (reason, message) = match &look.seen.blind {
        Some(cause) => (cause.reason, cause.message.as_str()),
        None if is_stopping => ("Stopping", "spec.stop was set; the producers come to their end"),
        None => (reason, message),
    };
    // A phase never goes back, not even where a clock does.
    let decision = Decision::new(look.prior, phase.max(look.prior.phase), reason, message);
    decision.doing(Todo {
        members: MembersTodo::Run {
            producers: look.plan.producers(),
            counters: look.plan.counters(),
        },
        schedule: Some(schedule),
        stop_producers: is_stopping,
        leaves_traces: true,
        ..Todo::default()
    })
}

/// The schedule of the status. Where the start has passed and no Lease ever got it (the operator died in between), the
/// run starts anew, or the producers would begin with a backlog.
fn schedule(look: &Look) -> Schedule {
    let slots = &look.seen.producers.slots;
    let is_told = slots.iter().any(|slot| slot.schedule.is_some()) || slots.is_empty() || !look.seen.done.is_empty();
    let in_time = |schedule: &Schedule| schedule.start_us >= look.now_us + START_DELAY_MIN_US;
    match look.prior.schedule(look.plan) {
        Some(schedule) if is_told || in_time(&schedule) => schedule,
        _ => Schedule::from(look.plan, look.now_us + START_DELAY_US),
    }
}

fn is_too_long(look: &Look, schedule: Schedule) -> bool {
    let limit = look.plan.valid.spec.limits.max_duration_seconds;
    limit.is_some_and(|limit_s| look.now_us - schedule.start_us >= i64::from(limit_s) * 1_000_000)
}

fn drain(look: &Look, reason: &str, message: impl Into<String>, is_final: bool) -> Decision {
    Decision::new(look.prior, Phase::Draining, reason, message).doing(Todo {
        members: MembersTodo::Run {
            producers: 0,
            counters: look.plan.counters(),
        },
        seal_producers: is_final,
        leaves_traces: true,
        ..Todo::default()
    })
}

fn no_progress(look: &Look) -> Decision {
    let minutes = look.seen.no_progress_us / 60_000_000;
    let why = match &look.seen.blind {
        Some(cause) => cause.message.clone(),
        None => "the producers' logs say why".to_owned(),
    };
    let message = format!("no event was written for {minutes} minutes; {why}");
    Decision::finish(look.prior, Verdict::Error, "NoProgress", message)
}
