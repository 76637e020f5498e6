//! The table of metrics in the documentation, from what a program really exports. For tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// A family of metrics as the text format tells it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// Compares the committed table of `program` with what it exports, a text in Prometheus's format that holds a sample of
/// each metric; writes the table where `EOSLAB_REGENERATE` is set.
///
/// # Errors
/// When they differ, with how to mend it.
pub fn check(program: &str, exported: &str) -> Result<(), String> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/monitoring/metrics"));
    let path = folder.join(format!("{program}.md"));
    let table = table(program, exported);
    if std::env::var_os("EOSLAB_REGENERATE").is_some() {
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &table));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match std::fs::read_to_string(&path).is_ok_and(|committed| committed == table) {
        true => Ok(()),
        false => Err(format!(
            "{} is not what {program} exports; run its tests with EOSLAB_REGENERATE=1",
            path.display()
        )),
    }
}

fn table(program: &str, exported: &str) -> String {
    let mut table = format!("# Metrics of `{program}`\n\nGenerated from what it exports.\n\n");
    table += "| name | type | labels | what it says |\n| --- | --- | --- | --- |\n";
    for (name, family) in families(exported) {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = family.help.trim_end_matches('.');
        // A text that is written to memory cannot fail.
        let _ = writeln!(table, "| `{name}` | {} | {} | {help} |", family.kind, labels.join(", "));
    }
    table
}

fn families(exported: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in exported.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                families.entry(name.to_owned()).or_default().help = help.to_owned();
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                families.entry(name.to_owned()).or_default().kind = kind.to_owned();
            }
            _ => note_labels(&mut families, line),
        }
    }
    families
}

fn note_labels(families: &mut BTreeMap<String, Family>, sample: &str) {
    let Some((name, rest)) = sample.split_once('{') else {
        return;
    };
    let name = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix).filter(|bare| families.contains_key(*bare)))
        .unwrap_or(name);
    let Some(family) = families.get_mut(name) else {
        return;
    };
    // What stands before each `="`, back to the end of the value before it.
    let ends = rest.match_indices("=\"").map(|(end, _)| &rest[..end]);
    let labels = ends.filter_map(|before| before.rsplit([',', '"']).next());
    family
        .labels
        .extend(labels.filter(|label| *label != "le").map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_metric_with_its_labels() {
        let exported = "# HELP a_total How many.\n# TYPE a_total counter\na_total{kind=\"x, y\",of=\"z\"} 1\n\
                        # HELP b_seconds How long\n# TYPE b_seconds histogram\n\
                        b_seconds_bucket{basis=\"q\",le=\"0.1\"} 1\nb_seconds_sum{basis=\"q\"} 1\n";
        let table = table("p", exported);
        assert!(
            table.contains("| `a_total` | counter | `kind`, `of` | How many |"),
            "{table}"
        );
        assert!(
            table.contains("| `b_seconds` | histogram | `basis` | How long |"),
            "{table}"
        );
        assert_eq!(table.lines().count(), 8, "{table}");
    }
}
