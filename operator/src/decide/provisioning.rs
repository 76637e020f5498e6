//! `Provisioning`: the topic, Redis, the pods, and the start.

use eoslab_api::{Phase, Verdict};

use super::{Decision, Look, MembersTodo, START_DELAY_US, Schedule, Todo, TopicTodo, describe};
use crate::seen::StoreState;
use crate::seen::slots::Stuck;
use crate::seen::topic::{Cause, TopicState};

pub(super) fn next(look: &Look) -> Decision {
    if let Some(decision) = topic(look).or_else(|| store(look)) {
        return decision;
    }
    if let Some(stuck) = failed_slot(look) {
        return stuck;
    }
    let (producers, counters) = (look.plan.producers(), look.plan.counters());
    let todo = Todo {
        members: MembersTodo::Run { producers, counters },
        leaves_traces: true,
        ..Todo::default()
    };
    if !look.seen.producers.is_complete(producers) || !look.seen.counters.is_complete(counters) {
        return wait_for_pods(look).doing(todo);
    }
    if look.plan.valid.spec.suspend {
        let message = "every pod is ready; spec.suspend is set, set it to false to start";
        let mut held = Decision::new(look.prior, Phase::Provisioning, "Suspended", message).doing(todo);
        held.provisioning_since_us = Some(look.now_us);
        return held;
    }
    start(look, todo)
}

fn start(look: &Look, todo: Todo) -> Decision {
    let schedule = Schedule::from(look.plan, look.now_us + START_DELAY_US);
    let message = "every pod is ready; events are sent, latencies are not recorded yet";
    let mut decision = Decision::new(look.prior, Phase::Warmup, "Started", message).doing(todo);
    // The Leases get it in the next step, once it is in the status.
    decision.measure_us = Some(schedule.measure_us);
    decision
}

/// What is to be done about the topic, if anything.
fn topic(look: &Look) -> Option<Decision> {
    let wanted = look.plan.topic();
    match &look.seen.topic {
        TopicState::NotLooked => Some(wait(
            look,
            &Cause::new("WaitingForKafka", "the topic was not looked at yet"),
        )),
        TopicState::Unknown(cause) => Some(wait(look, cause)),
        TopicState::Unusable(cause) => Some(Decision::stall(look.prior, cause.reason, cause.message.clone())),
        TopicState::Missing { brokers } => Some(match wanted.too_few_brokers(*brokers) {
            Some(cause) => wait(look, &cause),
            None => make_topic(look),
        }),
        TopicState::Exists(facts) => match wanted.mismatch(facts) {
            Some(cause) => Some(Decision::stall(look.prior, cause.reason, cause.message)),
            None if facts.leaderless > 0 => Some(wait(
                look,
                &Cause::new(
                    "TopicNotReady",
                    format!(
                        "spec.topic.name: {} partitions of topic {} have no leader; start the brokers",
                        facts.leaderless, wanted.name
                    ),
                ),
            )),
            None => None,
        },
    }
}

fn make_topic(look: &Look) -> Decision {
    let name = &look.plan.valid.topic;
    // The intent first, or a restart in between would leave a topic that nobody deletes.
    let topic = match look.prior.is_topic_ours {
        false => TopicTodo::Claim,
        true => TopicTodo::Create,
    };
    let todo = Todo {
        topic,
        leaves_traces: true,
        ..Todo::default()
    };
    // An earlier attempt may have been refused.
    if let Some(cause) = &look.seen.blind {
        return wait(look, cause).or_doing(todo);
    }
    let cause = Cause::new("CreatingTopic", format!("making topic {name}"));
    let mut decision = wait(look, &cause).or_doing(todo);
    decision.needs_help = false;
    decision
}

fn store(look: &Look) -> Option<Decision> {
    match &look.seen.store {
        StoreState::Ready => None,
        StoreState::Unready(cause) => Some(wait(look, cause)),
        StoreState::NotLooked => Some(wait(
            look,
            &Cause::new("WaitingForRedis", "Redis was not looked at yet"),
        )),
    }
}

/// Waits for something outside, for so long.
fn wait(look: &Look, cause: &Cause) -> Decision {
    if timed_out(look) {
        let seconds = look.plan.valid.spec.limits.provisioning_timeout_seconds;
        let message = format!("{} (given up after {seconds} s)", cause.message);
        return Decision::stall(look.prior, cause.reason, message);
    }
    Decision::new(look.prior, Phase::Provisioning, cause.reason, cause.message.clone()).needing_help()
}

/// A slot whose pod has failed, rather than not started yet, for the slot timeout.
fn failed_slot(look: &Look) -> Option<Decision> {
    let limit_us = i64::from(look.plan.valid.spec.limits.slot_timeout_seconds) * 1_000_000;
    stuck_slots(look)
        .into_iter()
        .filter(|(_, stuck)| stuck.trouble.is_failure)
        .find(|(_, stuck)| stuck.for_us >= limit_us || timed_out(look))
        .map(|(role, stuck)| {
            let reason = stuck.trouble.reason.clone();
            Decision::finish(look.prior, Verdict::Error, reason, describe(role, &stuck))
        })
}

fn stuck_slots(look: &Look) -> Vec<(&'static str, Stuck)> {
    let nobody = std::collections::BTreeSet::new();
    let (plan, seen) = (look.plan, look.seen);
    let producer = seen.producers.stuck(plan.producers(), &nobody, look.now_us);
    let counter = seen.counters.stuck(plan.counters(), &nobody, look.now_us);
    [("producer", producer), ("counter", counter)]
        .into_iter()
        .filter_map(|(role, stuck)| Some((role, stuck?)))
        .collect()
}

fn wait_for_pods(look: &Look) -> Decision {
    let (plan, seen) = (look.plan, look.seen);
    let stuck = stuck_slots(look);
    let detail = stuck.first().map_or_else(String::new, |(role, stuck)| {
        format!("; {role} {}: {}", stuck.slot, stuck.trouble.reason)
    });
    let message = format!(
        "{} of {} producers and {} of {} counters are ready{detail}",
        seen.producers.ready(),
        plan.producers(),
        seen.counters.ready(),
        plan.counters()
    );
    if timed_out(look) {
        let (reason, message) = match stuck.into_iter().next() {
            Some((role, stuck)) => (stuck.trouble.reason.clone(), describe(role, &stuck)),
            None => ("PodsNotReady".to_owned(), message),
        };
        return Decision::finish(look.prior, Verdict::Error, reason, message);
    }
    Decision::new(look.prior, Phase::Provisioning, "WaitingForPods", message)
}

fn timed_out(look: &Look) -> bool {
    let limit_us = i64::from(look.plan.valid.spec.limits.provisioning_timeout_seconds) * 1_000_000;
    let since = look.prior.provisioning_since_us.unwrap_or(look.now_us);
    look.now_us - since >= limit_us
}
