use std::error::Error;

use super::*;

/// A run of three minutes whose p99 wanders around `p99_us`.
fn report(p99_us: u64) -> Result<Report, Box<dyn Error>> {
    let mut report: Report = serde_json::from_str(include_str!("../../tests/page/sample.json"))?;
    report.faults.clear();
    report.pauses.clear();
    report.series.points = (0..180)
        .map(|second| Point {
            from_ms: second * 1000 + i64::from(report.spec.producer.warmup_seconds) * 1000,
            at_ms: (second + 1) * 1000 + i64::from(report.spec.producer.warmup_seconds) * 1000,
            sent_per_second: 20_000,
            end_to_end: Some(crate::LatencyPoint {
                samples: 20_000,
                p50_us: 5_000,
                p99_us: p99_us * (90 + (second as u64 * 37) % 21) / 100,
                max_us: p99_us * 2,
            }),
            ..Point::default()
        })
        .collect();
    if let Some(latency) = &mut report.status.latency {
        latency.validity = Validity::Valid;
        if let Some(end_to_end) = &mut latency.end_to_end {
            end_to_end.p99_us = p99_us;
        }
    }
    Ok(report)
}

fn judgement(a: &Report, b: &Report, name: &str) -> Option<Judgement> {
    let comparison = compare(a, b);
    let found = comparison.differences.iter().find(|one| one.name == name);
    found.map(|difference| difference.judgement)
}

#[test]
fn a_run_is_worse_only_by_more_than_its_noise() -> Result<(), Box<dyn Error>> {
    let base = report(40_000)?;
    let p99 = |other: u64| -> Result<_, Box<dyn Error>> { Ok(judgement(&base, &report(other)?, "end to end p99")) };
    assert_eq!(p99(40_000)?, Some(Judgement::Equal));
    assert_eq!(p99(41_000)?, Some(Judgement::Noise), "2.5 % is none that matters");
    assert_eq!(p99(60_000)?, Some(Judgement::Worse));
    assert_eq!(p99(20_000)?, Some(Judgement::Better));
    assert!(compare(&base, &report(60_000)?).is_worse());
    assert!(!compare(&base, &report(20_000)?).is_worse());
    Ok(())
}

#[test]
fn a_short_run_says_nothing_of_its_noise() -> Result<(), Box<dyn Error>> {
    let (base, mut short) = (report(40_000)?, report(80_000)?);
    short.series.points.truncate(20);
    assert_eq!(
        judgement(&base, &short, "end to end p99"),
        Some(Judgement::OneValueEach)
    );
    Ok(())
}

#[test]
fn latencies_that_are_not_valid_are_not_compared() -> Result<(), Box<dyn Error>> {
    let (base, mut other) = (report(40_000)?, report(80_000)?);
    if let Some(latency) = &mut other.status.latency {
        latency.validity = Validity::Saturated;
    }
    assert_eq!(judgement(&base, &other, "end to end p99"), Some(Judgement::NotValid));
    assert_eq!(judgement(&base, &other, "rate sent"), Some(Judgement::Equal));
    assert!(
        compare(&base, &other).is_worse(),
        "a run that saturates is worse than one that does not"
    );
    assert!(!compare(&other, &base).is_worse());
    Ok(())
}

#[test]
fn one_lost_event_is_worse() -> Result<(), Box<dyn Error>> {
    let (base, mut other) = (report(40_000)?, report(40_000)?);
    if let Some(correctness) = &mut other.status.correctness {
        correctness.lost += 1;
    }
    assert_eq!(judgement(&base, &other, "lost"), Some(Judgement::Worse));
    assert_eq!(judgement(&other, &base, "lost"), Some(Judgement::Better));
    Ok(())
}

#[test]
fn a_few_bad_seconds_are_told_and_not_called_noise() -> Result<(), Box<dyn Error>> {
    let (base, mut other) = (report(40_000)?, report(40_000)?);
    for point in &mut other.series.points[90..93] {
        if let Some(latency) = &mut point.end_to_end {
            latency.p99_us = 3_000_000;
        }
    }
    if let Some(end_to_end) = other.status.latency.as_mut().and_then(|of| of.end_to_end.as_mut()) {
        end_to_end.p99_us = 3_000_000;
    }
    assert_eq!(judgement(&base, &other, "end to end p99"), Some(Judgement::Moments));
    Ok(())
}

#[test]
fn a_run_that_was_not_verified_or_did_not_pass_is_no_equal() -> Result<(), Box<dyn Error>> {
    let (base, mut other) = (report(40_000)?, report(40_000)?);
    assert!(compare(&base, &base).are_verified);
    other.status.verdict = Verdict::Aborted;
    assert!(compare(&base, &other).is_worse());
    if let Some(correctness) = &mut other.status.correctness {
        correctness.digest_matches = None;
    }
    let comparison = compare(&base, &other);
    assert!(!comparison.are_verified);
    assert_eq!(judgement(&base, &other, "lost"), Some(Judgement::Missing));
    Ok(())
}

#[test]
fn settings_that_differ_are_named_by_their_path() -> Result<(), Box<dyn Error>> {
    let (base, mut other) = (report(40_000)?, report(40_000)?);
    assert_eq!(compare(&base, &other).settings, []);
    other.spec.producer.linger_ms += 1;
    other.spec.topic.name.push('x');
    let settings = compare(&base, &other).settings;
    let paths: Vec<&str> = settings.iter().map(|setting| setting.path.as_str()).collect();
    assert_eq!(paths, ["spec.producer.lingerMs"], "the topic's name changes nothing");
    assert_eq!(settings[0].b, other.spec.producer.linger_ms.to_string());
    Ok(())
}
