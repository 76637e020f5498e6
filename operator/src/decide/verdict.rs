//! The verdict: a pure function of what the witnesses say.
//!
//! Three witnesses (what the producers were acknowledged, what is in the log, what the ledger counted) and the oracle
//! (the stream, regenerated). A `Pass` needs all four to agree to the event, and the objectives.

use std::collections::BTreeSet;

use eoslab_api::{Mode, SloResult, SloState, Verdict};
use eoslab_core::report::VerifyReport;

use super::validity::{self, Judged};
use super::{Prior, slo};
use crate::plan::Plan;
use crate::seen::Seen;
use crate::seen::verify::JobView;

/// What the verdict is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence<'a> {
    /// What the counters guarantee.
    pub mode: Mode,
    /// Events that the run was to send; `None` where it ends by time.
    pub wanted: Option<u64>,
    /// Whether every producer came to its end.
    pub is_complete: bool,
    /// Events that were to be counted: the sum of what was verified.
    pub expected: u64,
    /// What the verification found.
    pub verify: &'a VerifyReport,
    /// Events of the stream in the log; `None` where it could not be read.
    pub in_log: Option<u64>,
    /// Events that producers saw acknowledged, as far as their reports are known.
    pub acked: u64,
    /// Partitions in which a seq beyond the last in the log was acknowledged.
    pub acked_beyond: Vec<u32>,
    /// Sends that were certainly not written.
    pub failed: u64,
    /// Seqs missing in the log between two others.
    pub holes: u64,
    /// Records that are no event of the stream.
    pub malformed: u64,
    /// Digests of the layouts that the members, the verification and the operator used.
    pub layouts: BTreeSet<u64>,
    /// The objectives.
    pub slo: Vec<SloResult>,
    /// Whether the latencies mean anything.
    pub validity: Option<Judged>,
}

