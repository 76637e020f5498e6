//! What can be wrong with a spec.

use std::fmt;

use thiserror::Error;

/// One mistake. Its message is `field: what is wrong; fix`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// A bootstrap address that no client could connect to.
    #[error(
        "spec.kafka.bootstrapServers: `{address}` {why}; write host:port, such as lab-kafka-bootstrap.kafka.svc:9092"
    )]
    ParseBootstrapServers {
        /// The address.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A client property that eoslab sets itself.
    #[error(
        "spec.kafka.clientProperties: `{key}` is set by eoslab itself; remove it and use the field of its own, if it \
         has one"
    )]
    OverrideClientProperty {
        /// The property.
        key: String,
    },
    /// A client property that is a credential.
    #[error(
        "spec.kafka.clientProperties: `{key}` is a credential, which whoever may read the LoadTest could read; \
         remove it"
    )]
    ExposeCredential {
        /// The property.
        key: String,
    },
    /// A client property that could not be handed to the load pods.
    #[error(
        "spec.kafka.clientProperties: `{key}` must be a lower case librdkafka property whose value has no line \
         break; correct or remove it"
    )]
    ParseClientProperty {
        /// The property.
        key: String,
    },
    /// A client property that the brokers decide on with the protocol `consumer`, and that the client refuses then.
    #[error(
        "spec.kafka.clientProperties: `{key}` is the brokers' own with spec.counter.protocol consumer; remove it or set \
         the protocol to classic"
    )]
    CombineProtocol {
        /// The property.
        key: &'static str,
    },
    /// A name that Kafka refuses, or that is Kafka's own.
    #[error("spec.topic.name: `{name}` {why}; choose another name")]
    NameTopic {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A compacted topic.
    #[error(
        "spec.topic.config: cleanup.policy must be delete, not `{policy}`, for compaction removes events before they \
         are counted; remove it"
    )]
    CompactTopic {
        /// The policy.
        policy: String,
    },
    /// A min.insync.replicas that would refuse every event.
    #[error(
        "spec.topic.config: min.insync.replicas must be a number from 1 to spec.topic.replicationFactor \
         ({replication_factor}), not `{value}`; lower it or raise the replication factor"
    )]
    RequireReplicas {
        /// What was written.
        value: String,
        /// Copies of each partition.
        replication_factor: u32,
    },
    /// A max.message.bytes that would refuse every event.
    #[error(
        "spec.topic.config: max.message.bytes must be a number of at least {needed}, the size of one event with its \
         headers, not `{value}`; raise it or remove it"
    )]
    LimitMessage {
        /// What was written.
        value: String,
        /// The least that works, bytes.
        needed: u32,
    },
    /// A retention that would delete events before they are counted and compared.
    #[error(
        "spec.topic.config: {key} must be a whole number, not `{value}`; correct it or remove it, so that nothing \
         expires"
    )]
    ParseRetention {
        /// The topic property.
        key: &'static str,
        /// What was written.
        value: String,
    },
    /// A skew that is no decimal from 0 to 3.
    #[error(
        "spec.stream.zipfExponent: `{value}` must be a decimal from 0 to 3 of at most 6 places; write for instance \
         \"1.1\""
    )]
    ParseZipfExponent {
        /// What was written.
        value: String,
    },
    /// More salted accounts than accounts.
    #[error("spec.stream.salting.accounts: {salted} must not exceed spec.stream.accounts ({accounts}); lower it")]
    SaltAccounts {
        /// Salted accounts.
        salted: u32,
        /// Accounts.
        accounts: u32,
    },
    /// Totals of one partition that do not fit into one value of Redis.
    #[error(
        "spec.stream.accounts: {accounts} must not exceed {max}, for Redis holds 512 MiB of totals for each of \
         spec.topic.partitions; lower it or raise the partitions"
    )]
    FitTotals {
        /// Accounts.
        accounts: u32,
        /// The most that fits.
        max: u64,
    },
    /// More producers than partitions.
    #[error(
        "spec.producer.replicas: {replicas} must not exceed spec.topic.partitions ({partitions}), for a partition \
         has one writer; lower it or raise the partitions"
    )]
    PlaceProducers {
        /// Producers.
        replicas: u32,
        /// Partitions.
        partitions: u32,
    },
    /// More Kafka clients than partitions.
    #[error(
        "spec.producer.clientsPerPod: {clients} clients must not exceed spec.topic.partitions ({partitions}), or \
         some have nothing to do; lower it or raise the partitions"
    )]
    PlaceClients {
        /// Clients of all producers.
        clients: u32,
        /// Partitions.
        partitions: u32,
    },
    /// More counters than partitions.
    #[error(
        "spec.counter.replicas: {replicas} must not exceed spec.topic.partitions ({partitions}), for a partition has \
         one reader; lower it or raise the partitions"
    )]
    PlaceCounters {
        /// Counters.
        replicas: u32,
        /// Partitions.
        partitions: u32,
    },
    /// A rate that is neither a number in range nor `max`.
    #[error(
        "spec.producer.rate: `{value}` must be a number of events a second from 1 to {max}, max or search; correct it",
        max = super::RATE_MAX
    )]
    ParseRate {
        /// What was written.
        value: String,
    },
    /// No end, or two.
    #[error(
        "spec.producer: give exactly one of events and durationSeconds, which say when the run ends; add or remove one"
    )]
    ChooseLength,
    /// More events than can be counted and compared.
    #[error(
        "spec.producer: {events} events must not exceed {max}; shorten the run or lower the rate",
        max = super::EVENTS_MAX
    )]
    CountEvents {
        /// Events.
        events: u64,
    },
    /// Nothing left after the warm-up.
    #[error(
        "spec.producer.warmupSeconds: {warmup_s} s is not shorter than the run, about {run_s} s, so nothing would be \
         measured; lower it or lengthen the run"
    )]
    LeaveMeasurement {
        /// Length of the warm-up.
        warmup_s: u32,
        /// Length of the run.
        run_s: u64,
    },
    /// Idempotence without acks from all.
    #[error("spec.producer.idempotence: needs acks \"all\"; set it to false or acks to \"all\"")]
    CombineIdempotence,
    /// A delivery timeout that ends before a batch is sent.
    #[error(
        "spec.producer.deliveryTimeoutMs: {timeout_ms} must be above lingerMs ({linger_ms}), or 0 for no timeout; \
         raise it"
    )]
    WaitForDelivery {
        /// The delivery timeout.
        timeout_ms: u32,
        /// The linger time.
        linger_ms: u32,
    },
    /// A run that its own limit ends.
    #[error(
        "spec.limits.maxDurationSeconds: {limit_s} s is shorter than the run, about {run_s} s; raise it or shorten \
         the run"
    )]
    FinishInTime {
        /// The limit.
        limit_s: u32,
        /// Length of the run.
        run_s: u64,
    },
    /// Both or none of the places that Redis can be named in.
    #[error("spec.ledger.redis: give exactly one of url and urlSecretRef; add or remove one")]
    ChooseRedis,
    /// A password for everyone to read.
    #[error(
        "spec.ledger.redis.url: holds a user or password, which whoever may read the LoadTest could read; put the \
         address into a Secret and use urlSecretRef"
    )]
    ExposeRedisPassword,
    /// An address that is none.
    #[error("spec.ledger.redis.url: {why}; write for instance redis://lab-redis.kafka.svc:6379")]
    ParseRedisUrl {
        /// What is wrong with it.
        why: String,
    },
    /// An amount of CPU or memory that is none.
    #[error("{field}: `{value}` is not an amount; write for instance {example}")]
    ParseAmount {
        /// The field.
        field: String,
        /// What was written.
        value: String,
        /// An amount.
        example: &'static str,
    },
    /// A request above its limit.
    #[error("{field}: is above the limit of the same resource; lower it or raise the limit")]
    RequestResources {
        /// The field.
        field: String,
    },
    /// A memory limit within which the pod would be killed.
    #[error(
        "{field}: {limit_mib} MiB is less than the {needed_mib} MiB that a {role} needs for {accounts} accounts; \
         raise it or lower spec.stream.accounts"
    )]
    FitMemory {
        /// The field.
        field: String,
        /// The pod's role.
        role: &'static str,
        /// The limit.
        limit_mib: u64,
        /// What the pod needs.
        needed_mib: u64,
        /// Accounts.
        accounts: u32,
    },
    /// A node label that cannot exist.
    #[error("spec.podTemplate.nodeSelector: `{label}` is not a label; correct or remove it")]
    SelectNodes {
        /// Key and value.
        label: String,
    },
    /// A toleration that the API server would refuse in a pod.
    #[error("spec.podTemplate.tolerations: {why}; correct or remove it")]
    TolerateTaint {
        /// What is wrong with it.
        why: &'static str,
    },
}

