//! The phases as tables: every transition, every time limit, and that a restarted operator decides the same.

use std::collections::BTreeSet;

use eoslab_api::{LoadTest, Phase, Verdict};
use eoslab_core::Tally;
use eoslab_core::report::VerifyReport;
use eoslab_counter::ledger::LedgerEntry;
use eoslab_runtime::slot::Holder;

use super::*;
use crate::fixtures::{loadtest, plan, plan_of};
use crate::seen::log::LogRange;
use crate::seen::pods::{PodView, Trouble};
use crate::seen::slots::{Group, SlotView};
use crate::seen::topic::{Cause, TopicFacts, TopicState};
use crate::seen::verify::{JobView, VerifyState};
use crate::seen::{StoreState, Stream};

const S: i64 = 1_000_000;
/// Now, in every case.
const NOW: i64 = 1000 * S;

fn prior(phase: Phase) -> Prior {
    Prior {
        phase,
        provisioning_since_us: Some(NOW - 20 * S),
        ..Prior::default()
    }
}

/// A run whose first event was due `seconds` ago.
fn started(phase: Phase, seconds: i64) -> Prior {
    Prior {
        measure_us: Some(NOW - seconds * S + 10 * S),
        draining_since_us: (phase >= Phase::Draining).then_some(NOW - 5 * S),
        is_topic_ours: true,
        ..prior(phase)
    }
}

fn group(ready: &[bool], trouble: Option<(&str, bool)>) -> Group {
    let pod = |index: usize, is_ready: bool| PodView {
        name: format!("pod-{index}"),
        uid: format!("u{index}"),
        is_ready,
        ready_since_us: Some(NOW - 150 * S),
        trouble: trouble.filter(|_| !is_ready).map(|(reason, is_failure)| Trouble {
            reason: reason.to_owned(),
            message: "why".to_owned(),
            is_failure,
        }),
        ..PodView::default()
    };
    let slot = |index: usize| SlotView {
        index: index as u32,
        holder: Some(Holder {
            pod_name: format!("pod-{index}"),
            pod_uid: format!("u{index}"),
        }),
        renewed_us: Some(NOW - 150 * S),
        schedule: Some((1, 2)),
        ..SlotView::default()
    };
    Group {
        deployment: None,
        slots: (0..ready.len()).map(slot).collect(),
        pods: ready
            .iter()
            .enumerate()
            .map(|(index, ready)| pod(index, *ready))
            .collect(),
    }
}

fn seen() -> Seen {
    Seen {
        topic: TopicState::Exists(TopicFacts {
            partitions: 4,
            replication_factor: 3,
            ..TopicFacts::default()
        }),
        store: StoreState::Ready,
        stream: Some(Stream {
            digest: 7,
            counts: Some(vec![15_000; 4]),
        }),
        producers: group(&[true, true], None),
        counters: group(&[true, true], None),
        ..Seen::default()
    }
}

fn seen_with(change: impl FnOnce(&mut Seen)) -> Seen {
    let mut seen = seen();
    change(&mut seen);
    seen
}

fn decide(prior: &Prior, seen: &Seen) -> Decision {
    next(&plan(), prior, seen, NOW)
}

fn of(change: impl FnOnce(&mut LoadTest)) -> Plan {
    let mut loadtest = loadtest();
    change(&mut loadtest);
    plan_of(&loadtest)
}

fn verdict(decision: &Decision) -> Option<Verdict> {
    decision.outcome.as_ref().map(|outcome| outcome.verdict)
}

fn cause(reason: &'static str) -> Cause {
    Cause::new(reason, format!("spec.field: {reason}; fix"))
}

fn ledger(seqs: &[i64]) -> Vec<LedgerEntry> {
    let entry = |(partition, seq): (usize, &i64)| LedgerEntry {
        seq: *seq,
        offset: *seq,
        tally: Tally {
            count: (*seq + 1) as u64,
            ..Tally::default()
        },
        ..LedgerEntry::empty(partition as u32)
    };
    seqs.iter().enumerate().map(entry).collect()
}

fn log(ends: &[i64]) -> Vec<LogRange> {
    ends.iter().map(|end| LogRange { begin: 0, end: *end }).collect()
}

