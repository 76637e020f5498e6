//! What `watch` shows: pure, from the objects alone.

use eoslab_api::chaos::{Injection, InjectionState};
use eoslab_api::{ChaosRun, LatencyQuantiles, LoadTest, LoadTestStatus, Validity};
use eoslab_report::display::{NONE, count, micros, rate};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

/// Width of the progress bar.
const BAR_CELLS: u64 = 30;
/// Width of the names on the left.
const NAME_CELLS: usize = 12;
/// Injections that are shown, the last ones.
const INJECTIONS_MAX: usize = 5;

/// One line that says where a run stands.
pub fn summary(loadtest: &LoadTest) -> String {
    let status = loadtest.status.clone().unwrap_or_default();
    let message = status.message.unwrap_or_default();
    format!("{} {} {}: {message}", loadtest.name_any(), status.phase, status.verdict)
}

/// The table.
pub fn lines(loadtest: &LoadTest, runs: &[ChaosRun]) -> Vec<String> {
    let status = loadtest.status.clone().unwrap_or_default();
    let mut lines = vec![head(loadtest, &status)];
    lines.extend(progress(&status));
    lines.extend(rates(&status));
    lines.extend(latency(&status));
    lines.extend(lag(&status));
    lines.extend(members(&status));
    lines.extend(search(&status));
    lines.extend(bottleneck(&status));
    lines.extend(correctness(&status));
    lines.extend(runs.iter().flat_map(faults));
    if let Some(message) = status.message.filter(|message| !message.is_empty()) {
        lines.push(format!("  {message}"));
    }
    lines
}

fn named(name: &str, text: String) -> String {
    format!("  {name:<NAME_CELLS$}{text}")
}

fn head(loadtest: &LoadTest, status: &LoadTestStatus) -> String {
    let since = status.start_time.as_ref().map(|time| time.0);
    let until = status
        .completion_time
        .as_ref()
        .map_or_else(Timestamp::now, |time| time.0);
    let age = since.map_or_else(
        || NONE.to_owned(),
        |since| {
            let us = (until.as_microsecond() - since.as_microsecond()).max(0) as u64;
            micros(us / 1_000_000 * 1_000_000)
        },
    );
    let namespace = loadtest.namespace().unwrap_or_default();
    format!(
        "{namespace}/{}  {}  {}  {age}",
        loadtest.name_any(),
        status.phase,
        status.verdict
    )
}

fn progress(status: &LoadTestStatus) -> Option<String> {
    let text = status.progress.clone()?;
    let expected = status
        .correctness
        .as_ref()
        .map_or(0, |correctness| correctness.expected);
    let counted = status.counters.as_ref().map_or(0, |counters| counters.counted);
    let Some(cells) = (counted.min(expected) * BAR_CELLS).checked_div(expected) else {
        return Some(named("progress", text));
    };
    let (done, left) = ("█".repeat(cells as usize), "░".repeat((BAR_CELLS - cells) as usize));
    Some(named("progress", format!("{done}{left} {text}")))
}

fn rates(status: &LoadTestStatus) -> Option<String> {
    let producers = status.producers.as_ref()?;
    let wanted = producers.target_rate_per_second.map_or_else(|| "max".to_owned(), rate);
    let counted = status.counters.as_ref().map_or(0, |counters| counters.rate_per_second);
    let sent = rate(producers.rate_per_second);
    Some(named(
        "rate",
        format!("sent {sent} of {wanted}, counted {}", rate(counted)),
    ))
}

fn latency(status: &LoadTestStatus) -> Option<String> {
    let latency = status.latency.as_ref()?;
    let quantiles = |name: &str, of: LatencyQuantiles| {
        let [p50, p99, p999] = [of.p50_us, of.p99_us, of.p999_us].map(micros);
        format!("{name} p50/p99/p99.9 {p50}/{p99}/{p999}")
    };
    let measured = latency
        .end_to_end
        .map(|of| quantiles("end to end", of))
        .or_else(|| latency.service.map(|of| quantiles("service", of)))?;
    let validity = match latency.validity {
        Validity::Valid => "Valid".to_owned(),
        other if latency.upper_bound => format!("{other}: upper bounds, as sends were late"),
        other => format!("{other}: these numbers mean nothing"),
    };
    Some(named("latency", format!("{measured}  {validity}")))
}

fn lag(status: &LoadTestStatus) -> Option<String> {
    let lag = status.lag.as_ref()?;
    let pause = status.pauses.as_ref().map_or(0, |pauses| pauses.longest_ms);
    Some(named(
        "lag",
        format!(
            "{} events, {} old, peak {}; longest pause {}",
            count(lag.records),
            micros(lag.millis * 1000),
            count(lag.peak_records),
            micros(pause * 1000)
        ),
    ))
}

