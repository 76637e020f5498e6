//! The Kafka client configuration: all defaults that the pods share are set here and nowhere else.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use thiserror::Error;

use crate::args::KafkaArgs;

/// Defaults of every client. Brokers are killed on purpose here, so clients must find a restarted one, which has a new
/// address, and the new leader of its partitions in well under a second; the librdkafka defaults take up to ten.
const SHARED_DEFAULTS: [(&str, &str); 12] = [
    ("client.software.name", "eoslab"),
    ("broker.address.ttl", "500"),
    ("reconnect.backoff.ms", "20"),
    ("reconnect.backoff.max.ms", "500"),
    ("socket.connection.setup.timeout.ms", "3000"),
    ("socket.timeout.ms", "10000"),
    ("socket.keepalive.enable", "true"),
    ("retry.backoff.ms", "50"),
    ("retry.backoff.max.ms", "500"),
    ("topic.metadata.refresh.fast.interval.ms", "50"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("log.connection.close", "false"),
];

/// Properties that eoslab sets itself, and the flag that sets them.
const OWNED: [(&str, &str); 41] = [
    ("bootstrap.servers", "--bootstrap-servers"),
    ("metadata.broker.list", "--bootstrap-servers"),
    ("acks", "--acks"),
    ("request.required.acks", "--acks"),
    ("enable.idempotence", "--idempotence"),
    ("enable.gapless.guarantee", "--idempotence"),
    ("linger.ms", "--linger-ms"),
    ("queue.buffering.max.ms", "--linger-ms"),
    ("batch.size", "--batch-size"),
    ("compression.type", "--compression"),
    ("compression.codec", "--compression"),
    ("message.timeout.ms", "--delivery-timeout-ms"),
    ("delivery.timeout.ms", "--delivery-timeout-ms"),
    ("queue.buffering.max.messages", "--queue-mib"),
    ("queue.buffering.max.kbytes", "--queue-mib"),
    ("message.max.bytes", "--message-size"),
    ("group.id", "--group-id"),
    ("group.instance.id", "--static-membership"),
    ("partition.assignment.strategy", "--assignor"),
    ("session.timeout.ms", "--session-timeout-ms"),
    ("enable.auto.commit", "--mode"),
    ("auto.commit.enable", "--mode"),
    ("enable.auto.offset.store", "--mode"),
    ("auto.offset.reset", "--mode"),
    ("client.id", NOT_ADJUSTABLE),
    ("batch.num.messages", "--batch-size"),
    ("max.in.flight", NOT_ADJUSTABLE),
    ("max.in.flight.requests.per.connection", NOT_ADJUSTABLE),
    ("group.protocol", "--protocol"),
    ("group.remote.assignor", "--assignor"),
    ("isolation.level", NOT_ADJUSTABLE),
    ("plugin.library.paths", NOT_ADJUSTABLE),
    ("ssl.engine.location", NOT_ADJUSTABLE),
    ("statistics.interval.ms", NOT_ADJUSTABLE),
    ("transactional.id", NOT_ADJUSTABLE),
    ("partitioner", NOT_ADJUSTABLE),
    ("partitioner_cb", NOT_ADJUSTABLE),
    ("delivery.report.only.error", NOT_ADJUSTABLE),
    ("enable.partition.eof", NOT_ADJUSTABLE),
    ("enabled_events", NOT_ADJUSTABLE),
    ("queuing.strategy", NOT_ADJUSTABLE),
];

const NOT_ADJUSTABLE: &str = "";

/// What reports show instead of a secret.
const HIDDEN: &str = "[hidden]";

/// Why `--client-properties` cannot be used. Values are never shown: they may be secrets.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KafkaConfigError {
    /// An entry without `=` or without a key.
    #[error("--client-properties: entry {0} is not key=value (write a comma within a value as \\,)")]
    NotAPair(usize),
    /// A key that a flag of eoslab sets.
    #[error("--client-properties must not set {key}: use {flag}")]
    Owned {
        /// The property.
        key: String,
        /// The flag to use instead.
        flag: &'static str,
    },
    /// A key whose value the correctness of eoslab depends on.
    #[error("--client-properties must not set {0}: eoslab depends on its own value")]
    Fixed(String),
    /// No broker to start from.
    #[error("--bootstrap-servers is empty: give host:port of at least one broker")]
    NoBootstrap,
    /// No topic.
    #[error("--topic is empty: give the topic of the events")]
    NoTopic,
}

/// The configuration that all clients start from: shared defaults, then the user's own properties.
pub fn client_config(args: &KafkaArgs) -> Result<ClientConfig, KafkaConfigError> {
    client_config_with(args, &[])
}

/// Shared defaults, then those of a role, then the user's own properties, which win; those that eoslab owns are
/// refused there.
pub fn client_config_with(args: &KafkaArgs, role: &[(&str, String)]) -> Result<ClientConfig, KafkaConfigError> {
    if args.bootstrap_servers.trim().is_empty() {
        return Err(KafkaConfigError::NoBootstrap);
    }
    if args.topic.is_empty() {
        return Err(KafkaConfigError::NoTopic);
    }
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", args.bootstrap_servers.trim());
    for (key, value) in SHARED_DEFAULTS {
        config.set(key, value);
    }
    for (key, value) in role {
        config.set(*key, value);
    }
    for (key, value) in parse_properties(&args.client_properties)? {
        refuse_owned(&key)?;
        config.set(key, value);
    }
    Ok(config)
}