#[test]
fn pending_waits_for_a_rival_and_for_leave_to_start() {
    let start = decide(&prior(Phase::Pending), &Seen::default());
    assert_eq!(
        (start.phase, start.provisioning_since_us),
        (Phase::Provisioning, Some(NOW))
    );
    assert!(!start.todo.leaves_traces, "nothing is made in this step");

    let rival = Seen {
        rival: Some("lab/other".to_owned()),
        ..Seen::default()
    };
    let waiting = decide(&prior(Phase::Pending), &rival);
    assert_eq!((waiting.phase, waiting.reason.as_str()), (Phase::Pending, "TopicInUse"));
    assert!(waiting.message.contains("lab/other"));

    let suspended = of(|loadtest| loadtest.spec.suspend = true);
    let held = next(&suspended, &prior(Phase::Pending), &Seen::default(), NOW);
    assert_eq!((held.phase, held.reason.as_str()), (Phase::Pending, "Suspended"));
}

#[test]
fn a_refused_spec_is_the_end() {
    let refused = refuse(&prior(Phase::Pending), "spec.producer.rate: wrong; fix");
    let outcome = refused.outcome.expect("the end");
    assert!(outcome.is_stalled && !outcome.is_accepted);
    assert_eq!((refused.phase, outcome.verdict), (Phase::Finished, Verdict::Error));
    assert_eq!(refused.todo, Todo::default(), "there is nothing to stop");
}

#[test]
fn abort_ends_a_run_in_every_phase() {
    let aborted = of(|loadtest| loadtest.spec.abort = true);
    for phase in [
        Phase::Pending,
        Phase::Provisioning,
        Phase::Warmup,
        Phase::Running,
        Phase::Draining,
        Phase::Verifying,
    ] {
        let decision = next(&aborted, &started(phase, 20), &seen(), NOW);
        assert_eq!(verdict(&decision), Some(Verdict::Aborted), "{phase}");
        let stop = MembersTodo::Stop { keep_counters: false };
        assert_eq!(decision.todo.members, stop, "{phase}");
    }
}

#[test]
fn the_topic_is_claimed_before_it_is_made() {
    let missing = seen_with(|seen| seen.topic = TopicState::Missing { brokers: 3 });
    let mut prior = prior(Phase::Provisioning);
    let claim = decide(&prior, &missing);
    assert_eq!(
        (claim.todo.topic, claim.todo.members),
        (TopicTodo::Claim, MembersTodo::Leave)
    );
    assert!(claim.todo.leaves_traces, "a deletion must find out");
    prior.is_topic_ours = true;
    assert_eq!(decide(&prior, &missing).todo.topic, TopicTodo::Create);
}

#[test]
fn provisioning_waits_with_the_cause_and_gives_up_with_it() {
    type Change = fn(&mut Seen);
    let table: [(&str, Change, &str); 6] = [
        (
            "kafka",
            |s| s.topic = TopicState::Unknown(cause("KafkaUnreachable")),
            "KafkaUnreachable",
        ),
        (
            "brokers",
            |s| s.topic = TopicState::Missing { brokers: 1 },
            "TooFewBrokers",
        ),
        (
            "redis",
            |s| s.store = StoreState::Unready(cause("RedisUnreachable")),
            "RedisUnreachable",
        ),
        (
            "secret",
            |s| s.store = StoreState::Unready(cause("RedisSecret")),
            "RedisSecret",
        ),
        (
            "leaders",
            |s| {
                if let TopicState::Exists(facts) = &mut s.topic {
                    facts.leaderless = 1
                }
            },
            "TopicNotReady",
        ),
        (
            "refused topic",
            |s| {
                s.topic = TopicState::Missing { brokers: 3 };
                s.blind = Some(cause("TopicRefused"));
            },
            "TopicRefused",
        ),
    ];
    for (name, change, reason) in table {
        let seen = seen_with(change);
        let mut prior = prior(Phase::Provisioning);
        let waiting = decide(&prior, &seen);
        assert_eq!(
            (waiting.phase, waiting.reason.as_str()),
            (Phase::Provisioning, reason),
            "{name}"
        );
        assert!(waiting.needs_help, "{name}");
        prior.provisioning_since_us = Some(NOW - 180 * S);
        let ended = decide(&prior, &seen);
        let outcome = ended.outcome.expect("given up");
        assert!(outcome.is_stalled && outcome.verdict == Verdict::Error, "{name}");
        assert_eq!(ended.reason, reason, "{name}");
        assert!(ended.message.contains("spec."), "{name}: {}", ended.message);
    }
}

