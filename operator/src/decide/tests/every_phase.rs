//! What holds in every phase: a run can be aborted, and its status is all that an operator has to remember.

use std::collections::BTreeSet;

use super::*;

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

/// The status after a step.
fn written(before: &LoadTestStatus, prior: &Prior, plan: &Plan, seen: &Seen, decision: &Decision) -> LoadTestStatus {
    crate::status::compose(&crate::status::Facts {
        before,
        prior,
        plan: Some(plan),
        seen,
        decision,
        generation: Some(1),
        now_us: NOW,
    })
}

/// Why the sending ended is known from the status, once it is written there.
#[test]
fn a_stop_is_remembered_from_where_the_sending_ended() {
    for (reason, is_stopped) in [(STOPPED, true), ("Sent", false), ("MaxDuration", false)] {
        let mut status = LoadTestStatus::default();
        let mut prior = started(Phase::Running, 30);
        for phase in [Phase::Draining, Phase::Verifying] {
            let decision = Decision::new(&prior, phase, reason, "");
            let (plan, seen) = (of(|loadtest| loadtest.spec.stop = true), seen());
            let after = written(&status, &prior, &plan, &seen, &decision);
            (prior, status) = (Prior::new(&after), after);
            assert_eq!(prior.is_stopped, is_stopped, "{reason} {phase}");
        }
    }
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
        let status = written(&LoadTestStatus::default(), &prior, &plan, &seen, &decision);
        let written = serde_json::to_string(&status).expect("a status");
        let read = Prior::new(&serde_json::from_str(&written).expect("a status"));
        assert_eq!(read.phase, decision.phase);
        assert_eq!(read.measure_us, decision.measure_us, "{phase}");
        assert_eq!(read.provisioning_since_us, decision.provisioning_since_us, "{phase}");
        assert_eq!(read.is_topic_ours, prior.is_topic_ours, "{phase}");
        let again = next(&plan, &read, &seen, NOW);
        assert!(again.phase >= decision.phase, "{phase}: {again:?}");
    }
}
