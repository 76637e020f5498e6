//! `Draining` and `Verifying`: the counters finish, then every account is compared.

use eoslab_api::{Phase, Verdict};

use super::{Decision, Look, MembersTodo, Outcome, Todo, verdict};
use crate::seen::log;
use crate::seen::pods::Trouble;
use crate::seen::verify::{JobView, VerifyState};

/// The counters did not count the rest in time.
pub const DRAIN_TIMEOUT: &str = "DrainTimeout";
/// Counters that are told to stop may take this long, us; one on a node that is gone never does.
const STOP_PATIENCE_US: i64 = 60_000_000;

pub(super) fn drain(look: &Look) -> Decision {
    let late_us = late_us(look);
    let is_late = late_us >= 0;
    if let Some(stuck) = look.stuck(false).filter(|_| !is_late) {
        return stuck;
    }
    let nobody_sends = look.seen.producers.existing() == 0;
    match (counts(look), undrained(look)) {
        (Some(counts), Some(undrained)) if undrained.is_empty() => verifying(
            look,
            "Drained",
            "every partition is counted to its end; comparing every account",
            counts,
        ),
        (Some(counts), undrained) if is_late => {
            let left = undrained.map_or_else(
                || "the ledger cannot be read".to_owned(),
                |left| format!("{} partitions are not counted to their end", left.len()),
            );
            give_up(look, &left, late_us, counts)
        }
        (None, _) if is_late => {
            let why = look
                .seen
                .blind
                .as_ref()
                .map_or("the end of the log could not be read", |cause| &cause.message);
            let message = format!("how many events there are could not be found out: {why}");
            Decision::finish(look.prior, Verdict::Inconclusive, "LogUnread", message)
        }
        (_, undrained) => {
            let message = waiting(look, undrained, nobody_sends);
            Decision::new(look.prior, Phase::Draining, "Draining", message).doing(todo(look, look.plan.counters()))
        }
    }
}

/// What is still being counted cannot be compared, so the counters go first.
fn give_up(look: &Look, left: &str, late_us: i64, counts: Vec<u64>) -> Decision {
    let left = format!("{left} after spec.limits.drainTimeoutSeconds");
    if look.seen.counters.existing() > 0 && late_us < STOP_PATIENCE_US {
        let message = format!("{left}; the counters are stopped");
        return Decision::new(look.prior, Phase::Draining, DRAIN_TIMEOUT, message).doing(todo(look, 0));
    }
    verifying(look, DRAIN_TIMEOUT, format!("{left}; comparing what there is"), counts)
}

fn waiting(look: &Look, undrained: Option<Vec<u32>>, nobody_sends: bool) -> String {
    match (&look.seen.blind, undrained) {
        (Some(cause), _) => cause.message.clone(),
        (None, _) if !nobody_sends => "waiting for the producers to stop".to_owned(),
        (None, Some(left)) => format!("{} partitions are not counted to their end yet", left.len()),
        (None, None) => "the ledger was not read yet".to_owned(),
    }
}

/// Partitions that are not counted to their end; `None` where the ledger could not be read.
fn undrained(look: &Look) -> Option<Vec<u32>> {
    let nobody_sends = look.seen.producers.existing() == 0;
    let log = look.seen.log.as_deref().filter(|_| nobody_sends);
    let ledger = look.seen.ledger.as_deref()?;
    Some(log::undrained(counts(look).as_deref(), log, ledger))
}

fn todo(look: &Look, counters: u32) -> Todo {
    Todo {
        members: MembersTodo::Run { producers: 0, counters },
        // For counters that join now.
        schedule: look.prior.schedule(look.plan),
        leaves_traces: true,
        ..Todo::default()
    }
}

fn verifying(look: &Look, reason: &str, message: impl Into<String>, counts: Vec<u64>) -> Decision {
    Decision::new(look.prior, Phase::Verifying, reason, message).doing(Todo {
        verify: Some(counts),
        leaves_traces: true,
        ..Todo::default()
    })
}