#[test]
fn a_topic_that_does_not_fit_is_the_end_at_once() {
    let wrong = seen_with(|seen| {
        seen.topic = TopicState::Exists(TopicFacts {
            partitions: 6,
            replication_factor: 3,
            ..TopicFacts::default()
        });
    });
    let decision = decide(&prior(Phase::Provisioning), &wrong);
    assert!(decision.outcome.is_some_and(|outcome| outcome.is_stalled));
    assert!(
        decision.message.contains("spec.topic.partitions"),
        "{}",
        decision.message
    );
}

#[test]
fn properties_that_make_no_client_are_the_end_at_once() {
    let unusable = seen_with(|seen| seen.topic = TopicState::Unusable(cause("KafkaUnusable")));
    let decision = decide(&prior(Phase::Provisioning), &unusable);
    assert!(decision.outcome.is_some_and(|outcome| outcome.is_stalled));
    assert_eq!(decision.reason, "KafkaUnusable");
}

#[test]
fn provisioning_ends_when_every_pod_is_ready() {
    let waiting = seen_with(|seen| seen.counters = group(&[true, false], Some(("ContainerCreating", false))));
    let decision = decide(&prior(Phase::Provisioning), &waiting);
    assert_eq!(
        (decision.phase, decision.reason.as_str()),
        (Phase::Provisioning, "WaitingForPods")
    );
    assert!(decision.message.contains("1 of 2 counters"), "{}", decision.message);
    let run = MembersTodo::Run {
        producers: 2,
        counters: 2,
    };
    assert_eq!(decision.todo.members, run);

    let ready = decide(&prior(Phase::Provisioning), &seen());
    assert_eq!(ready.phase, Phase::Warmup);
    assert_eq!(ready.measure_us, Some(NOW + START_DELAY_US + 10 * S));
    assert_eq!(ready.todo.schedule, None, "written down first, told next");

    let suspended = of(|loadtest| loadtest.spec.suspend = true);
    let held = next(&suspended, &prior(Phase::Provisioning), &seen(), NOW);
    assert_eq!((held.phase, held.reason.as_str()), (Phase::Provisioning, "Suspended"));
    assert_eq!(held.provisioning_since_us, Some(NOW), "being held is no delay");
}

#[test]
fn pods_that_fail_end_provisioning_by_the_slot_timeout_and_slow_ones_by_the_provisioning_timeout() {
    let table = [
        ("image", ("ErrImagePull", true), 20, Some("ErrImagePull")),
        ("unschedulable", ("Unschedulable", true), 20, Some("Unschedulable")),
        ("creating", ("ContainerCreating", false), 20, None),
        (
            "creating, too long",
            ("ContainerCreating", false),
            180,
            Some("ContainerCreating"),
        ),
    ];
    for (name, trouble, since_s, reason) in table {
        let seen = seen_with(|seen| seen.producers = group(&[true, false], Some(trouble)));
        let prior = Prior {
            provisioning_since_us: Some(NOW - since_s * S),
            ..prior(Phase::Provisioning)
        };
        let decision = decide(&prior, &seen);
        match reason {
            Some(reason) => {
                assert_eq!(
                    (verdict(&decision), decision.reason.as_str()),
                    (Some(Verdict::Error), reason),
                    "{name}"
                );
                assert!(decision.message.contains("pod-1"), "{name}: {}", decision.message);
            }
            None => assert_eq!(decision.phase, Phase::Provisioning, "{name}"),
        }
    }
}

#[test]
fn warmup_becomes_running_at_the_first_measured_event() {
    for (elapsed_s, phase) in [
        (0, Phase::Warmup),
        (9, Phase::Warmup),
        (10, Phase::Running),
        (30, Phase::Running),
    ] {
        let decision = decide(&started(Phase::Warmup, elapsed_s), &seen());
        assert_eq!(decision.phase, phase, "{elapsed_s} s");
        let schedule = decision.todo.schedule.expect("told to every Lease, also to new ones");
        assert_eq!(schedule.start_us, NOW - elapsed_s * S);
        assert_eq!(schedule.measure_us, schedule.start_us + 10 * S);
    }
    let back = decide(&started(Phase::Running, 5), &seen());
    assert_eq!(back.phase, Phase::Running, "a clock that went back moves no phase");
}

