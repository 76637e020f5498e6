//! Kafka, for one run: a consumer that joins no group for offsets and metadata, and an admin client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eoslab_runtime::KafkaArgs;
use eoslab_runtime::kafka::client_config;
use eoslab_runtime::tail::settled_last_events;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tracing::debug;

use super::{Configs, Created};
use crate::build::pods::client_properties;
use crate::plan::Plan;
use crate::seen::log::LogRange;
use crate::seen::topic::{Cause, TopicFacts, TopicState};

/// Longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for offsets: they are asked for every second, and a broker that was killed must not hold up the rest.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time for the brokers to carry out a change.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// The ends of a log must stand still for so long before its last events are read: a batch of a producer that has just
/// stopped may still be on its way.
const TAIL_SETTLE: Duration = Duration::from_millis(500);
/// Longest time to read the last events.
const TAIL_TIMEOUT: Duration = Duration::from_secs(15);

/// Keeps librdkafka's last complaint, which says why no broker answers; its log lines go to the debug log only, for an
/// unreachable broker makes many.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Option<String>>>);

impl ClientContext for Complaints {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(target: "librdkafka", facility, "{message}");
        if matches!(facility, "FAIL" | "ERROR" | "SASL" | "SSL") {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(plain(message));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(target: "librdkafka", %error, reason);
    }
}

impl ConsumerContext for Complaints {}

/// The clients of one run.
pub(super) struct Session {
    config: ClientConfig,
    consumer: BaseConsumer<Complaints>,
    admin: AdminClient<Complaints>,
    complaints: Complaints,
    bootstrap_servers: String,
    topic: String,
    partitions: u32,
}

impl Session {
    pub(super) fn new(plan: &Plan) -> Result<Self, Cause> {
        let config = config(plan)?;
        let complaints = Complaints::default();
        let unusable = |error: KafkaError| {
            Cause::new(
                "KafkaUnusable",
                format!("spec.kafka.clientProperties: {error}; correct or remove it"),
            )
        };
        let mut reading = config.clone();
        reading
            .set("allow.auto.create.topics", "false")
            .set("enable.auto.commit", "false");
        let consumer = reading.create_with_context(complaints.clone()).map_err(unusable)?;
        let admin = config.create_with_context(complaints.clone()).map_err(unusable)?;
        let spec = &plan.valid.spec;
        Ok(Self {
            config,
            consumer,
            admin,
            complaints,
            bootstrap_servers: spec.kafka.bootstrap_servers.clone(),
            topic: spec.topic.name.clone(),
            partitions: plan.partitions(),
        })
    }

    /// The topic as the brokers have it. Blocks.
    pub(super) fn topic(&self) -> Result<TopicState, Cause> {
        self.drop_events();
        // All topics: asking for one by name would make it on a cluster that makes topics by itself.
        let metadata = self
            .consumer
            .fetch_metadata(None, REQUEST_TIMEOUT)
            .map_err(|error| self.unreachable(&error))?;
        let found = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let Some(found) = found.filter(|topic| !topic.partitions().is_empty()) else {
            let brokers = metadata.brokers().len() as u32;
            return Ok(TopicState::Missing { brokers });
        };
        let partitions = found.partitions();
        let mut facts = TopicFacts {
            partitions: partitions.len() as u32,
            replication_factor: copies(found),
            leaderless: partitions.iter().filter(|partition| partition.leader() < 0).count() as u32,
            ..TopicFacts::default()
        };
        if facts.leaderless == 0 {
            let all: Vec<u32> = (0..facts.partitions).collect();
            facts.written = self.log_of(&all)?.iter().map(LogRange::written).sum();
        }
        Ok(TopicState::Exists(facts))
    }

    /// The topic's configuration, defaults included.
    pub(super) async fn topic_config(&self) -> Result<BTreeMap<String, String>, Cause> {
        self.config_of(ResourceSpecifier::Topic(&self.topic), |_| true).await
    }

    /// The same, and what this broker was given.
    pub(super) async fn configs(&self, broker: Option<i32>) -> Result<Configs, Cause> {
        let given = |entry: &ConfigEntry| !entry.is_default && !entry.is_sensitive;
        let broker = match broker {
            Some(id) => self.config_of(ResourceSpecifier::Broker(id), given).await?,
            None => BTreeMap::new(),
        };
        let topic = self.topic_config().await?;
        Ok(Configs { topic, broker })
    }

