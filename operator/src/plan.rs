//! What a LoadTest asks for, validated: the form in which all pure steps take it.

use eoslab_api::{LoadTest, Rate, RunLength, SpecErrors, ValidSpec};
use eoslab_core::{Salting, StreamSpec};
use kube::ResourceExt;

use crate::names::{Names, group};
use crate::seen::topic::TopicWanted;

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Names of its objects.
    pub names: Names,
    /// Its namespace.
    pub namespace: String,
    /// Identity of the run: the UID of the LoadTest.
    pub run_id: String,
    /// Consumer group of the counters.
    pub group: String,
    /// The validated spec.
    pub valid: ValidSpec,
}

impl Plan {
    /// Validates a LoadTest.
    ///
    /// # Errors
    /// Every mistake in the spec.
    pub fn new(loadtest: &LoadTest) -> Result<Self, SpecErrors> {
        Ok(Self {
            names: Names::new(&loadtest.name_any(), &loadtest.uid().unwrap_or_default()),
            namespace: loadtest.namespace().unwrap_or_default(),
            run_id: loadtest.uid().unwrap_or_default(),
            group: group(loadtest),
            valid: loadtest.spec.validate()?,
        })
    }

    /// Wanted events a second; `None` in a closed loop.
    pub fn rate(&self) -> Option<u64> {
        match self.valid.rate {
            Rate::PerSecond(rate) => Some(u64::from(rate.get())),
            Rate::Max => None,
        }
    }

    /// Number of events; `None` where the run ends by time.
    pub fn events(&self) -> Option<u64> {
        match self.valid.length {
            RunLength::Events(events) => Some(events),
            RunLength::Seconds(_) => None,
        }
    }

    /// How long events are sent, s; `None` where their number ends the run.
    pub fn seconds(&self) -> Option<u32> {
        match self.valid.length {
            RunLength::Events(_) => None,
            RunLength::Seconds(seconds) => Some(seconds),
        }
    }

    /// From the start to the first measured event, us.
    pub fn warmup_us(&self) -> i64 {
        i64::from(self.valid.spec.producer.warmup_seconds) * 1_000_000
    }

    /// Number of partitions.
    pub fn partitions(&self) -> u32 {
        self.valid.spec.topic.partitions
    }

    /// Wanted producers.
    pub fn producers(&self) -> u32 {
        self.valid.spec.producer.replicas
    }

    /// Wanted counters.
    pub fn counters(&self) -> u32 {
        self.valid.spec.counter.replicas
    }

    /// Port of the brokers' metrics endpoints; `None` where they are not to be asked.
    pub fn metrics_port(&self) -> Option<u16> {
        Some(self.valid.spec.kafka.metrics_port).filter(|port| *port > 0)
    }

    /// The stream as core knows it.
    pub fn stream(&self) -> StreamSpec {
        let stream = &self.valid.spec.stream;
        StreamSpec {
            seed: stream.seed,
            partitions: self.partitions(),
            accounts: stream.accounts,
            zipf_exponent: self.valid.zipf_exponent.value(),
            salting: stream.salting.as_ref().map(|salting| Salting {
                accounts: salting.accounts,
                salts: salting.salts,
            }),
        }
    }

    /// The topic that must be there.
    pub fn topic(&self) -> TopicWanted {
        let topic = &self.valid.spec.topic;
        TopicWanted {
            name: topic.name.clone(),
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            config: self.valid.topic_config.clone(),
            given: topic.config.clone(),
        }
    }
}
