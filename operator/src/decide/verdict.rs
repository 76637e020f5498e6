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
use crate::seen::verify::JobView;
use crate::seen::{Seen, log};

/// What the verdict is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence<'a> {
    /// What the counters guarantee.
    pub mode: Mode,
    /// Events that the run was to send; `None` where it ends by time.
    pub wanted: Option<u64>,
    /// Whether every producer came to its end.
    pub is_complete: bool,
    /// Whether a user ended the sending.
    pub is_stopped: bool,
    /// Events that were to be counted: the sum of what was verified.
    pub expected: u64,
    /// What the verification found.
    pub verify: &'a VerifyReport,
    /// Events of the stream in the log; `None` where it could not be read.
    pub in_log: Option<u64>,
    /// Records of the log that the counters had not come to.
    pub waiting: u64,
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
            is_stopped: prior.is_stopped,
            expected: job.counts.iter().sum(),
            verify,
            in_log: seen.events_in_log().filter(|_| !ledger.is_empty()),
            waiting: log::lag(seen.log.as_deref().unwrap_or_default(), ledger, 0).records,
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

impl Evidence<'_> {
    /// Whether fewer events were sent than the run was to send.
    fn is_cut(&self) -> bool {
        !self.is_complete || self.wanted.is_some_and(|wanted| wanted != self.expected)
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
    if evidence.is_cut() {
        let wanted = evidence
            .wanted
            .map_or_else(String::new, |wanted| format!(" before all {wanted} were sent"));
        message.push_str(&format!("; spec.stop ended the run{wanted}"));
    }
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
        (_, 0) if lost == evidence.waiting => (
            "NotCountedInTime",
            format!("{lost} events of the log were not counted within spec.limits.drainTimeoutSeconds"),
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
    if evidence.expected == 0 {
        return inconclusive("NothingSent", "no event was sent".to_owned());
    }
    if evidence.is_cut() && !evidence.is_stopped {
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
mod tests;