#[test]
fn a_start_that_nobody_was_told_of_is_put_off() {
    let untold = seen_with(|seen| seen.producers.slots.iter_mut().for_each(|slot| slot.schedule = None));
    let late = decide(&started(Phase::Warmup, 30), &untold);
    assert_eq!(
        (late.phase, late.measure_us),
        (Phase::Warmup, Some(NOW + START_DELAY_US + 10 * S))
    );
    let early = decide(&started(Phase::Warmup, -2), &untold);
    assert_eq!(early.measure_us, Some(NOW + 12 * S), "there is time to tell");
    let one_was_told = seen_with(|seen| seen.producers.slots[0].schedule = None);
    assert_eq!(
        decide(&started(Phase::Warmup, 30), &one_was_told).measure_us,
        Some(NOW - 20 * S)
    );
}

#[test]
fn sending_ends_when_every_slot_is_done_or_the_time_is_over() {
    let done = |slots: &[u32]| seen_with(|seen| seen.done = slots.iter().copied().collect());
    assert_eq!(decide(&started(Phase::Running, 30), &done(&[0])).phase, Phase::Running);
    let sent = decide(&started(Phase::Running, 30), &done(&[0, 1]));
    assert_eq!((sent.phase, sent.reason.as_str()), (Phase::Draining, "Sent"));
    assert!(sent.todo.seal_producers, "their reports are final, and the pods go");
    let counters_only = MembersTodo::Run {
        producers: 0,
        counters: 2,
    };
    assert_eq!(sent.todo.members, counters_only);
    assert_eq!(
        decide(&started(Phase::Warmup, 5), &done(&[0, 1])).phase,
        Phase::Draining,
        "a short run"
    );

    let bounded = of(|loadtest| loadtest.spec.limits.max_duration_seconds = Some(60));
    let at = |elapsed_s| next(&bounded, &started(Phase::Running, elapsed_s), &seen(), NOW);
    assert_eq!(at(59).phase, Phase::Running);
    let cut = at(60);
    assert_eq!(
        (cut.phase, cut.reason.as_str(), cut.todo.seal_producers),
        (Phase::Draining, "MaxDuration", false)
    );
}

#[test]
fn a_stuck_slot_ends_a_run_that_sends_or_drains() {
    let timeout_is_over = |seen: &mut Seen| seen.counters = group(&[true, false], Some(("OOMKilled", true)));
    for phase in [Phase::Warmup, Phase::Running, Phase::Draining] {
        let decision = decide(&started(phase, 30), &seen_with(timeout_is_over));
        assert_eq!(
            (verdict(&decision), decision.reason.as_str()),
            (Some(Verdict::Error), "OOMKilled"),
            "{phase}"
        );
        for part in ["counter 1", "150 s", "pod-1", "spec.counter.resources.limits.memory"] {
            assert!(
                decision.message.contains(part),
                "{phase}: {part} in {}",
                decision.message
            );
        }
    }
    let patient = of(|loadtest| loadtest.spec.limits.slot_timeout_seconds = 200);
    let starting = seen_with(|seen| seen.producers = group(&[true, false], Some(("NotReady", false))));
    assert_eq!(
        next(&patient, &started(Phase::Running, 30), &starting, NOW).phase,
        Phase::Running
    );
    let producer_gone = seen_with(|seen| {
        seen.producers = group(&[false, false], Some(("OOMKilled", true)));
        seen.ledger = Some(ledger(&[0; 4]));
    });
    assert_eq!(
        decide(&started(Phase::Draining, 30), &producer_gone).phase,
        Phase::Draining,
        "producers have gone on purpose"
    );
}

#[test]
fn a_run_that_writes_nothing_ends() {
    let at = |minutes: i64| {
        seen_with(|seen| {
            seen.no_progress_us = minutes * 60 * S;
            seen.blind = Some(cause("KafkaUnreachable"));
        })
    };
    let waiting = decide(&started(Phase::Running, 30), &at(9));
    assert_eq!(
        (waiting.phase, waiting.reason.as_str()),
        (Phase::Running, "KafkaUnreachable")
    );
    let ended = decide(&started(Phase::Running, 30), &at(10));
    assert_eq!(
        (verdict(&ended), ended.reason.as_str()),
        (Some(Verdict::Error), "NoProgress")
    );
    assert!(ended.message.contains("KafkaUnreachable"), "{}", ended.message);
}

