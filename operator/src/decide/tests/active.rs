//! `Warmup` and `Running`: the start, the end of the sending, and what ends a run early.

use super::*;

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
fn a_stop_ends_the_sending_and_what_was_sent_is_judged() {
    let stopped = of(|loadtest| loadtest.spec.stop = true);
    let done = |slots: &[u32]| seen_with(|seen| seen.done = slots.iter().copied().collect());
    for phase in [Phase::Warmup, Phase::Running] {
        // Some tell of their end before others do, and all stay until every report is final.
        for slots in [&[][..], &[0]] {
            let decision = next(&stopped, &started(phase, 5), &done(slots), NOW);
            let after = (decision.phase, decision.reason.as_str(), decision.todo.stop_producers);
            assert_eq!(after, (phase, "Stopping", true), "{slots:?}");
        }
        let decision = next(&stopped, &started(phase, 5), &done(&[0, 1]), NOW);
        let after = (decision.phase, decision.reason.as_str(), decision.todo.seal_producers);
        assert_eq!(after, (Phase::Draining, STOPPED, true), "{phase}");
    }
    assert!(!decide(&started(Phase::Running, 30), &seen()).todo.stop_producers);
    for prior in [
        prior(Phase::Pending),
        prior(Phase::Provisioning),
        started(Phase::Warmup, -2),
    ] {
        let decision = next(&stopped, &prior, &seen(), NOW);
        let after = (verdict(&decision), decision.reason.as_str());
        assert_eq!(
            after,
            (Some(Verdict::Aborted), STOPPED),
            "{}: nothing was sent",
            prior.phase
        );
    }
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
