//! Two reports side by side, and whether what differs is more than the noise within the runs.

mod settings;

use eoslab_api::{CorrectnessStatus, LatencyQuantiles, LatencyStatus, Validity, Verdict};

pub use settings::Setting;
use settings::settings;

use crate::rank::{BLOCKS_MIN, blocks, median, two_sided_p};
use crate::{Point, Report};

/// Were both runs the same, noise within them would make one number look so different in one comparison of 500. There are
/// six such numbers. How much one run differs from the next of the same setting is not in it: nothing here knows.
const P_MAX: f64 = 0.002;
/// A smaller change is none that matters, whatever the chance.
const CHANGE_MIN: f64 = 0.05;

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The second run is better, by more than the noise explains.
    Better,
    /// The second run is worse, by more than the noise explains.
    Worse,
    /// Both are the same.
    Equal,
    /// The noise within the runs explains it.
    Noise,
    /// The numbers of the whole runs differ, but for most of the time the runs do not: a few moments make the difference,
    /// which may be chance.
    Moments,
    /// One value of each run: how much it varies is not known.
    OneValueEach,
    /// The latencies of one of the runs are not valid.
    NotValid,
    /// Only one of the runs has it.
    Missing,
}

impl Judgement {
    /// In words, for a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Equal => "",
            Self::Noise => "within the noise",
            Self::Moments => "differs in a few moments only",
            Self::OneValueEach => "one value each: the noise is not known",
            Self::NotValid => "not comparable: latencies are not valid",
            Self::Missing => "only one run has it",
        }
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Events, accounts, times.
    Count,
    /// Events a second.
    PerSecond,
    /// Microseconds.
    Us,
    /// CPU time of one event, microseconds.
    CpuUs,
}

/// One number of both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What it is.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Of the first run.
    pub a: Option<f64>,
    /// Of the second run.
    pub b: Option<f64>,
    /// What it means.
    pub judgement: Judgement,
}

impl Difference {
    /// How much larger the second is, as a share of the first; `None` where that is 0.
    pub fn change(&self) -> Option<f64> {
        let (a, b) = (self.a?, self.b?);
        (a != 0.0 && a != b).then(|| b / a - 1.0)
    }
}

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Whether both runs were verified: otherwise nobody knows whether events were lost.
    pub are_verified: bool,
    /// Their verdicts: one that passed and one that did not.
    pub verdict: Judgement,
    /// Whether their latencies are valid: those of one run, and not those of the other.
    pub validity: Judgement,
    /// Every number that one of the runs has.
    pub differences: Vec<Difference>,
    /// Every setting that they do not share.
    pub settings: Vec<Setting>,
}

impl Comparison {
    /// Whether the second run is worse in anything by more than the noise explains.
    pub fn is_worse(&self) -> bool {
        let numbers = self.differences.iter().map(|difference| difference.judgement);
        let mut judgements = numbers.chain([self.verdict, self.validity]);
        judgements.any(|judgement| judgement == Judgement::Worse)
    }
}

/// Compares two runs.
pub fn compare(a: &Report, b: &Report) -> Comparison {
    let passed = |report: &Report| report.status.verdict == Verdict::Pass;
    Comparison {
        are_verified: verified(a).is_some() && verified(b).is_some(),
        verdict: lost(passed(a), passed(b)),
        validity: lost(is_valid(a), is_valid(b)),
        differences: ROWS.iter().filter_map(|row| row.difference(a, b)).collect(),
        settings: settings(a, b),
    }
}

/// What it means that one run has something good and the other has not.
fn lost(in_a: bool, in_b: bool) -> Judgement {
    match (in_a, in_b) {
        (true, false) => Judgement::Worse,
        (false, true) => Judgement::Better,
        _ => Judgement::Equal,
    }
}

fn is_valid(report: &Report) -> bool {
    latencies(report).is_some_and(|latency| latency.validity == Validity::Valid)
}

fn verified(report: &Report) -> Option<&CorrectnessStatus> {
    let correctness = report.status.correctness.as_ref();
    correctness.filter(|correctness| correctness.is_verified())
}

/// Where a number of a row is found, and over time its values.
struct Row {
    name: &'static str,
    unit: Unit,
    is_more_better: bool,
    is_latency: bool,
    /// What is lost or doubled is no matter of chance.
    is_certain: bool,
    of: fn(&Report) -> Option<f64>,
    over_time: Option<fn(&Point) -> Option<f64>>,
}

const fn row(name: &'static str, unit: Unit, of: fn(&Report) -> Option<f64>) -> Row {
    Row {
        name,
        unit,
        is_more_better: false,
        is_latency: false,
        is_certain: false,
        of,
        over_time: None,
    }
}

const fn latency(
    name: &'static str,
    of: fn(&Report) -> Option<f64>,
    over_time: Option<fn(&Point) -> Option<f64>>,
) -> Row {
    Row {
        is_latency: true,
        over_time,
        ..row(name, Unit::Us, of)
    }
}

const fn certain(name: &'static str, of: fn(&Report) -> Option<f64>) -> Row {
    Row {
        is_certain: true,
        ..row(name, Unit::Count, of)
    }
}

const fn cpu(name: &'static str, of: fn(&Report) -> Option<f64>, over_time: fn(&Point) -> Option<f64>) -> Row {
    Row {
        over_time: Some(over_time),
        ..row(name, Unit::CpuUs, of)
    }
}