fn draining(seqs: &[i64], done: &[u32], producers: &[bool]) -> Seen {
    seen_with(|seen| {
        seen.done = done.iter().copied().collect();
        seen.producers = group(producers, None);
        seen.ledger = Some(ledger(seqs));
        seen.log = Some(log(&[15_000; 4]));
    })
}

#[test]
fn draining_ends_when_every_partition_is_counted_to_its_end() {
    let full = [14_999; 4];
    let short = [14_999, 14_999, 14_999, 14_998];
    let late = Prior {
        draining_since_us: Some(NOW - 300 * S),
        ..started(Phase::Draining, 60)
    };
    let on_time = started(Phase::Draining, 60);
    let tail = |mut seen: Seen| {
        seen.tail = Some(vec![9_000; 4]);
        seen
    };
    let table = [
        (
            "all counted",
            &on_time,
            draining(&full, &[0, 1], &[]),
            Phase::Verifying,
            "Drained",
            Some(15_000),
        ),
        (
            "one short",
            &on_time,
            draining(&short, &[0, 1], &[]),
            Phase::Draining,
            "Draining",
            None,
        ),
        (
            "one short, too late",
            &late,
            draining(&short, &[0, 1], &[]),
            Phase::Verifying,
            "DrainTimeout",
            Some(15_000),
        ),
        (
            "cut short, end unknown",
            &on_time,
            draining(&full, &[0], &[]),
            Phase::Draining,
            "Draining",
            None,
        ),
        (
            "cut short, end known",
            &on_time,
            tail(draining(&[8_999; 4], &[0], &[])),
            Phase::Verifying,
            "Drained",
            Some(9_000),
        ),
        (
            "end never known",
            &late,
            draining(&full, &[0], &[]),
            Phase::Finished,
            "LogUnread",
            None,
        ),
    ];
    for (name, prior, seen, phase, reason, count) in table {
        let decision = decide(prior, &seen);
        assert_eq!(
            (decision.phase, decision.reason.as_str()),
            (phase, reason),
            "{name}: {decision:?}"
        );
        let verified = decision.todo.verify.as_ref().map(|counts| counts[0]);
        assert_eq!(verified, count, "{name}");
    }
    let ended = decide(&late, &draining(&full, &[0], &[]));
    assert_eq!(verdict(&ended), Some(Verdict::Inconclusive));
}

#[test]
fn a_log_that_has_no_more_is_drained_though_events_are_missing() {
    let mut seen = draining(&[14_999, 14_999, 14_999, 14_990], &[0, 1], &[]);
    seen.log = Some(log(&[15_000, 15_000, 15_000, 14_991]));
    assert_eq!(
        decide(&started(Phase::Draining, 60), &seen).phase,
        Phase::Verifying,
        "the verdict will say so"
    );
    seen.producers = group(&[true], None);
    let waiting = decide(&started(Phase::Draining, 60), &seen);
    assert_eq!(waiting.phase, Phase::Draining, "somebody may still write");
}

fn job(age_s: i64) -> JobView {
    JobView {
        created_us: NOW - age_s * S,
        counts: vec![15_000; 4],
    }
}

fn result() -> VerifyReport {
    let tally = Tally {
        count: 60_000,
        sum: 1,
        digest: 1,
    };
    VerifyReport {
        run_id: "uid-1".to_owned(),
        layout_digest: 7,
        expected: tally,
        counted: tally,
        accounts_compared: 1000,
        ..VerifyReport::default()
    }
}

fn verifying(verify: VerifyState) -> Seen {
    let mut seen = draining(&[14_999; 4], &[0, 1], &[]);
    seen.verify = verify;
    seen
}

#[test]
fn verifying_makes_the_job_and_ends_with_its_result() {
    let prior = started(Phase::Verifying, 60);
    let missing = decide(&prior, &verifying(VerifyState::Missing));
    assert_eq!(
        (missing.phase, missing.todo.verify),
        (Phase::Verifying, Some(vec![15_000; 4]))
    );

    let working = VerifyState::Working {
        job: job(5),
        trouble: None,
    };
    let waiting = decide(&prior, &verifying(working));
    assert_eq!((waiting.phase, waiting.todo.seal_counters), (Phase::Verifying, true));

    let done = VerifyState::Done {
        job: job(5),
        report: Box::new(result()),
    };
    let passed = decide(&prior, &verifying(done));
    assert_eq!(
        (passed.phase, verdict(&passed)),
        (Phase::Finished, Some(Verdict::Pass)),
        "{passed:?}"
    );
    assert_eq!(passed.todo.members, MembersTodo::Stop { keep_counters: false });
    let keeping = of(|loadtest| loadtest.spec.counter.keep_running = true);
    let done = VerifyState::Done {
        job: job(5),
        report: Box::new(result()),
    };
    let kept = next(&keeping, &prior, &verifying(done), NOW);
    assert_eq!(kept.todo.members, MembersTodo::Stop { keep_counters: true });
}

