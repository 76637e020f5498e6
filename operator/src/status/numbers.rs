//! The numbers of a status.

use eoslab_api::{
    Bottleneck, CorrectnessStatus, CountersStatus, Display, LagStatus, LatencyQuantiles, LatencyStatus, LoadTestStatus,
    MALFORMED_SAMPLES_MAX, MalformedSampleStatus, PausesStatus, Phase, ProducersStatus, Validity, WRONG_ACCOUNTS_MAX,
    WrongAccountStatus,
};
use eoslab_core::LatencyHistogram;
use eoslab_core::report::VerifyReport;

use super::{Facts, micro_time, time};
use crate::decide::{bottleneck, slo, validity};
use crate::names::Role;
use crate::plan::Plan;
use crate::seen::log;
use crate::seen::verify::VerifyState;
use eoslab_report::display::{NONE, count, micros, rate};

pub(super) fn fill(facts: &Facts, plan: &Plan, status: &mut LoadTestStatus) {
    if facts.decision.phase == Phase::Pending {
        status.slo = slo::pending(plan);
        status.display = Some(display(plan, status));
        return;
    }
    let has_started = facts.prior.measure_us.is_some();
    status.producers = Some(producers(facts, plan));
    status.counters = Some(counters(facts, plan));
    if has_started {
        status.lag = lag(facts).or(status.lag.take());
        status.latency = latency(facts, plan).or(status.latency.take());
        status.pauses = pauses(facts).or(status.pauses.take());
        status.correctness = Some(correctness(facts, plan));
        used(facts, plan, status);
    }
    status.progress = progress(facts, plan, status);
    status.slo = judged_slo(facts, plan, status);
    status.display = Some(display(plan, status));
}

/// How busy every part was, and once the events are sent what stopped the run. An operator that was restarted since
/// knows less than the status does.
fn used(facts: &Facts, plan: &Plan, status: &mut LoadTestStatus) {
    status.utilization = facts.seen.utilization.clone().or(status.utilization.take());
    // A run that was cut short before was stopped by nothing of the pipeline.
    let knows = facts.prior.draining_since_us.is_some() && facts.seen.achieved.is_some();
    if let Some(used) = status.utilization.as_ref().filter(|_| knows) {
        let (peak, now) = status
            .lag
            .as_ref()
            .map_or((0, 0), |lag| (lag.peak_records, lag.records));
        let left = if facts.decision.phase > Phase::Draining { now } else { 0 };
        let lag = bottleneck::Lag { peak, left };
        status.bottleneck = Some(bottleneck::judge(plan, facts.prior, facts.seen, used, lag));
    }
}

fn is_judged(facts: &Facts) -> bool {
    matches!(facts.seen.verify, VerifyState::Done { .. }) && facts.decision.phase == Phase::Finished
}

fn judged_slo(facts: &Facts, plan: &Plan, status: &LoadTestStatus) -> Vec<eoslab_api::SloResult> {
    if !is_judged(facts) {
        return slo::pending(plan);
    }
    let judged = validity::judge(plan, facts.prior, facts.seen);
    let peak = status.lag.as_ref().map_or(0, |lag| lag.peak_records);
    slo::judge(plan, facts.seen, judged.as_ref(), peak)
}

fn producers(facts: &Facts, plan: &Plan) -> ProducersStatus {
    let (seen, before) = (facts.seen, facts.before.producers.clone().unwrap_or_default());
    let totals = &seen.produced;
    let is_sending = matches!(facts.decision.phase, Phase::Warmup | Phase::Running);
    let average = seen.achieved.map(|achieved| achieved.rate.round() as u64);
    let rate_per_second = match (is_sending, seen.rates) {
        (true, Some((sent, _))) => sent,
        // From the end of the sending on: the average over it.
        (false, _) => average.unwrap_or(before.rate_per_second),
        (true, None) => before.rate_per_second,
    };
    ProducersStatus {
        ready: if facts.decision.phase == Phase::Finished {
            0
        } else {
            seen.producers.ready()
        },
        desired: if is_over_sending(facts) { 0 } else { plan.producers() },
        target_rate_per_second: plan.rate(),
        rate_per_second,
        // A process that died before its last report was read takes what it did with it, but no number goes back.
        sent: totals.sent.max(before.sent),
        acked: totals.acked().max(before.acked),
        failed: totals.failed().max(before.failed),
        indeterminate: totals.indeterminate().max(before.indeterminate),
        lateness_p99_us: match totals.lateness.is_empty() {
            true => before.lateness_p99_us,
            false => Some(totals.lateness.quantile(0.99)),
        },
        queue_full_ms: (totals.queue_full_us / 1000).max(before.queue_full_ms),
    }
}

fn is_over_sending(facts: &Facts) -> bool {
    facts.decision.phase >= Phase::Draining
}

