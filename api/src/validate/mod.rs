//! Semantic validation: what CEL cannot say, and the types that the operator builds from.
//!
//! [`LoadTestSpec::validate`] reports every mistake at once, each naming its field and the fix. It repeats the CEL
//! rules that the operator's work depends on, so an object that was stored under an older definition cannot slip
//! through.

mod error;
mod kafka;
mod pod;
mod redis;
mod run;
mod topic;

pub use error::{SpecError, SpecErrors};
pub use kafka::{BROKER_PROPERTIES, BootstrapServers, OWNED_PROPERTIES, SECRET_PROPERTIES};
pub use pod::milli_cpus;
pub use redis::{RedisSource, RedisUrls};
pub use run::{EVENTS_MAX, RATE_MAX, Rate, RunLength, ZipfExponent};
pub use topic::TopicName;

use std::collections::BTreeMap;

use crate::{LoadTestSpec, SecretKeyRef};

/// A spec that passed validation: the plain fields as they were written, and typed what had to be parsed.
///
/// Only [`LoadTestSpec::validate`] makes one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ValidSpec {
    /// The spec as it was written, defaults included.
    pub spec: LoadTestSpec,
    /// Addresses of the Kafka cluster.
    pub bootstrap_servers: BootstrapServers,
    /// Name of the topic.
    pub topic: TopicName,
    /// The topic's whole configuration: what was written, and what the operator adds.
    pub topic_config: BTreeMap<String, String>,
    /// Skew of the accounts.
    pub zipf_exponent: ZipfExponent,
    /// Rate of the whole run.
    pub rate: Rate,
    /// When the run ends.
    pub length: RunLength,
    /// Where the ledger is.
    pub redis: RedisSource,
}

impl LoadTestSpec {
    /// Validates the whole spec; of a search, its first run.
    ///
    /// # Errors
    /// Every mistake that was found, in the order of the fields.
    pub fn validate(&self) -> Result<ValidSpec, SpecErrors> {
        if self.producer.is_search() {
            let search = self.search.clone().unwrap_or_default();
            return self.at_rate(1, search.start_rate, search.probe_seconds).validate();
        }
        let mut errors = Vec::new();
        let valid = self.parse(&mut errors);
        kafka::check_client_properties(&self.kafka.client_properties, &mut errors);
        kafka::check_protocol(self, &mut errors);
        topic::check_config(self, &mut errors);
        run::check(self, &mut errors);
        pod::check(self, &mut errors);
        match (valid, SpecErrors::new(errors)) {
            (Some(valid), None) => Ok(valid),
            (_, Some(errors)) => Err(errors),
            (None, None) => unreachable!("a value that cannot be parsed leaves an error"),
        }
    }

    /// Parses what has a type of its own; `None` when one of them left an error.
    fn parse(&self, errors: &mut Vec<SpecError>) -> Option<ValidSpec> {
        let bootstrap_servers = noted(BootstrapServers::parse(&self.kafka.bootstrap_servers), errors);
        let topic = noted(TopicName::parse(&self.topic.name), errors);
        let zipf_exponent = noted(ZipfExponent::parse(&self.stream.zipf_exponent), errors);
        let rate = noted(Rate::parse(&self.producer.rate), errors);
        let length = noted(RunLength::parse(&self.producer), errors);
        let redis = noted(self.redis(), errors);
        Some(ValidSpec {
            spec: self.clone(),
            bootstrap_servers: bootstrap_servers?,
            topic: topic?,
            topic_config: topic::effective_config(self),
            zipf_exponent: zipf_exponent?,
            rate: rate?,
            length: length?,
            redis: redis?,
        })
    }

    fn redis(&self) -> Result<RedisSource, SpecError> {
        let redis = &self.ledger.redis;
        match (&redis.url, &redis.url_secret_ref) {
            (Some(url), None) if url.contains('@') => Err(SpecError::ExposeRedisPassword),
            (Some(url), None) => RedisUrls::parse(url)
                .map(RedisSource::Urls)
                .map_err(|why| SpecError::ParseRedisUrl { why: why.to_string() }),
            (None, Some(SecretKeyRef { name, key })) => Ok(RedisSource::Secret {
                name: name.clone(),
                key: key.clone(),
            }),
            _ => Err(SpecError::ChooseRedis),
        }
    }
}

/// The value, or its error into the list.
fn noted<T>(result: Result<T, SpecError>, errors: &mut Vec<SpecError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}