fn members(status: &LoadTestStatus) -> Option<String> {
    let (producers, counters) = (status.producers.as_ref()?, status.counters.as_ref()?);
    let disturbed = match status.disturbances_total {
        0 => String::new(),
        total => format!("; disturbances {total}"),
    };
    Some(named(
        "ready",
        format!(
            "producers {}/{}, counters {}/{}{disturbed}",
            producers.ready, producers.desired, counters.ready, counters.desired
        ),
    ))
}

fn search(status: &LoadTestStatus) -> Vec<String> {
    let Some(ceiling) = &status.ceiling else {
        return Vec::new();
    };
    let probe = |probe: &eoslab_api::Probe| {
        let result = match probe.held {
            None => "runs".to_owned(),
            Some(true) => "held".to_owned(),
            Some(false) => format!("failed: {}", probe.reason),
        };
        named(
            &rate(probe.rate_per_second),
            format!("{:<10} {result}", probe.purpose.as_str()),
        )
    };
    ceiling.probes.iter().map(probe).collect()
}

fn bottleneck(status: &LoadTestStatus) -> Option<String> {
    let of_search = status.ceiling.as_ref().and_then(|ceiling| ceiling.bottleneck.as_ref());
    let found = status.bottleneck.as_ref().or(of_search)?;
    let because = found.because.first().cloned().unwrap_or_default();
    Some(named("bound by", format!("{}: {because}", found.component)))
}

fn correctness(status: &LoadTestStatus) -> Option<String> {
    let correctness = status
        .correctness
        .as_ref()
        .filter(|correctness| correctness.accounts_compared > 0)?;
    Some(named(
        "exactness",
        format!(
            "lost {}, doubled {}, accounts wrong {} of {}",
            correctness.lost,
            correctness.duplicated,
            correctness.accounts_wrong,
            count(correctness.accounts_compared)
        ),
    ))
}

fn faults(run: &ChaosRun) -> Vec<String> {
    let status = run.status.clone().unwrap_or_default();
    let progress = status.progress.clone().unwrap_or_default();
    let mut lines = vec![named(
        "chaos",
        format!("{} {} {} {progress}", run.name_any(), status.phase, status.verdict),
    )];
    let skipped = status.injections.len().saturating_sub(INJECTIONS_MAX);
    lines.extend(status.injections[skipped..].iter().map(injection));
    lines
}

fn injection(injection: &Injection) -> String {
    let victim = injection.victim.as_ref().map_or("", |victim| victim.name.as_str());
    let pause = injection
        .longest_pause_ms
        .map(|ms| format!(", longest pause {}", micros(ms * 1000)));
    let stands = match (injection.state, injection.recovered_ms) {
        (InjectionState::Recovered, Some(ms)) => format!("recovered after {}", micros(ms * 1000)),
        (state, _) => state.to_string(),
    };
    named(
        "",
        format!(
            "{} {victim}: {stands}{}",
            injection.fault_type,
            pause.unwrap_or_default()
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use eoslab_report::Report;

    use super::*;

    fn loadtest(sample: &str) -> Result<LoadTest, Box<dyn Error>> {
        let report: Report = serde_json::from_str(sample)?;
        let mut loadtest = LoadTest::new(&report.load_test.name, report.spec);
        loadtest.metadata.namespace = Some(report.load_test.namespace);
        loadtest.status = Some(report.status);
        Ok(loadtest)
    }

    fn starting<'a>(lines: &'a [String], name: &str) -> &'a str {
        let found = lines.iter().find(|line| line.trim_start().starts_with(name));
        found.map_or("", String::as_str)
    }

    #[test]
    fn a_run_that_has_just_been_made_has_a_head_and_nothing_else() -> Result<(), Box<dyn Error>> {
        let mut loadtest = loadtest(include_str!("../../report/tests/page/sample.json"))?;
        loadtest.status = None;
        let lines = lines(&loadtest, &[]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("Pending"), "{lines:?}");
        Ok(())
    }

    #[test]
    fn latencies_that_are_not_valid_say_so() -> Result<(), Box<dyn Error>> {
        let mut loadtest = loadtest(include_str!("../../report/tests/page/sample.json"))?;
        for (validity, upper_bound, words) in [
            (Validity::Valid, false, "Valid"),
            (Validity::Saturated, false, "mean nothing"),
            (Validity::GeneratorBound, true, "upper bounds"),
        ] {
            if let Some(latency) = loadtest.status.as_mut().and_then(|status| status.latency.as_mut()) {
                (latency.validity, latency.upper_bound) = (validity, upper_bound);
            }
            let lines = lines(&loadtest, &[]);
            assert!(starting(&lines, "latency").contains(words), "{lines:?}");
        }
        Ok(())
    }

    #[test]
    fn a_search_shows_each_rate_and_what_stopped_it() -> Result<(), Box<dyn Error>> {
        let lines = lines(
            &loadtest(include_str!("../../report/tests/page/sample-search.json"))?,
            &[],
        );
        assert!(lines.iter().any(|line| line.contains("held")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("failed: ")), "{lines:?}");
        assert_ne!(starting(&lines, "bound by"), "");
        Ok(())
    }
}