fn counters(facts: &Facts, plan: &Plan) -> CountersStatus {
    let (seen, before) = (facts.seen, facts.before.counters.clone().unwrap_or_default());
    let totals = &seen.counted;
    let ledger = seen.ledger.as_deref();
    let sum = |of: fn(&eoslab_counter::ledger::LedgerEntry) -> u64, before: u64| {
        ledger.map_or(before, |ledger| ledger.iter().map(of).sum())
    };
    let is_finished = facts.decision.phase == Phase::Finished;
    let stays = !is_finished || (plan.valid.spec.counter.keep_running && is_judged(facts));
    CountersStatus {
        // At the end they are stopped in the same step, and nobody looks again.
        replicas: if stays { seen.counters.existing() } else { 0 },
        ready: if stays { seen.counters.ready() } else { 0 },
        desired: if stays { plan.counters() } else { 0 },
        counted: sum(|entry| entry.tally.count, before.counted),
        rate_per_second: match (is_finished, seen.rates) {
            (true, _) => 0,
            (false, Some((_, counted))) => counted,
            (false, None) => before.rate_per_second,
        },
        log_duplicates: sum(|entry| entry.log_duplicates, before.log_duplicates),
        holes: sum(|entry| entry.holes, before.holes),
        malformed: sum(|entry| entry.malformed, before.malformed),
        conflicts: totals.conflicts.max(before.conflicts),
        rewinds: totals.rewinds.max(before.rewinds),
        rebalances: totals.rebalances.max(before.rebalances),
        selector: plan.names.selector(Role::Counter),
    }
}

fn lag(facts: &Facts) -> Option<LagStatus> {
    let (log, ledger) = (facts.seen.log.as_deref()?, facts.seen.ledger.as_deref()?);
    let lag = log::lag(log, ledger, facts.now_us);
    let before = facts.before.lag.clone().unwrap_or_default();
    let is_peak = lag.records > before.peak_records;
    Some(LagStatus {
        records: lag.records,
        millis: lag.millis,
        peak_records: lag.records.max(before.peak_records),
        peak_at: if is_peak {
            Some(time(facts.now_us))
        } else {
            before.peak_at
        },
        worst_partition: lag.worst_partition,
    })
}

fn latency(facts: &Facts, plan: &Plan) -> Option<LatencyStatus> {
    let seen = facts.seen;
    let judged = validity::judge(plan, facts.prior, seen)?;
    // In a closed loop the intended time is the actual one, and waits for whatever is slow.
    let is_open = plan.rate().is_some();
    let end_to_end = &seen.counted.end_to_end;
    Some(LatencyStatus {
        validity: judged.validity,
        upper_bound: judged.is_upper_bound,
        samples: if is_open { end_to_end } else { &seen.produced.service }.count(),
        end_to_end: quantiles(end_to_end).filter(|_| is_open),
        response: quantiles(&seen.produced.response).filter(|_| is_open),
        service: quantiles(&seen.produced.service),
    })
}

fn quantiles(histogram: &LatencyHistogram) -> Option<LatencyQuantiles> {
    (!histogram.is_empty()).then(|| LatencyQuantiles {
        p50_us: histogram.quantile(0.5),
        p99_us: histogram.quantile(0.99),
        p999_us: histogram.quantile(0.999),
        max_us: histogram.max(),
    })
}

fn pauses(facts: &Facts) -> Option<PausesStatus> {
    let pauses = facts.seen.pauses.as_ref()?;
    let longest = pauses.longest.as_ref();
    Some(PausesStatus {
        count: pauses.count,
        total_ms: pauses.total_us / 1000,
        longest_ms: longest.map_or(0, |pause| pause.length_us / 1000),
        longest_partition: longest.map(|pause| pause.partition),
        longest_at: longest.map(|pause| micro_time(pause.ended_at_us)),
    })
}

fn correctness(facts: &Facts, plan: &Plan) -> CorrectnessStatus {
    let (seen, before) = (facts.seen, facts.before.correctness.clone().unwrap_or_default());
    let by_count = |counts: &Vec<u64>| counts.iter().sum();
    let live = CorrectnessStatus {
        expected: match &seen.verify {
            VerifyState::Working { job, .. } | VerifyState::Done { job, .. } | VerifyState::Failed { job, .. } => {
                by_count(&job.counts)
            }
            VerifyState::Missing => plan
                .events()
                .filter(|_| !facts.prior.is_stopped)
                .or_else(|| seen.tail.as_ref().map(by_count))
                .unwrap_or(before.expected),
        },
        in_log: seen.events_in_log().unwrap_or(before.in_log),
        counted: seen.counted_events().unwrap_or(before.counted),
        malformed_samples: malformed(facts, &before),
        ..before
    };
    match &seen.verify {
        VerifyState::Done { report, .. } => verified(live, report),
        _ => live,
    }
}