    async fn config_of(
        &self,
        resource: ResourceSpecifier<'_>,
        wanted: impl Fn(&ConfigEntry) -> bool,
    ) -> Result<BTreeMap<String, String>, Cause> {
        let results = self
            .admin
            .describe_configs([&resource], &options())
            .await
            .map_err(|error| self.unreachable(&error))?;
        let described = results.into_iter().next().and_then(Result::ok);
        let entries = described.map(|resource| resource.entries).unwrap_or_default();
        Ok(entries
            .into_iter()
            .filter(wanted)
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect())
    }

    pub(super) async fn create_topic(&self, plan: &Plan) -> Result<Created, Cause> {
        let wanted = plan.topic();
        let copies = TopicReplication::Fixed(wanted.replication_factor as i32);
        let mut topic = NewTopic::new(&wanted.name, wanted.partitions as i32, copies);
        for (key, value) in &wanted.config {
            topic = topic.set(key, value);
        }
        let results = self
            .admin
            .create_topics([&topic], &options())
            .await
            .map_err(|error| self.unreachable(&error))?;
        match results.into_iter().next() {
            Some(Ok(_)) => Ok(Created::Made),
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(Created::Existed),
            Some(Err((_, code))) => Err(refused(code)),
            None => Err(Cause::new("TopicRefused", "spec.topic: the brokers gave no answer")),
        }
    }

    /// First and end offsets of each partition. Blocks.
    pub(super) fn log(&self) -> Result<Vec<LogRange>, Cause> {
        self.drop_events();
        let all: Vec<u32> = (0..self.partitions).collect();
        self.log_of(&all).inspect_err(|_| self.learn_leaders())
    }

    /// The client asks those whom it believes to lead: without this it learns of others every 30 s.
    fn learn_leaders(&self) {
        // Where no broker answers, the next look tries again.
        let _ = self.consumer.fetch_metadata(Some(&self.topic), OFFSETS_TIMEOUT);
    }

    fn log_of(&self, partitions: &[u32]) -> Result<Vec<LogRange>, Cause> {
        let begins = self.offsets(partitions, Offset::Beginning)?;
        let ends = self.offsets(partitions, Offset::End)?;
        let range = |(begin, end): (i64, i64)| LogRange { begin, end };
        Ok(begins.into_iter().zip(ends).map(range).collect())
    }

    fn offsets(&self, partitions: &[u32], at: Offset) -> Result<Vec<i64>, Cause> {
        let unreachable = |error: KafkaError| self.leaderless(&error);
        let mut wanted = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            wanted
                .add_partition_offset(&self.topic, *partition as i32, at)
                .map_err(unreachable)?;
        }
        let found = self
            .consumer
            .offsets_for_times(wanted, OFFSETS_TIMEOUT)
            .map_err(unreachable)?;
        let mut offsets: BTreeMap<i32, i64> = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(unreachable)?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), offset);
            }
        }
        let in_order = partitions
            .iter()
            .map(|partition| offsets.get(&(*partition as i32)).copied());
        in_order.collect::<Option<Vec<i64>>>().ok_or_else(|| {
            Cause::new(
                "KafkaUnreachable",
                format!("offsets of topic {} are missing", self.topic),
            )
        })
    }

    /// Id and host of each broker. Blocks.
    pub(super) fn brokers(&self) -> Result<Vec<(i32, String)>, Cause> {
        self.drop_events();
        let metadata = self
            .consumer
            .fetch_metadata(Some(&self.topic), REQUEST_TIMEOUT)
            .map_err(|error| self.unreachable(&error))?;
        let brokers = metadata.brokers().iter();
        Ok(brokers.map(|broker| (broker.id(), broker.host().to_owned())).collect())
    }

    /// Last seq + 1 of each partition of the log. Blocks.
    pub(super) fn tail(&self) -> Result<Vec<u64>, Cause> {
        let all: Vec<u32> = (0..self.partitions).collect();
        let deadline = Instant::now() + TAIL_TIMEOUT;
        let tails = settled_last_events(&self.config, &self.topic, &all, TAIL_SETTLE, deadline)
            .map_err(|error| Cause::new("LogUnread", format!("the end of the log cannot be read: {error}")))?;
        let next = |partition: &u32| match tails.get(partition) {
            Some(Some(tail)) => tail.event.seq + 1,
            _ => 0,
        };
        Ok(all.iter().map(next).collect())
    }

    pub(super) async fn delete_topic(&self) -> Result<(), Cause> {
        let results = self
            .admin
            .delete_topics(&[&self.topic], &options())
            .await
            .map_err(|error| self.unreachable(&error))?;
        match results.into_iter().next() {
            Some(Err((_, code))) if code != RDKafkaErrorCode::UnknownTopicOrPartition => Err(Cause::new(
                "TopicNotDeleted",
                format!("topic {} cannot be deleted: {code}", self.topic),
            )),
            _ => Ok(()),
        }
    }

    pub(super) async fn delete_group(&self, group: &str) -> Result<(), Cause> {
        let results = self
            .admin
            .delete_groups(&[group], &options())
            .await
            .map_err(|error| self.unreachable(&error))?;
        match results.into_iter().next() {
            // A group that never was is found out as either of the two.
            Some(Err((_, code)))
                if !matches!(
                    code,
                    RDKafkaErrorCode::GroupIdNotFound | RDKafkaErrorCode::InvalidGroupId
                ) =>
            {
                let message = format!("consumer group {group} cannot be deleted yet: {code}");
                Err(Cause::new("GroupNotDeleted", message))
            }
            _ => Ok(()),
        }
    }

    /// Nobody else reads this client's events, and they would pile up.
    fn drop_events(&self) {
        for _ in 0..100 {
            if self.consumer.poll(Duration::ZERO).is_none() {
                return;
            }
        }
    }

    fn complaint(&self, error: &KafkaError) -> String {
        let complaint = self.complaints.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        complaint.unwrap_or_else(|| error.to_string())
    }

    fn leaderless(&self, error: &KafkaError) -> Cause {
        let (topic, why) = (&self.topic, self.complaint(error));
        let message = format!("not every leader of a partition of topic {topic} answers ({why})");
        Cause::new("KafkaIncomplete", message)
    }

    fn unreachable(&self, error: &KafkaError) -> Cause {
        let why = self.complaint(error);
        Cause::new(
            "KafkaUnreachable",
            format!(
                "spec.kafka.bootstrapServers: no broker of {} answers ({why}); correct the address, or start the brokers",
                self.bootstrap_servers
            ),
        )
    }
}