const ROWS: [Row; 14] = [
    certain("lost", |r| Some(verified(r)?.lost as f64)),
    certain("doubled", |r| Some(verified(r)?.duplicated as f64)),
    certain("wrong accounts", |r| Some(verified(r)?.accounts_wrong as f64)),
    Row {
        is_more_better: true,
        over_time: Some(|point| Some(point.sent_per_second as f64)),
        ..row("rate sent", Unit::PerSecond, sent_rate)
    },
    latency(
        "end to end p50",
        |r| end_to_end(r, |of| of.p50_us),
        Some(|point| Some(point.end_to_end?.p50_us as f64)),
    ),
    latency(
        "end to end p99",
        |r| end_to_end(r, |of| of.p99_us),
        Some(|point| Some(point.end_to_end?.p99_us as f64)),
    ),
    latency("end to end p99.9", |r| end_to_end(r, |of| of.p999_us), None),
    latency(
        "response p99",
        |r| Some(latencies(r)?.response?.p99_us as f64),
        Some(|point| Some(point.response?.p99_us as f64)),
    ),
    latency("service p99", |r| Some(latencies(r)?.service?.p99_us as f64), None),
    row("peak lag", Unit::Count, |r| {
        Some(r.status.lag.as_ref()?.peak_records as f64)
    }),
    row("longest pause", Unit::Us, |r| {
        Some(r.status.pauses.as_ref()?.longest_ms as f64 * 1e3)
    }),
    row("pauses, all together", Unit::Us, |r| {
        Some(r.status.pauses.as_ref()?.total_ms as f64 * 1e3)
    }),
    cpu(
        "producers' CPU an event",
        |r| an_event(r.status.utilization.as_ref()?.producers.cpu_millicores, sent_rate(r)?),
        |point| an_event(point.cpu.producers_millicores?, point.sent_per_second as f64),
    ),
    cpu(
        "counters' CPU an event",
        |r| an_event(r.status.utilization.as_ref()?.counters.cpu_millicores, sent_rate(r)?),
        |point| an_event(point.cpu.counters_millicores?, point.counted_per_second as f64),
    ),
];

fn sent_rate(report: &Report) -> Option<f64> {
    Some(report.status.producers.as_ref()?.rate_per_second as f64)
}

fn an_event(millicores: u64, per_second: f64) -> Option<f64> {
    (per_second > 0.0).then(|| millicores as f64 * 1e3 / per_second)
}

fn latencies(report: &Report) -> Option<&LatencyStatus> {
    report.status.latency.as_ref()
}

fn end_to_end(report: &Report, of: fn(&LatencyQuantiles) -> u64) -> Option<f64> {
    Some(of(latencies(report)?.end_to_end.as_ref()?) as f64)
}

impl Row {
    /// `None` where neither run has it.
    fn difference(&self, a: &Report, b: &Report) -> Option<Difference> {
        let (of_a, of_b) = ((self.of)(a), (self.of)(b));
        let judgement = match (of_a, of_b) {
            (None, None) => return None,
            (Some(of_a), Some(of_b)) => self.judge((a, of_a), (b, of_b)),
            _ => Judgement::Missing,
        };
        Some(Difference {
            name: self.name,
            unit: self.unit,
            a: of_a,
            b: of_b,
            judgement,
        })
    }

    fn judge(&self, (a, of_a): (&Report, f64), (b, of_b): (&Report, f64)) -> Judgement {
        if self.is_latency && !(is_valid(a) && is_valid(b)) {
            return Judgement::NotValid;
        }
        if of_a == of_b {
            return Judgement::Equal;
        }
        if self.is_certain {
            return self.side(of_a, of_b);
        }
        let over_time = self.over_time.and_then(|of| self.over_time(a, b, of));
        match over_time {
            None => Judgement::OneValueEach,
            // The blocks say what most of the time was like; a few bad seconds make a p99 and are in few blocks.
            Some(Over::Alike) if is_large(of_a, of_b) => Judgement::Moments,
            Some(Over::Alike | Over::Unsure) => Judgement::Noise,
            Some(Over::Differ(middle_a, middle_b)) => self.side(middle_a, middle_b),
        }
    }

    /// What the runs over time say; `None` where they are too short, or were not looked at equally often.
    fn over_time(&self, a: &Report, b: &Report, of: fn(&Point) -> Option<f64>) -> Option<Over> {
        let (in_a, in_b) = (blocks(&measured(a, of)), blocks(&measured(b, of)));
        let is_alike = a.series.interval_ms == b.series.interval_ms || !self.is_latency;
        if !is_alike || in_a.len() < BLOCKS_MIN || in_b.len() < BLOCKS_MIN {
            return None;
        }
        let (middle_a, middle_b) = (median(&in_a), median(&in_b));
        Some(match is_large(middle_a, middle_b) {
            false => Over::Alike,
            true if two_sided_p(&in_a, &in_b) <= P_MAX => Over::Differ(middle_a, middle_b),
            true => Over::Unsure,
        })
    }

    fn side(&self, a: f64, b: f64) -> Judgement {
        match (b > a) == self.is_more_better {
            true => Judgement::Better,
            false => Judgement::Worse,
        }
    }
}

/// What most of the time of two runs was like.
enum Over {
    /// Much the same.
    Alike,
    /// Different, but no more than within the runs.
    Unsure,
    /// Different: the middles.
    Differ(f64, f64),
}

fn is_large(a: f64, b: f64) -> bool {
    (b - a).abs() >= CHANGE_MIN * a.abs()
}

/// Values from the warm-up to the end of the sending, also of seconds in which nothing was sent.
fn measured(report: &Report, of: fn(&Point) -> Option<f64>) -> Vec<f64> {
    let warmup_ms = i64::from(report.spec.producer.warmup_seconds) * 1000;
    let points = &report.series.points;
    let sending = points.iter().rposition(|point| point.sent_per_second > 0);
    // The last one is sent in for a part of its time.
    let points = &points[..sending.unwrap_or(0)];
    let after = points.iter().filter(|point| point.from_ms >= warmup_ms);
    after.filter_map(of).collect()
}

#[cfg(test)]
mod tests;
