//! The verdict as tables: what must fail fails, each for its own reason.

use eoslab_core::Tally;

use super::*;

fn tally(count: u64, digest: u64) -> Tally {
    Tally {
        count,
        sum: count as i64 * 5,
        digest,
    }
}

fn exact() -> VerifyReport {
    VerifyReport {
        layout_digest: 7,
        expected: tally(1000, 9),
        counted: tally(1000, 9),
        accounts_compared: 50,
        ..VerifyReport::default()
    }
}

fn evidence(verify: &VerifyReport) -> Evidence<'_> {
    Evidence {
        mode: Mode::ExactlyOnce,
        wanted: Some(1000),
        is_complete: true,
        is_stopped: false,
        expected: 1000,
        verify,
        in_log: Some(1000),
        waiting: 0,
        acked: 990,
        acked_beyond: Vec::new(),
        failed: 0,
        holes: 0,
        malformed: 0,
        layouts: BTreeSet::from([7]),
        slo: Vec::new(),
        validity: None,
    }
}

fn slo(state: SloState) -> SloResult {
    SloResult {
        name: "endToEndP99Ms".to_owned(),
        limit: 100,
        observed: Some(150),
        state,
    }
}

fn stop(evidence: &mut Evidence) {
    evidence.wanted = Some(2000);
    evidence.is_complete = false;
    evidence.is_stopped = true;
}

#[test]
fn a_run_without_an_event_proves_nothing() {
    let verify = VerifyReport {
        layout_digest: 7,
        ..VerifyReport::default()
    };
    let mut empty = evidence(&verify);
    stop(&mut empty);
    (empty.expected, empty.in_log, empty.acked) = (0, Some(0), 0);
    let judgement = judge(&empty);
    assert_eq!(
        (judgement.verdict, judgement.reason),
        (Verdict::Inconclusive, "NothingSent"),
        "{judgement:?}"
    );
}

#[test]
fn a_pass_needs_every_witness() {
    type Change = fn(&mut Evidence);
    let table: [(&str, Change, Verdict, &str); 17] = [
        ("all agree", |_| {}, Verdict::Pass, "Exact"),
        (
            "fewer acks are known than there were",
            |e| e.acked = 0,
            Verdict::Pass,
            "Exact",
        ),
        ("foreign records", |e| e.malformed = 3, Verdict::Pass, "Exact"),
        (
            "objective met",
            |e| e.slo = vec![slo(SloState::Ok)],
            Verdict::Pass,
            "Exact",
        ),
        (
            "objective missed",
            |e| e.slo = vec![slo(SloState::Breached)],
            Verdict::Fail,
            "SloBreached",
        ),
        (
            "objective not judged",
            |e| e.slo = vec![slo(SloState::NotEvaluated)],
            Verdict::Inconclusive,
            "SloNotJudged",
        ),
        (
            "another layout",
            |e| {
                e.layouts.insert(8);
            },
            Verdict::Fail,
            "LayoutMismatch",
        ),
        ("holes", |e| e.holes = 1, Verdict::Fail, "HolesInLog"),
        ("log short", |e| e.in_log = Some(999), Verdict::Fail, "LogMismatch"),
        ("log long", |e| e.in_log = Some(1001), Verdict::Fail, "LogMismatch"),
        ("log unread", |e| e.in_log = None, Verdict::Inconclusive, "LogUnread"),
        (
            "more acknowledged than written",
            |e| e.acked = 1001,
            Verdict::Fail,
            "AckedEventsLost",
        ),
        (
            "the tail was acknowledged and is gone",
            |e| e.acked_beyond = vec![3],
            Verdict::Fail,
            "AckedEventsLost",
        ),
        (
            "cut by time",
            |e| {
                e.wanted = None;
                e.is_complete = false;
            },
            Verdict::Inconclusive,
            "CutShort",
        ),
        (
            "cut by number",
            |e| e.wanted = Some(2000),
            Verdict::Inconclusive,
            "CutShort",
        ),
        ("cut by the user", stop, Verdict::Pass, "Exact"),
        (
            "cut by the user, and the log is short",
            |e| {
                stop(e);
                e.in_log = Some(999);
            },
            Verdict::Fail,
            "LogMismatch",
        ),
    ];
    let verify = exact();
    for (name, change, verdict, reason) in table {
        let mut evidence = evidence(&verify);
        change(&mut evidence);
        let judgement = judge(&evidence);
        assert_eq!(
            (judgement.verdict, judgement.reason),
            (verdict, reason),
            "{name}: {judgement:?}"
        );
    }
}

#[test]
fn what_still_waits_in_the_log_is_not_lost() {
    let mut short = exact();
    (short.counted.count, short.lost, short.accounts_wrong) = (993, 7, 3);
    for (waiting, reason) in [(0, "EventsLost"), (6, "EventsLost"), (7, "NotCountedInTime")] {
        let judged = judge(&Evidence {
            waiting,
            ..evidence(&short)
        });
        assert_eq!((judged.verdict, judged.reason), (Verdict::Fail, reason), "{waiting}");
    }
}

#[test]
fn broken_twins_fail_with_their_own_reason() {
    type Change = fn(&mut VerifyReport);
    let table: [(&str, Change, &str, &str); 6] = [
        (
            "one lost",
            |v| {
                v.counted.count = 999;
                v.lost = 1;
                v.accounts_wrong = 1;
            },
            "EventsLost",
            "1 events lost",
        ),
        (
            "one doubled",
            |v| {
                v.counted.count = 1001;
                v.duplicated = 1;
                v.accounts_wrong = 1;
            },
            "EventsDuplicated",
            "counted twice",
        ),
        (
            "one lost and one doubled, elsewhere",
            |v| {
                v.lost = 1;
                v.duplicated = 1;
                v.accounts_wrong = 2;
            },
            "EventsLostAndDuplicated",
            "1 events lost and 1 counted twice",
        ),
        (
            "one lost and one doubled, same partition",
            |v| {
                v.counted.digest = 8;
                v.accounts_wrong = 2;
                v.partitions_wrong = vec![0];
            },
            "AccountsWrong",
            "not the right ones",
        ),
        (
            "digest only",
            |v| {
                v.counted.digest = 8;
                v.partitions_wrong = vec![4];
            },
            "DigestMismatch",
            "[4]",
        ),
        ("sum only", |v| v.counted.sum += 1, "DigestMismatch", "other events"),
    ];
    for (name, change, reason, says) in table {
        let mut verify = exact();
        change(&mut verify);
        let judgement = judge(&evidence(&verify));
        assert_eq!((judgement.verdict, judgement.reason), (Verdict::Fail, reason), "{name}");
        assert!(judgement.message.contains(says), "{name}: {}", judgement.message);
    }
    let mut other = exact();
    other.expected = tally(900, 1);
    other.counted = tally(900, 1);
    assert_eq!(judge(&evidence(&other)).reason, "VerifyMismatch");
}

#[test]
fn at_least_once_fails_all_the_same_and_the_message_says_that_it_may() {
    let mut verify = exact();
    verify.duplicated = 5;
    verify.accounts_wrong = 2;
    let mut evidence = evidence(&verify);
    evidence.mode = Mode::AtLeastOnce;
    let judgement = judge(&evidence);
    assert_eq!(
        (judgement.verdict, judgement.reason),
        (Verdict::Fail, "EventsDuplicated")
    );
    assert!(
        judgement.message.contains("at-least-once may do this"),
        "{}",
        judgement.message
    );
}