#[test]
fn a_verification_that_does_not_end_is_inconclusive() {
    let trouble = |reason: &str, is_failure| Trouble {
        reason: reason.to_owned(),
        message: "why".to_owned(),
        is_failure,
    };
    let working = |age_s, trouble| VerifyState::Working {
        job: job(age_s),
        trouble,
    };
    let table = [
        ("too long", working(1800, None), Some("VerifyTimeout")),
        (
            "cannot run, a while",
            working(119, Some(trouble("Unschedulable", true))),
            None,
        ),
        (
            "cannot run",
            working(120, Some(trouble("Unschedulable", true))),
            Some("Unschedulable"),
        ),
        (
            "starts slowly",
            working(120, Some(trouble("ContainerCreating", false))),
            None,
        ),
        (
            "failed",
            VerifyState::Failed {
                job: job(9),
                trouble: trouble("OOMKilled", true),
            },
            Some("OOMKilled"),
        ),
    ];
    for (name, state, reason) in table {
        let decision = decide(&started(Phase::Verifying, 60), &verifying(state));
        let expected = reason.map(|_| Verdict::Inconclusive);
        assert_eq!(verdict(&decision), expected, "{name}: {decision:?}");
        assert_eq!(reason.unwrap_or("Verifying"), decision.reason, "{name}");
    }
}

#[test]
fn a_result_waits_for_the_log_but_not_for_ever() {
    let blind = |age_s| {
        let mut seen = verifying(VerifyState::Done {
            job: job(age_s),
            report: Box::new(result()),
        });
        seen.log = None;
        seen
    };
    assert_eq!(
        decide(&started(Phase::Verifying, 60), &blind(30)).phase,
        Phase::Verifying
    );
    let ended = decide(&started(Phase::Verifying, 60), &blind(1800));
    assert_eq!(
        (verdict(&ended), ended.reason.as_str()),
        (Some(Verdict::Inconclusive), "LogUnread")
    );
}

#[test]
fn a_run_cut_short_is_no_pass() {
    let mut seen = verifying(VerifyState::Done {
        job: job(5),
        report: Box::new(result()),
    });
    seen.done = BTreeSet::from([0]);
    let decision = decide(&started(Phase::Verifying, 60), &seen);
    assert_eq!(
        (verdict(&decision), decision.reason.as_str()),
        (Some(Verdict::Inconclusive), "CutShort")
    );
}

/// All that a restarted operator has is the status: read back, it leads to the same decision.
#[test]
fn the_status_carries_everything_that_a_decision_needs() {
    for (phase, seen) in [
        (Phase::Provisioning, seen()),
        (Phase::Warmup, seen()),
        (Phase::Running, seen_with(|seen| seen.done = BTreeSet::from([0, 1]))),
        (Phase::Draining, draining(&[14_999; 4], &[0, 1], &[])),
        (Phase::Verifying, verifying(VerifyState::Missing)),
    ] {
        let prior = match phase {
            Phase::Provisioning => prior(phase),
            _ => started(phase, 30),
        };
        let decision = decide(&prior, &seen);
        let plan = plan();
        let facts = crate::status::Facts {
            before: &LoadTestStatus::default(),
            prior: &prior,
            plan: Some(&plan),
            seen: &seen,
            decision: &decision,
            generation: Some(1),
            now_us: NOW,
        };
        let written = serde_json::to_string(&crate::status::compose(&facts)).expect("a status");
        let read = Prior::new(&serde_json::from_str(&written).expect("a status"));
        assert_eq!(read.phase, decision.phase);
        assert_eq!(read.measure_us, decision.measure_us, "{phase}");
        assert_eq!(read.provisioning_since_us, decision.provisioning_since_us, "{phase}");
        assert_eq!(read.is_topic_ours, prior.is_topic_ours, "{phase}");
        let again = next(&plan, &read, &seen, NOW);
        assert!(again.phase >= decision.phase, "{phase}: {again:?}");
    }
}