impl SpecError {
    /// The kind of mistake, one of a fixed set: for metric labels and the reason of a condition.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ParseBootstrapServers { .. }
            | Self::OverrideClientProperty { .. }
            | Self::ExposeCredential { .. }
            | Self::ParseClientProperty { .. }
            | Self::CombineProtocol { .. } => "InvalidKafka",
            Self::NameTopic { .. }
            | Self::CompactTopic { .. }
            | Self::RequireReplicas { .. }
            | Self::LimitMessage { .. }
            | Self::ParseRetention { .. } => "InvalidTopic",
            Self::ParseZipfExponent { .. } | Self::SaltAccounts { .. } | Self::FitTotals { .. } => "InvalidStream",
            Self::PlaceProducers { .. }
            | Self::PlaceClients { .. }
            | Self::ParseRate { .. }
            | Self::ChooseLength
            | Self::CountEvents { .. }
            | Self::LeaveMeasurement { .. }
            | Self::CombineIdempotence
            | Self::WaitForDelivery { .. } => "InvalidProducer",
            Self::PlaceCounters { .. } => "InvalidCounter",
            Self::FinishInTime { .. } => "InvalidLimits",
            Self::ChooseRedis | Self::ExposeRedisPassword | Self::ParseRedisUrl { .. } => "InvalidLedger",
            Self::ParseAmount { .. } | Self::RequestResources { .. } | Self::FitMemory { .. } => "InvalidResources",
            Self::SelectNodes { .. } | Self::TolerateTaint { .. } => "InvalidPodTemplate",
        }
    }
}

/// Every mistake of a spec; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecErrors(Vec<SpecError>);

impl SpecErrors {
    /// `None` when there is no mistake.
    pub(super) fn new(errors: Vec<SpecError>) -> Option<Self> {
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// The mistakes, in the order of the fields.
    pub fn as_slice(&self) -> &[SpecError] {
        &self.0
    }

    /// [`SpecError::label`] of the first.
    pub fn label(&self) -> &'static str {
        self.0.first().map_or("Invalid", SpecError::label)
    }
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " | " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}