/// Events of each partition.
fn counts(look: &Look) -> Option<Vec<u64>> {
    let by_number = look.seen.stream.as_ref().and_then(|stream| stream.counts.clone());
    match by_number {
        Some(counts) if look.prior.counts_are_the_streams(look.plan, look.all_producers_done()) => Some(counts),
        _ => look.seen.tail.clone(),
    }
}

/// For how long the counters should be done, us; negative while they have time.
fn late_us(look: &Look) -> i64 {
    let limit_us = i64::from(look.plan.valid.spec.limits.drain_timeout_seconds) * 1_000_000;
    let since_us = look.prior.draining_since_us.unwrap_or(look.now_us);
    look.now_us - since_us - limit_us
}

pub(super) fn verify(look: &Look) -> Decision {
    let waiting = |message: &str| {
        let todo = Todo {
            // Whatever they report from here on is no event of the stream.
            seal_counters: true,
            leaves_traces: true,
            ..Todo::default()
        };
        Decision::new(look.prior, Phase::Verifying, "Verifying", message).doing(todo)
    };
    match &look.seen.verify {
        VerifyState::Missing => match counts(look) {
            Some(counts) => verifying(look, "Verifying", "comparing every account", counts),
            None => waiting("the end of the log was not read yet"),
        },
        VerifyState::Working { job, trouble } => {
            unfinished(look, job, trouble.as_ref()).unwrap_or_else(|| waiting("comparing every account"))
        }
        VerifyState::Failed { trouble, .. } => inconclusive(look, &trouble.reason, trouble.message.clone()),
        VerifyState::Done { job, report } => {
            let evidence = verdict::Evidence::new(look.plan, look.prior, look.seen, job, report);
            if evidence.in_log.is_none() && !is_overdue(look, job) {
                return waiting("every account is compared; the log's ends could not be read yet");
            }
            finish(look, verdict::judge(&evidence))
        }
    }
}

/// The end of a run whose verification does not come to one.
fn unfinished(look: &Look, job: &JobView, trouble: Option<&Trouble>) -> Option<Decision> {
    let limits = &look.plan.valid.spec.limits;
    let age_us = look.now_us - job.created_us;
    let cannot_run = trouble.filter(|trouble| trouble.is_failure);
    match cannot_run {
        Some(trouble) if age_us >= i64::from(limits.slot_timeout_seconds) * 1_000_000 => {
            Some(inconclusive(look, &trouble.reason, trouble.message.clone()))
        }
        _ if is_overdue(look, job) => {
            let message = format!(
                "not done after spec.limits.verifyTimeoutSeconds ({})",
                limits.verify_timeout_seconds
            );
            Some(inconclusive(look, "VerifyTimeout", message))
        }
        _ => None,
    }
}

fn is_overdue(look: &Look, job: &JobView) -> bool {
    let limit_us = i64::from(look.plan.valid.spec.limits.verify_timeout_seconds) * 1_000_000;
    look.now_us - job.created_us >= limit_us
}

fn inconclusive(look: &Look, reason: &str, message: String) -> Decision {
    let message = format!("the totals could not be verified: {message}");
    Decision::finish(look.prior, Verdict::Inconclusive, reason, message)
}

fn finish(look: &Look, judgement: verdict::Judgement) -> Decision {
    let outcome = Outcome {
        verdict: judgement.verdict,
        is_stalled: false,
        is_accepted: true,
    };
    let keep_counters = look.plan.valid.spec.counter.keep_running;
    let todo = Todo {
        members: MembersTodo::Stop { keep_counters },
        seal_counters: true,
        ..Todo::default()
    };
    Decision {
        outcome: Some(outcome),
        todo,
        ..Decision::new(look.prior, Phase::Finished, judgement.reason, judgement.message)
    }
}
