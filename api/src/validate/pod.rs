//! Resources and placement of the load pods.

use super::SpecError;
use crate::{ComputeResources, LoadTestSpec, Resources, TaintEffect, Toleration, TolerationOperator, memory};

/// Checks `resources` of both roles and `podTemplate`.
pub(super) fn check(spec: &LoadTestSpec, errors: &mut Vec<SpecError>) {
    check_resources(
        "producer",
        &spec.producer.resources,
        memory::producer_bytes(spec),
        spec,
        errors,
    );
    check_resources(
        "counter",
        &spec.counter.resources,
        memory::counter_bytes(spec),
        spec,
        errors,
    );
    let Some(template) = &spec.pod_template else { return };
    for (key, value) in &template.node_selector {
        if !is_label_key(key) || !is_label_value(value) {
            let label = format!("{key}: {value}");
            errors.push(SpecError::SelectNodes { label });
        }
    }
    let refused = template.tolerations.iter().filter_map(toleration_error);
    errors.extend(refused.map(|why| SpecError::TolerateTaint { why }));
}

fn check_resources(
    role: &'static str,
    resources: &Resources,
    needed_bytes: u64,
    spec: &LoadTestSpec,
    errors: &mut Vec<SpecError>,
) {
    let field = |of: &str, amount: &str| format!("spec.{role}.resources.{of}.{amount}");
    let mut amounts = |of: &'static str, amounts: &Option<ComputeResources>| {
        let amounts = amounts.clone().unwrap_or_default();
        let cpu = amount(amounts.cpu, milli_cpus, || field(of, "cpu"), "500m or \"2\"", errors);
        let memory = amount(amounts.memory, bytes, || field(of, "memory"), "512Mi or 2Gi", errors);
        (cpu, memory)
    };
    let (request_cpu, request_memory) = amounts("requests", &resources.requests);
    let (limit_cpu, limit_memory) = amounts("limits", &resources.limits);
    for (name, request, limit) in [
        ("cpu", request_cpu, limit_cpu),
        ("memory", request_memory, limit_memory),
    ] {
        if let (Some(request), Some(limit)) = (request, limit)
            && request > limit
        {
            errors.push(SpecError::RequestResources {
                field: field("requests", name),
            });
        }
    }
    if let Some(limit) = limit_memory.filter(|limit| *limit < needed_bytes) {
        errors.push(SpecError::FitMemory {
            field: field("limits", "memory"),
            role,
            limit_mib: limit >> 20,
            needed_mib: needed_bytes.div_ceil(1 << 20),
            accounts: spec.stream.accounts,
        });
    }
}

/// Parses an amount if there is one; what is wrong with it goes into the list.
fn amount(
    text: Option<String>,
    parse: impl Fn(&str) -> Option<u64>,
    field: impl Fn() -> String,
    example: &'static str,
    errors: &mut Vec<SpecError>,
) -> Option<u64> {
    let value = text?;
    let parsed = parse(&value);
    if parsed.is_none() {
        let field = field();
        errors.push(SpecError::ParseAmount { field, value, example });
    }
    parsed
}

/// Thousandths of a CPU of an amount such as `500m` or `1.5`; `None` if it is none.
pub fn milli_cpus(text: &str) -> Option<u64> {
    if let Some(milli) = text.strip_suffix('m') {
        return number(milli);
    }
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let milli = format!("{places:0<3}");
    (places.len() <= 3).then_some(())?;
    number(whole)?.checked_mul(1000)?.checked_add(number(&milli)?)
}

/// Bytes of an amount of memory.
fn bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
    ];
    let with_unit = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (digits, unit) = with_unit.unwrap_or((text, 1));
    number(digits)?.checked_mul(unit)
}

fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// `[prefix/]name` as Kubernetes has it.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        (1..=253).contains(&prefix.len()) && prefix.bytes().all(allowed)
    };
    prefix.is_none_or(is_prefix) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let edge = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    value.len() <= 63 && value.bytes().all(allowed) && edge(value.bytes().next()) && edge(value.bytes().last())
}

fn toleration_error(toleration: &Toleration) -> Option<&'static str> {
    let exists = toleration.operator == TolerationOperator::Exists;
    let key = toleration.key.as_deref().unwrap_or_default();
    if exists && toleration.value.is_some() {
        Some("operator Exists takes no value")
    } else if !exists && key.is_empty() {
        Some("operator Equal needs a key")
    } else if !key.is_empty() && !is_label_key(key) {
        Some("a key is not that of a taint")
    } else if !is_label_value(toleration.value.as_deref().unwrap_or_default()) {
        Some("a value is not that of a taint")
    } else if toleration.toleration_seconds.is_some() && toleration.effect != Some(TaintEffect::NoExecute) {
        Some("tolerationSeconds needs the effect NoExecute")
    } else {
        None
    }
}