/// What a client is configured with, as reports show it: secrets are hidden.
pub fn shown(config: &ClientConfig) -> BTreeMap<String, String> {
    let all = config.config_map().into_iter();
    all.map(|(key, value)| (key.to_owned(), if is_secret(key) { HIDDEN } else { value }.to_owned()))
        .collect()
}

/// Passwords, passphrases, keys given inline, and what a token is got with.
fn is_secret(key: &str) -> bool {
    ["pass", "secret", ".pem", "oauthbearer.config"]
        .iter()
        .any(|part| key.contains(part))
}

fn refuse_owned(key: &str) -> Result<(), KafkaConfigError> {
    // librdkafka accepts the prefix for properties of a topic.
    let bare = key.strip_prefix("default.topic.").unwrap_or(key);
    match OWNED.iter().find(|(owned, _)| *owned == bare) {
        None => Ok(()),
        Some((_, NOT_ADJUSTABLE)) => Err(KafkaConfigError::Fixed(key.to_owned())),
        Some((_, flag)) => Err(KafkaConfigError::Owned {
            key: key.to_owned(),
            flag,
        }),
    }
}

/// Splits `k=v,k=v`; a backslash takes the next character as it is. Empty entries are allowed, as after a last comma.
fn parse_properties(text: &str) -> Result<Vec<(String, String)>, KafkaConfigError> {
    let mut properties = Vec::new();
    for (index, entry) in split_escaped(text).into_iter().enumerate() {
        if entry.trim().is_empty() {
            continue;
        }
        match entry.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                properties.push((key.trim().to_owned(), value.trim().to_owned()));
            }
            _ => return Err(KafkaConfigError::NotAPair(index + 1)),
        }
    }
    Ok(properties)
}

fn split_escaped(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let taken = match character {
            ',' => {
                entries.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let Some(last) = entries.last_mut() {
            last.extend(taken);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::BaseProducer;

    use super::*;

    fn args(client_properties: &str) -> KafkaArgs {
        KafkaArgs {
            bootstrap_servers: "localhost:1".into(),
            topic: "events".into(),
            client_properties: client_properties.into(),
        }
    }

    #[test]
    fn the_users_properties_win_over_shared_and_role_defaults() -> Result<(), KafkaConfigError> {
        let role = [
            ("socket.timeout.ms", "1".to_owned()),
            ("fetch.wait.max.ms", "50".to_owned()),
        ];
        let config = client_config_with(&args(r"socket.timeout.ms = 7000, sasl.password=a\,b\\c=d,"), &role)?;
        assert_eq!(config.get("socket.timeout.ms"), Some("7000"));
        assert_eq!(config.get("fetch.wait.max.ms"), Some("50"));
        assert_eq!(config.get("sasl.password"), Some(r"a,b\c=d"));
        assert_eq!(config.get("reconnect.backoff.ms"), Some("20"));
        Ok(())
    }

    #[test]
    fn owned_properties_are_refused_with_the_flag_to_use() {
        let error = client_config(&args("log.queue=x,acks=1")).expect_err("acks is owned");
        assert_eq!(error.to_string(), "--client-properties must not set acks: use --acks");
        let error = client_config(&args("default.topic.compression.codec=lz4")).expect_err("owned by another name");
        assert!(error.to_string().contains("--compression"), "{error}");
        let error = client_config(&args("transactional.id=x")).expect_err("fixed");
        assert_eq!(error, KafkaConfigError::Fixed("transactional.id".into()));
    }

    #[test]
    fn reports_hide_secrets() -> Result<(), KafkaConfigError> {
        let secrets = [
            "sasl.password",
            "ssl.key.pem",
            "ssl.key.password",
            "ssl.keystore.password",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.assertion.private.key.passphrase",
        ];
        let properties = secrets.map(|key| format!("{key}=hunter2")).join(",");
        let shown = shown(&client_config(&args(&format!("{properties},ssl.ca.location=/ca.crt")))?);
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
        assert!(secrets.iter().all(|key| shown[*key] == HIDDEN), "{shown:?}");
        assert_eq!(shown["ssl.ca.location"], "/ca.crt");
        Ok(())
    }

    #[test]
    fn malformed_properties_are_refused_without_showing_them() {
        let error = client_config(&args("log.queue=x,sasl.password:hunter2")).expect_err("no pair");
        assert_eq!(error, KafkaConfigError::NotAPair(2));
        assert!(!error.to_string().contains("hunter2"));
        assert_eq!(
            client_config(&args("=x")).expect_err("no key"),
            KafkaConfigError::NotAPair(1)
        );
    }

    #[test]
    fn a_client_needs_a_broker_and_a_topic() {
        let mut no_broker = args("");
        no_broker.bootstrap_servers = " ".into();
        assert_eq!(
            client_config(&no_broker).expect_err("no broker"),
            KafkaConfigError::NoBootstrap
        );
        let mut no_topic = args("");
        no_topic.topic = String::new();
        assert_eq!(
            client_config(&no_topic).expect_err("no topic"),
            KafkaConfigError::NoTopic
        );
    }

    #[test]
    fn librdkafka_knows_every_shared_and_every_owned_property() {
        let config = client_config(&args("")).expect("valid");
        config
            .create::<BaseProducer>()
            .expect("a producer accepts the shared defaults");
        config
            .create::<BaseConsumer>()
            .expect("a consumer accepts the shared defaults");
        for (key, _) in OWNED {
            let mut config = ClientConfig::new();
            config.set(key, "\u{1}");
            let error = config
                .create_native_config()
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(!error.contains("No such configuration property"), "{key}: {error}");
        }
    }
}