fn malformed(facts: &Facts, before: &CorrectnessStatus) -> Vec<MalformedSampleStatus> {
    let samples = &facts.seen.counted.malformed_samples;
    if samples.len() < before.malformed_samples.len() {
        return before.malformed_samples.clone();
    }
    samples
        .iter()
        .take(MALFORMED_SAMPLES_MAX)
        .map(|sample| MalformedSampleStatus {
            partition: sample.partition,
            offset: sample.offset,
            reason: sample.reason.clone(),
        })
        .collect()
}

fn verified(live: CorrectnessStatus, report: &VerifyReport) -> CorrectnessStatus {
    CorrectnessStatus {
        counted: report.counted.count,
        lost: report.lost,
        duplicated: report.duplicated,
        accounts_compared: report.accounts_compared,
        accounts_wrong: report.accounts_wrong,
        partitions_wrong: report.partitions_wrong.clone(),
        digest_matches: Some(report.expected.digest == report.counted.digest),
        wrong_accounts: report
            .wrong_accounts
            .iter()
            .take(WRONG_ACCOUNTS_MAX)
            .map(|wrong| WrongAccountStatus {
                account_id: wrong.account_id,
                partition: wrong.partition,
                expected: wrong.expected,
                counted: wrong.counted,
            })
            .collect(),
        ..live
    }
}

fn progress(facts: &Facts, plan: &Plan, status: &LoadTestStatus) -> Option<String> {
    let counted = status.counters.as_ref().map_or(0, |counters| counters.counted);
    if let Some(events) = plan.events() {
        let correctness = status.correctness.as_ref().filter(|_| facts.prior.is_stopped);
        let expected = correctness.map_or(events, |correctness| correctness.expected);
        return Some(format!("{}/{}", count(counted), count(expected)));
    }
    let seconds = i64::from(plan.seconds()?);
    let sent_us = match (facts.decision.measure_us, is_over_sending(facts)) {
        (_, true) => {
            let all = format!("{seconds}s/{seconds}s");
            let is_cut = facts.prior.is_stopped || facts.seen.done.len() < plan.producers() as usize;
            return Some(facts.before.progress.clone().filter(|_| is_cut).unwrap_or(all));
        }
        (None, false) => 0,
        (Some(measure_us), false) => facts.now_us - (measure_us - plan.warmup_us()),
    };
    let sent_s = (sent_us / 1_000_000).clamp(0, seconds);
    Some(format!("{sent_s}s/{seconds}s"))
}

fn display(plan: &Plan, status: &LoadTestStatus) -> Display {
    let none = || NONE.to_owned();
    let in_log = status.correctness.as_ref().map_or(0, |correctness| correctness.in_log);
    let latency = status.latency.as_ref();
    // A closed loop has service latencies only.
    let p99 = latency.and_then(|latency| match plan.rate() {
        Some(_) => latency.end_to_end,
        None => latency.service,
    });
    let doubt = latency.is_some_and(|latency| latency.validity != Validity::Valid);
    Display {
        rate: status
            .producers
            .as_ref()
            .map_or_else(none, |producers| rate(producers.rate_per_second)),
        // The log knows of acknowledgements that died with their producer.
        produced: status
            .producers
            .as_ref()
            .map_or_else(none, |producers| count(producers.acked.max(in_log))),
        counted: status
            .counters
            .as_ref()
            .map_or_else(none, |counters| count(counters.counted)),
        lag: status.lag.as_ref().map_or_else(none, |lag| count(lag.records)),
        p99: p99.map_or_else(none, |p99| {
            format!("{}{}", if doubt { "~" } else { "" }, micros(p99.p99_us))
        }),
        pause: status
            .pauses
            .as_ref()
            .map_or_else(none, |pauses| micros(pauses.longest_ms * 1000)),
    }
}

/// The message of a run that has ended, with what speaks against its latencies and what stopped it, if so.
pub(super) fn closing_message(facts: &Facts, plan: &Plan, status: &LoadTestStatus) -> String {
    let mut message = facts.decision.message.clone();
    if let Some(judged) = validity::judge(plan, facts.prior, facts.seen)
        && judged.validity != Validity::Valid
        && !message.contains(&judged.why)
    {
        let bound = if judged.is_upper_bound { " (upper bounds)" } else { "" };
        message += &format!("; latencies are {}{bound}: {}", judged.validity, judged.why);
    }
    let bottleneck = status.bottleneck.as_ref().map(|bottleneck| bottleneck.component);
    if let Some(component) = bottleneck.filter(|component| *component != Bottleneck::Nothing) {
        message += &format!("; bound by {component}");
    }
    message
}
