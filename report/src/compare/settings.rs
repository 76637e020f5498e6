//! Settings that two runs do not share.

use serde_json::Value;

use crate::Report;

/// A setting that the runs do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its path in the report, such as `spec.producer.lingerMs`.
    pub path: String,
    /// Its value in the first run; empty where it is not set.
    pub a: String,
    /// Its value in the second run.
    pub b: String,
}

/// Every setting of the spec and of the provenance in which they differ.
pub(super) fn settings(a: &Report, b: &Report) -> Vec<Setting> {
    let mut settings = Vec::new();
    let parts = |report: &Report| {
        [
            ("spec", serde_json::to_value(&report.spec)),
            ("provenance", serde_json::to_value(&report.provenance)),
        ]
        .map(|(name, value)| (name, value.unwrap_or_default()))
    };
    for ((name, in_a), (_, in_b)) in parts(a).into_iter().zip(parts(b)) {
        differing(name, Some(&in_a), Some(&in_b), &mut settings);
    }
    settings.retain(|setting| !IGNORED.iter().any(|name| setting.path == *name));
    settings
}

/// What two runs seldom share, and what changes nothing.
const IGNORED: [&str; 5] = [
    // It stands in the spec.
    "provenance.seed",
    "spec.topic.name",
    "provenance.consumerConfig.group.id",
    "provenance.consumerConfig.group.instance.id",
    "provenance.consumerConfig.client.id",
];

fn differing(path: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<Setting>) {
    if a == b {
        return;
    }
    if let (Some(Value::Object(in_a)), Some(Value::Object(in_b))) = (a, b) {
        let mut keys: Vec<&String> = in_a.keys().chain(in_b.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            differing(&format!("{path}.{key}"), in_a.get(key), in_b.get(key), found);
        }
        return;
    }
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    found.push(Setting {
        path: path.to_owned(),
        a: text(a),
        b: text(b),
    });
}