impl<'a> Evidence<'a> {
    /// Gathers what was seen.
    pub fn new(plan: &Plan, prior: &Prior, seen: &Seen, job: &JobView, verify: &'a VerifyReport) -> Self {
        let ledger = seen.ledger.as_deref().unwrap_or_default();
        let validity = validity::judge(plan, prior, seen);
        let own = seen.stream.as_ref().map(|stream| stream.digest);
        let layouts = [&seen.produced.layouts, &seen.counted.layouts]
            .into_iter()
            .flatten()
            .copied();
        let beyond = |(partition, totals): (&u32, &crate::seen::totals::PartitionTotals)| {
            let count = job.counts.get(*partition as usize)?;
            totals
                .highest_acked_seq
                .is_some_and(|seq| seq >= *count)
                .then_some(*partition)
        };
        Self {
            mode: plan.valid.spec.counter.mode,
            wanted: plan.events(),
            is_complete: (0..plan.producers()).all(|slot| seen.done.contains(&slot)),
            expected: job.counts.iter().sum(),
            verify,
            in_log: seen.events_in_log().filter(|_| !ledger.is_empty()),
            acked: seen.produced.acked(),
            acked_beyond: seen.produced.partitions.iter().filter_map(beyond).collect(),
            failed: seen.produced.failed(),
            holes: ledger.iter().map(|entry| entry.holes).sum(),
            malformed: ledger.iter().map(|entry| entry.malformed).sum(),
            layouts: layouts.chain([verify.layout_digest]).chain(own).collect(),
            slo: slo::judge(plan, seen, validity.as_ref(), prior.peak_lag),
            validity,
        }
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one CamelCase word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

impl Judgement {
    fn new(verdict: Verdict, reason: &'static str, message: String) -> Self {
        Self {
            verdict,
            reason,
            message,
        }
    }
}

/// Comes to a verdict. The first thing that is wrong is the reason; what else is known goes into the message.
pub fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = wrong(evidence)
        .or_else(|| unproven(evidence))
        .unwrap_or_else(|| pass(evidence));
    if evidence.malformed > 0 {
        let more = format!(
            "; {} records in the log are no events of this run (see correctness.malformedSamples)",
            evidence.malformed
        );
        judgement.message.push_str(&more);
    }
    judgement
}

fn pass(evidence: &Evidence) -> Judgement {
    let accounts = evidence.verify.accounts_compared;
    let mut message = format!(
        "{} events expected, in the log and counted; all {accounts} accounts are exact",
        evidence.expected
    );
    if evidence.mode == Mode::AtLeastOnce {
        message.push_str("; at-least-once was lucky: after a crash it counts events twice");
    }
    Judgement::new(Verdict::Pass, "Exact", message)
}

/// Something that must not be.
fn wrong(evidence: &Evidence) -> Option<Judgement> {
    let fail = |reason, message| Some(Judgement::new(Verdict::Fail, reason, message));
    if evidence.layouts.len() > 1 {
        let message = format!(
            "members disagree on the stream: {} different layouts (are there different versions?)",
            evidence.layouts.len()
        );
        return fail("LayoutMismatch", message);
    }
    if !evidence.verify.is_exact() {
        return Some(inexact(evidence));
    }
    if evidence.verify.expected.count != evidence.expected {
        let message = format!(
            "the verification was about {} events instead of {}",
            evidence.verify.expected.count, evidence.expected
        );
        return fail("VerifyMismatch", message);
    }
    if evidence.holes > 0 {
        return fail(
            "HolesInLog",
            format!("{} events are missing in the log between others", evidence.holes),
        );
    }
    if !evidence.acked_beyond.is_empty() {
        let message = format!(
            "events at the end of partitions {:?} were acknowledged and are not in the log",
            evidence.acked_beyond
        );
        return fail("AckedEventsLost", message);
    }
    let in_log = evidence.in_log?;
    if in_log != evidence.expected {
        let message = format!("{} events expected, but {in_log} are in the log", evidence.expected);
        return fail("LogMismatch", message);
    }
    if evidence.acked > in_log {
        let message = format!(
            "{} events were acknowledged, but {in_log} are in the log",
            evidence.acked
        );
        return fail("AckedEventsLost", message);
    }
    let breached = evidence.slo.iter().find(|slo| slo.state == SloState::Breached)?;
    let message = format!(
        "every account is exact, but {} is {}, above its limit of {}",
        breached.name,
        breached.observed.unwrap_or_default(),
        breached.limit
    );
    fail("SloBreached", message)
}

/// Totals that are not the stream's.
fn inexact(evidence: &Evidence) -> Judgement {
    let verify = evidence.verify;
    let (lost, duplicated) = (verify.lost, verify.duplicated);
    let wrong = format!(
        "{} of {} accounts are wrong",
        verify.accounts_wrong, verify.accounts_compared
    );
    let (reason, what) = match (lost, duplicated) {
        (0, 0) if verify.accounts_wrong > 0 => (
            "AccountsWrong",
            "as many events were counted as there are, but not the right ones".to_owned(),
        ),
        (0, 0) => (
            "DigestMismatch",
            format!(
                "other events were counted than the stream holds (partitions {:?})",
                verify.partitions_wrong
            ),
        ),
        (_, 0) => ("EventsLost", format!("{lost} events lost")),
        (0, _) => ("EventsDuplicated", format!("{duplicated} events counted twice")),
        (_, _) => (
            "EventsLostAndDuplicated",
            format!("{lost} events lost and {duplicated} counted twice"),
        ),
    };
    let mut message = format!("{what}; {wrong}");
    if evidence.failed > 0 {
        message.push_str(&format!("; producers report {} events as not written", evidence.failed));
    }
    if evidence.holes > 0 {
        message.push_str(&format!("; {} are missing in the log already", evidence.holes));
    }
    if evidence.mode == Mode::AtLeastOnce && duplicated > 0 {
        message.push_str("; at-least-once may do this after a crash, exactly-once may not");
    }
    Judgement::new(Verdict::Fail, reason, message)
}

/// Nothing is wrong, but something is not shown.
fn unproven(evidence: &Evidence) -> Option<Judgement> {
    let inconclusive = |reason, message| Some(Judgement::new(Verdict::Inconclusive, reason, message));
    if evidence.in_log.is_none() {
        let message = "every account is exact, but the log could not be read to compare it".to_owned();
        return inconclusive("LogUnread", message);
    }
    let was_cut = !evidence.is_complete || evidence.wanted.is_some_and(|wanted| wanted != evidence.expected);
    if was_cut {
        let wanted = evidence
            .wanted
            .map_or_else(String::new, |wanted| format!(" of {wanted}"));
        let message = format!(
            "the run was ended before every event was sent; the {}{wanted} that were sent are counted exactly",
            evidence.expected
        );
        return inconclusive("CutShort", message);
    }
    let slo = evidence.slo.iter().find(|slo| slo.state == SloState::NotEvaluated)?;
    let why = evidence
        .validity
        .as_ref()
        .map_or("there are no samples".to_owned(), |judged| {
            format!("{}: {}", judged.validity, judged.why)
        });
    let message = format!("every account is exact, but {} cannot be judged ({why})", slo.name);
    inconclusive("SloNotJudged", message)
}

#[cfg(test)]
mod tests {
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
            expected: 1000,
            verify,
            in_log: Some(1000),
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

    #[test]
    fn a_pass_needs_every_witness() {
        type Change = fn(&mut Evidence);
        let table: [(&str, Change, Verdict, &str); 15] = [
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
}
