//! `spec.kafka`: addresses and client properties.

use std::collections::BTreeMap;
use std::fmt;

use super::SpecError;
use crate::{LoadTestSpec, Protocol};

/// Client properties that eoslab sets itself; the CEL rule of the resource lists the same.
pub const OWNED_PROPERTIES: &[&str] = &[
    "acks",
    "auto.commit.enable",
    "auto.offset.reset",
    "batch.num.messages",
    "batch.size",
    "bootstrap.servers",
    "client.id",
    "compression.codec",
    "compression.type",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "enabled_events",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "isolation.level",
    "linger.ms",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "partitioner_cb",
    "plugin.library.paths",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "request.required.acks",
    "session.timeout.ms",
    "ssl.engine.location",
    "statistics.interval.ms",
    "transactional.id",
];

/// Client properties that are credentials; the CEL rule of the resource lists the same.
pub const SECRET_PROPERTIES: &[&str] = &[
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Client properties that librdkafka refuses with the protocol `consumer`, those aside that eoslab sets itself; the CEL
/// rule of the resource lists the same.
pub const BROKER_PROPERTIES: &[&str] = &["group.protocol.type", "heartbeat.interval.ms"];

/// Addresses of a Kafka cluster, each `host:port` with a port that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapServers(String);

impl BootstrapServers {
    /// Checks every address.
    ///
    /// # Errors
    /// The first one that no client could connect to.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        for address in text.split(',') {
            check_address(address).map_err(|why| SpecError::ParseBootstrapServers {
                address: address.to_owned(),
                why,
            })?;
        }
        Ok(Self(text.to_owned()))
    }

    /// As Kafka clients take it: `host:port[,host:port]...`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BootstrapServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks `host:port`; shared with the addresses of Redis.
pub(super) fn check_address(address: &str) -> Result<(), &'static str> {
    let (host, port) = address.rsplit_once(':').ok_or("has no port")?;
    match port.parse::<u16>() {
        Ok(1..) if port.bytes().all(|b| b.is_ascii_digit()) => check_host(host),
        _ => Err("has a port that is not a number from 1 to 65535"),
    }
}

/// Checks a DNS name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or("has a bracket that is not closed")?;
        return inner
            .parse::<std::net::Ipv6Addr>()
            .map(|_| ())
            .map_err(|_| "is not an IPv6 address within its brackets");
    }
    if host.len() > 253 {
        return Err("has a host name of more than 253 characters");
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match host.strip_suffix('.').unwrap_or(host).split('.').all(is_label) {
        true => Ok(()),
        false => Err("has a host that is not a DNS name"),
    }
}

/// Checks `spec.kafka.clientProperties`.
pub(super) fn check_client_properties(properties: &BTreeMap<String, String>, errors: &mut Vec<SpecError>) {
    for (key, value) in properties {
        let key = key.clone();
        // librdkafka takes any topic property with this prefix as well.
        if OWNED_PROPERTIES.contains(&key.as_str()) || key.starts_with("default.topic.") {
            errors.push(SpecError::OverrideClientProperty { key });
        } else if SECRET_PROPERTIES.contains(&key.as_str()) {
            errors.push(SpecError::ExposeCredential { key });
        } else if !is_property(&key) || value.contains('\n') {
            errors.push(SpecError::ParseClientProperty { key });
        }
    }
}

/// Checks what the group's protocol leaves to the brokers.
pub(super) fn check_protocol(spec: &LoadTestSpec, errors: &mut Vec<SpecError>) {
    if spec.counter.protocol == Protocol::Classic {
        return;
    }
    let properties = &spec.kafka.client_properties;
    let refused = BROKER_PROPERTIES.iter().filter(|key| properties.contains_key(**key));
    errors.extend(refused.map(|key| SpecError::CombineProtocol { key }));
}

fn is_property(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'_';
    (1..=100).contains(&key.len()) && key.bytes().all(allowed) && !key.starts_with(['.', '_'])
}