/// A log line of librdkafka without its thread and how often it was said.
fn plain(line: &str) -> String {
    let text = match line.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")) {
        Some((_, text)) => text,
        None => line,
    };
    text.split(" (after ").next().unwrap_or(text).to_owned()
}

fn copies(topic: &MetadataTopic) -> u32 {
    let copies = topic.partitions().iter().map(|partition| partition.replicas().len());
    copies.min().unwrap_or(0) as u32
}

fn config(plan: &Plan) -> Result<ClientConfig, Cause> {
    let spec = &plan.valid.spec;
    let args = KafkaArgs {
        bootstrap_servers: spec.kafka.bootstrap_servers.clone(),
        topic: spec.topic.name.clone(),
        // As the load pods get them, so that operator and members agree.
        client_properties: client_properties(plan),
    };
    let mut config = client_config(&args).map_err(|error| {
        let message = format!("spec.kafka.clientProperties: {error}");
        Cause::new("KafkaUnusable", message)
    })?;
    config.set("client.id", format!("eoslab-operator-{}", plan.names.loadtest));
    Ok(config)
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(OPERATION_TIMEOUT))
}

/// Why brokers would not make a topic.
fn refused(code: RDKafkaErrorCode) -> Cause {
    let (field, fix) = match code {
        RDKafkaErrorCode::InvalidReplicationFactor => ("spec.topic.replicationFactor", "lower it or add brokers"),
        RDKafkaErrorCode::InvalidPartitions => ("spec.topic.partitions", "change it"),
        RDKafkaErrorCode::InvalidConfig => ("spec.topic.config", "correct it"),
        RDKafkaErrorCode::InvalidTopic => ("spec.topic.name", "choose another name"),
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            ("spec.topic", "allow the operator to create topics, or create the topic")
        }
        RDKafkaErrorCode::PolicyViolation => ("spec.topic", "follow the cluster's policy"),
        _ => ("spec.topic", "see the brokers' logs"),
    };
    Cause::new(
        "TopicRefused",
        format!("{field}: the brokers refuse to make the topic ({code}); {fix}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_what_a_user_can_act_on() {
        let line = "[thrd:nosuch:9092/bootstrap]: nosuch:9092/bootstrap: Failed to resolve 'nosuch:9092': Name or service \
                    not known (after 1ms in state CONNECT, 1 identical error(s) suppressed)";
        assert_eq!(
            plain(line),
            "nosuch:9092/bootstrap: Failed to resolve 'nosuch:9092': Name or service not known"
        );
        assert_eq!(plain("anything else"), "anything else");
    }
}
