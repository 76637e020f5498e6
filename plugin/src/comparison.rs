//! `compare`: two runs side by side.

use std::path::Path;

use eoslab_report::display::{NONE, count, micros, rate};
use eoslab_report::{Comparison, Difference, Report, Unit};

use crate::Outcome;
use crate::args::{CompareArgs, Connection};
use crate::cluster::Cluster;
use crate::error::Error;

/// Longest value of a setting that is shown.
const VALUE_MAX: usize = 40;

/// Prints the comparison.
pub async fn compare(connection: &Connection, args: &CompareArgs) -> Result<Outcome, Error> {
    let a = load(connection, &args.a).await?;
    let b = load(connection, &args.b).await?;
    let comparison = eoslab_report::compare(&a, &b);
    for line in lines(&args.a, &args.b, &a, &b, &comparison) {
        println!("{line}");
    }
    Ok(match comparison {
        _ if comparison.is_worse() => Outcome::Fail,
        _ if !comparison.are_verified => Outcome::Other,
        _ => Outcome::Pass,
    })
}

/// A file where one is named, else the report of a LoadTest.
async fn load(connection: &Connection, name: &str) -> Result<Report, Error> {
    let path = Path::new(name);
    if !path.is_file() && !name.contains(['/', '.']) {
        let cluster = Cluster::connect(connection).await?;
        return cluster.report(&cluster.loadtest(name).await?).await;
    }
    let text = std::fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    Report::from_json(&text).map_err(|error| Error::Unreadable {
        from: name.to_owned(),
        message: error.to_string(),
    })
}

fn lines(name_a: &str, name_b: &str, a: &Report, b: &Report, comparison: &Comparison) -> Vec<String> {
    let row = |name: &str, a: &str, b: &str, change: &str, judgement: &str| {
        let line = format!("{name:<25}{a:>16}{b:>16}{change:>10}  {judgement}");
        line.trim_end().to_owned()
    };
    let of_latency = |report: &Report| {
        let latency = report.status.latency.as_ref();
        latency.map_or_else(String::new, |latency| latency.validity.to_string())
    };
    let mut lines = vec![
        row("", &short(name_a, 15), &short(name_b, 15), "change", ""),
        row(
            "verdict",
            a.status.verdict.as_str(),
            b.status.verdict.as_str(),
            "",
            comparison.verdict.as_str(),
        ),
        row(
            "latencies",
            &of_latency(a),
            &of_latency(b),
            "",
            comparison.validity.as_str(),
        ),
    ];
    lines.extend(comparison.differences.iter().map(|one| {
        let (a, b) = (text(one.unit, one.a), text(one.unit, one.b));
        row(one.name, &a, &b, &change(one), one.judgement.as_str())
    }));
    if !comparison.settings.is_empty() {
        lines.push(String::new());
        lines.push("settings that differ".to_owned());
    }
    let value = |value: &str| {
        if value.is_empty() {
            "(none)".to_owned()
        } else {
            short(value, VALUE_MAX)
        }
    };
    let settings = comparison.settings.iter();
    lines.extend(settings.map(|one| format!("  {}  {} -> {}", one.path, value(&one.a), value(&one.b))));
    lines
}

fn text(unit: Unit, value: Option<f64>) -> String {
    let Some(value) = value else {
        return NONE.to_owned();
    };
    let whole = value as u64;
    match unit {
        Unit::Count => count(whole),
        Unit::PerSecond => rate(whole),
        Unit::Us => micros(whole),
        Unit::CpuUs => format!("{value:.2} us"),
    }
}

fn change(difference: &Difference) -> String {
    difference
        .change()
        .map_or_else(String::new, |change| format!("{:+.1} %", change * 100.0))
}

fn short(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_row_and_every_differing_setting_a_line() -> Result<(), serde_json::Error> {
        let a: Report = serde_json::from_str(include_str!("../../report/tests/page/sample.json"))?;
        let mut b = a.clone();
        b.spec.producer.linger_ms += 20;
        let comparison = eoslab_report::compare(&a, &b);
        let lines = lines("a", "a-much-longer-name-of-a-run", &a, &b, &comparison);
        assert_eq!(lines.len(), 3 + comparison.differences.len() + 3, "{lines:#?}");
        assert!(lines[0].contains("a-much-longer-…"), "{}", lines[0]);
        assert!(lines.iter().any(|line| line.contains("spec.producer.lingerMs")));
        Ok(())
    }
}
