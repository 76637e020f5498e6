//! `Draining` and `Verifying`: when everything is counted, and what the verification leads to.

use std::collections::BTreeSet;

use eoslab_core::report::VerifyReport;

use super::*;
use crate::seen::verify::JobView;

#[test]
fn draining_ends_when_every_partition_is_counted_to_its_end() {
    let full = [14_999; 4];
    let short = [14_999, 14_999, 14_999, 14_998];
    let late_by = |seconds: i64| Prior {
        draining_since_us: Some(NOW - (300 + seconds) * S),
        ..started(Phase::Draining, 60)
    };
    let late = late_by(0);
    let on_time = started(Phase::Draining, 60);
    let tail = |mut seen: Seen| {
        seen.tail = Some(vec![9_000; 4]);
        seen
    };
    let stopped = |mut seen: Seen| {
        seen.counters = Group::default();
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
            "one short, too late, and still at work",
            &late,
            draining(&short, &[0, 1], &[]),
            Phase::Draining,
            "DrainTimeout",
            None,
        ),
        (
            "one short, too late, and stopped",
            &late,
            stopped(draining(&short, &[0, 1], &[])),
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
    let late_for = |seconds| decide(&late_by(seconds), &draining(&short, &[0, 1], &[]));
    let stop = MembersTodo::Run {
        producers: 0,
        counters: 0,
    };
    assert_eq!(
        late_for(0).todo.members,
        stop,
        "what is still being counted cannot be compared"
    );
    assert_eq!(late_for(60).phase, Phase::Verifying, "a counter that cannot be stopped");
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
    // A stop that comes later does not make it one.
    let late = of(|loadtest| loadtest.spec.stop = true);
    let decision = next(&late, &started(Phase::Verifying, 60), &seen, NOW);
    assert_eq!(decision.reason, "CutShort");
}

#[test]
fn a_stopped_run_is_judged_by_what_its_log_holds() {
    let stopped = |phase| Prior {
        is_stopped: true,
        ..started(phase, 60)
    };
    let mut sent = draining(&[9_999; 4], &[0, 1], &[]);
    (sent.tail, sent.log) = (Some(vec![10_000; 4]), Some(log(&[10_000; 4])));
    let counts = |prior: &Prior| decide(prior, &sent).todo.verify;
    assert_eq!(counts(&stopped(Phase::Draining)), Some(vec![10_000; 4]));
    assert_eq!(
        counts(&started(Phase::Draining, 60)),
        Some(vec![15_000; 4]),
        "what the stream holds"
    );
    let mut seen = verifying(VerifyState::Done {
        job: job(5),
        report: Box::new(result()),
    });
    seen.done = BTreeSet::from([0, 1]);
    let decision = decide(&stopped(Phase::Verifying), &seen);
    assert_eq!(verdict(&decision), Some(Verdict::Pass), "{}", decision.message);
}
