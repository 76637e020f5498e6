//! How fast, how long, how skewed, and whether it all fits together.

use std::fmt;
use std::num::NonZeroU32;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::SpecError;
use crate::{Acks, LoadTestSpec, ProducerSpec};

/// Highest rate, events a second.
pub const RATE_MAX: u32 = 10_000_000;
/// Most events of a run.
pub const EVENTS_MAX: u64 = 1_000_000_000_000;
/// Most accounts of one partition, whose totals of 8 bytes are one value of Redis (512 MiB), with room for an uneven
/// spread.
const ACCOUNTS_PER_PARTITION_MAX: u64 = 60_000_000;

/// Rate of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Events a second on an absolute schedule: an open model.
    PerSecond(NonZeroU32),
    /// As fast as Kafka acknowledges: a closed loop.
    Max,
}

impl Rate {
    /// Parses `spec.producer.rate`.
    ///
    /// # Errors
    /// When it is neither a number from 1 to [`RATE_MAX`] nor `max`.
    pub fn parse(rate: &IntOrString) -> Result<Self, SpecError> {
        let text = match rate {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(text) => text.clone(),
        };
        if text == "max" {
            return Ok(Self::Max);
        }
        let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        match number.filter(|number| *number <= RATE_MAX).and_then(NonZeroU32::new) {
            Some(number) => Ok(Self::PerSecond(number)),
            None => Err(SpecError::ParseRate { value: text }),
        }
    }

    /// Events a second; `None` in a closed loop.
    pub fn per_second(self) -> Option<u32> {
        match self {
            Self::PerSecond(number) => Some(number.get()),
            Self::Max => None,
        }
    }
}

/// As the load pods take it: the number, or `max`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(number) => number.fmt(f),
            Self::Max => f.write_str("max"),
        }
    }
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunLength {
    /// After this many events.
    Events(u64),
    /// After this many seconds of sending, warm-up included.
    Seconds(u32),
}

impl RunLength {
    /// Takes `events` or `durationSeconds`.
    ///
    /// # Errors
    /// When both or none is given, or the run would have more than [`EVENTS_MAX`] events.
    pub fn parse(producer: &ProducerSpec) -> Result<Self, SpecError> {
        match (producer.events, producer.duration_seconds) {
            (Some(events), None) if events > EVENTS_MAX => Err(SpecError::CountEvents { events }),
            (Some(events), None) => Ok(Self::Events(events)),
            (None, Some(seconds)) => Ok(Self::Seconds(seconds)),
            _ => Err(SpecError::ChooseLength),
        }
    }
}

/// Exponent of the Zipf distribution of the accounts, from 0 to 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZipfExponent(String);

impl ZipfExponent {
    /// Parses a decimal such as `1.1`.
    ///
    /// # Errors
    /// When it is no decimal from 0 to 3 of at most six places.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let (whole, places) = text.split_once('.').map_or((text, None), |(w, p)| (w, Some(p)));
        let digits =
            |text: &str, max: usize| (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let is_decimal = digits(whole, 1) && places.is_none_or(|places| digits(places, 6));
        let in_range = text.parse::<f64>().is_ok_and(|value| (0.0..=3.0).contains(&value));
        match is_decimal && in_range {
            true => Ok(Self(text.to_owned())),
            false => Err(SpecError::ParseZipfExponent { value: text.to_owned() }),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number.
    pub fn value(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for ZipfExponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks what spans fields.
pub(super) fn check(spec: &LoadTestSpec, errors: &mut Vec<SpecError>) {
    check_stream(spec, errors);
    check_members(spec, errors);
    check_producer(&spec.producer, errors);
    check_times(spec, errors);
}

fn check_stream(spec: &LoadTestSpec, errors: &mut Vec<SpecError>) {
    let accounts = spec.stream.accounts;
    if let Some(salting) = spec
        .stream
        .salting
        .as_ref()
        .filter(|salting| salting.accounts > accounts)
    {
        let salted = salting.accounts;
        errors.push(SpecError::SaltAccounts { salted, accounts });
    }
    let max = u64::from(spec.topic.partitions) * ACCOUNTS_PER_PARTITION_MAX;
    if u64::from(accounts) > max {
        errors.push(SpecError::FitTotals { accounts, max });
    }
}

fn check_members(spec: &LoadTestSpec, errors: &mut Vec<SpecError>) {
    let partitions = spec.topic.partitions;
    let replicas = spec.producer.replicas;
    if replicas > partitions {
        errors.push(SpecError::PlaceProducers { replicas, partitions });
    }
    let clients = replicas.saturating_mul(spec.producer.clients_per_pod);
    if spec.producer.clients_per_pod > 1 && clients > partitions {
        errors.push(SpecError::PlaceClients { clients, partitions });
    }
    let replicas = spec.counter.replicas;
    if replicas > partitions {
        errors.push(SpecError::PlaceCounters { replicas, partitions });
    }
}

fn check_producer(producer: &ProducerSpec, errors: &mut Vec<SpecError>) {
    if producer.idempotence && producer.acks != Acks::All {
        errors.push(SpecError::CombineIdempotence);
    }
    let (timeout_ms, linger_ms) = (producer.delivery_timeout_ms, producer.linger_ms);
    if timeout_ms != 0 && timeout_ms <= linger_ms {
        errors.push(SpecError::WaitForDelivery { timeout_ms, linger_ms });
    }
}

fn check_times(spec: &LoadTestSpec, errors: &mut Vec<SpecError>) {
    let producer = &spec.producer;
    let rate = Rate::parse(&producer.rate)
        .ok()
        .and_then(Rate::per_second)
        .map(u64::from);
    let events = match (rate, producer.duration_seconds) {
        (Some(rate), Some(seconds)) => rate * u64::from(seconds),
        _ => 0,
    };
    if events > EVENTS_MAX {
        errors.push(SpecError::CountEvents { events });
    }
    let run_s = match (producer.duration_seconds, producer.events, rate) {
        (Some(seconds), _, _) => u64::from(seconds),
        (None, Some(events), Some(rate)) => events.div_ceil(rate),
        _ => return,
    };
    let warmup_s = producer.warmup_seconds;
    if u64::from(warmup_s) >= run_s {
        errors.push(SpecError::LeaveMeasurement { warmup_s, run_s });
    }
    if let Some(limit_s) = spec
        .limits
        .max_duration_seconds
        .filter(|limit| u64::from(*limit) < run_s)
    {
        errors.push(SpecError::FinishInTime { limit_s, run_s });
    }
}
