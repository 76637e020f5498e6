//! `spec.topic`: its name and its configuration.

use std::collections::BTreeMap;
use std::fmt;

use super::SpecError;
use crate::LoadTestSpec;

/// Most that an event's record takes in the log besides its payload: key, varints, batch header; bytes.
const RECORD_OVERHEAD_BYTES: u32 = 256;
/// Kafka's default of max.message.bytes.
const MAX_MESSAGE_BYTES_DEFAULT: u32 = 1_048_588;

/// A name that Kafka accepts for a topic that is not its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicName(String);

impl TopicName {
    /// Checks a name.
    ///
    /// # Errors
    /// What Kafka, or we, have against it.
    pub fn parse(name: &str) -> Result<Self, SpecError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let why = match name {
            "" | "." | ".." => "is not a name",
            _ if name.len() > 249 => "has more than 249 characters",
            _ if !name.bytes().all(allowed) => "has other characters than letters, digits, '.', '_' and '-'",
            _ if name.starts_with("__") => "begins with '__', as Kafka's internal topics do",
            _ => return Ok(Self(name.to_owned())),
        };
        Err(SpecError::NameTopic {
            name: name.to_owned(),
            why,
        })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was written, and what the operator adds: nothing may expire or be compacted, a majority of the copies must be
/// in sync, and the events must fit.
pub(super) fn effective_config(spec: &LoadTestSpec) -> BTreeMap<String, String> {
    let mut config: BTreeMap<String, String> = [
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", "-1".to_owned()),
        ("retention.bytes", "-1".to_owned()),
        (
            "min.insync.replicas",
            spec.topic.replication_factor.div_ceil(2).to_string(),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let needed = message_bytes_needed(spec);
    if needed > MAX_MESSAGE_BYTES_DEFAULT {
        config.insert("max.message.bytes".to_owned(), needed.to_string());
    }
    config.extend(spec.topic.config.clone());
    config
}

/// Checks `spec.topic.config`.
pub(super) fn check_config(spec: &LoadTestSpec, errors: &mut Vec<SpecError>) {
    let config = &spec.topic.config;
    if let Some(policy) = config.get("cleanup.policy").filter(|policy| *policy != "delete") {
        let policy = policy.clone();
        errors.push(SpecError::CompactTopic { policy });
    }
    let replication_factor = spec.topic.replication_factor;
    if let Some(value) = config.get("min.insync.replicas")
        && !value.parse().is_ok_and(|n: u32| (1..=replication_factor).contains(&n))
    {
        let value = value.clone();
        errors.push(SpecError::RequireReplicas {
            value,
            replication_factor,
        });
    }
    let needed = message_bytes_needed(spec);
    if let Some(value) = config.get("max.message.bytes")
        && !value.parse().is_ok_and(|n: u32| n >= needed)
    {
        let value = value.clone();
        errors.push(SpecError::LimitMessage { value, needed });
    }
    for key in ["retention.ms", "retention.bytes"] {
        if let Some(value) = config.get(key).filter(|value| value.parse::<i64>().is_err()) {
            let value = value.clone();
            errors.push(SpecError::ParseRetention { key, value });
        }
    }
}

fn message_bytes_needed(spec: &LoadTestSpec) -> u32 {
    spec.stream.message_size_bytes.saturating_add(RECORD_OVERHEAD_BYTES)
}
