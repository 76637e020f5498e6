//! The CEL rules of the resource, with messages that name the field and the fix.
//!
//! The API server refuses a CustomResourceDefinition whose rules could become expensive, so every string, list and map
//! that a rule touches has a bound in the schema.

use kube::core::Rule;
use serde::Serialize;

/// One rule: what must hold, and what to say when it does not.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CelRule {
    /// The expression; `self` is the value that the rule is attached to, `oldSelf` what it was before an update.
    pub rule: &'static str,
    /// What a user reads when it is false: the field, what is wrong, the fix.
    pub message: &'static str,
    /// Field that the API server names as the culprit, relative to the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_path: Option<&'static str>,
}

const fn must(rule: &'static str, message: &'static str) -> CelRule {
    CelRule {
        rule,
        message,
        field_path: None,
    }
}

/// A rule whose culprit is a field of the value.
pub(crate) const fn must_at(field_path: &'static str, rule: &'static str, message: &'static str) -> CelRule {
    CelRule {
        rule,
        message,
        field_path: Some(field_path),
    }
}

/// The same rule in kube's own type.
pub fn rule(rule: &CelRule) -> Rule {
    Rule::new(rule.rule).message(rule.message)
}

/// `metadata.name`.
pub const NAME: CelRule = must(
    "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name: must be at most 40 lower case letters, digits and '-', and begin with a letter, for names of pods, \
     Leases and Services begin with it; choose another name",
);

/// `spec` as a whole: what spans fields, and what may not change.
pub const SPEC: &[CelRule] = &[
    must_at(
        ".producer.replicas",
        "self.producer.replicas <= self.topic.partitions",
        "spec.producer.replicas: must not exceed spec.topic.partitions, for a partition has one writer; lower it or \
         raise the partitions",
    ),
    must_at(
        ".producer.clientsPerPod",
        "self.producer.clientsPerPod == 1 || self.producer.clientsPerPod * self.producer.replicas <= \
         self.topic.partitions",
        "spec.producer.clientsPerPod: times spec.producer.replicas it must not exceed spec.topic.partitions, or \
         clients have nothing to do; lower it or raise the partitions",
    ),
    must_at(
        ".counter.replicas",
        "self.counter.replicas <= self.topic.partitions",
        "spec.counter.replicas: must not exceed spec.topic.partitions, for a partition has one reader; lower it or \
         raise the partitions",
    ),
    must_at(
        ".stream.accounts",
        "self.stream.accounts <= self.topic.partitions * 60000000",
        "spec.stream.accounts: must not exceed 60000000 for each of spec.topic.partitions, the most that one Redis \
         value of 512 MiB holds; lower it or raise the partitions",
    ),
    must_at(
        ".kafka.clientProperties",
        "self.counter.protocol != 'consumer' || !has(self.kafka.clientProperties) || \
         !self.kafka.clientProperties.exists(k, k in ['group.protocol.type', 'heartbeat.interval.ms'])",
        "spec.kafka.clientProperties: heartbeat.interval.ms and group.protocol.type are the brokers' own with \
         spec.counter.protocol consumer; remove them or set the protocol to classic",
    ),
    must_at(
        ".limits.maxDurationSeconds",
        "!has(self.limits.maxDurationSeconds) || !has(self.producer.durationSeconds) || \
         self.producer.durationSeconds <= self.limits.maxDurationSeconds",
        "spec.limits.maxDurationSeconds: is shorter than spec.producer.durationSeconds, so the run could never finish; \
         raise it or shorten the run",
    ),
    must_at(
        ".stop",
        "!oldSelf.stop || self.stop",
        "spec.stop: cannot be taken back; create a new LoadTest",
    ),
    must_at(
        ".stop",
        "!self.stop || string(self.producer.rate) != 'search'",
        "spec.stop: ends a run at one rate; remove it and set spec.abort, with which a search keeps what it found",
    ),
    must_at(
        ".abort",
        "!oldSelf.abort || self.abort",
        "spec.abort: cannot be taken back; create a new LoadTest",
    ),
    must_at(
        ".kafka",
        "self.kafka == oldSelf.kafka",
        "spec.kafka: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".topic",
        "self.topic == oldSelf.topic",
        "spec.topic: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".stream",
        "self.stream == oldSelf.stream",
        "spec.stream: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".producer",
        "self.producer == oldSelf.producer",
        "spec.producer: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".counter",
        "self.counter.mode == oldSelf.counter.mode && self.counter.protocol == oldSelf.counter.protocol && \
         self.counter.assignor == oldSelf.counter.assignor && \
         self.counter.staticMembership == oldSelf.counter.staticMembership && self.counter.sessionTimeoutMs == \
         oldSelf.counter.sessionTimeoutMs && self.counter.batchEvents == oldSelf.counter.batchEvents && \
         self.counter.batchIntervalMs == oldSelf.counter.batchIntervalMs && self.counter.keepRunning == \
         oldSelf.counter.keepRunning && self.counter.resources == oldSelf.counter.resources",
        "spec.counter: nothing but replicas can be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".ledger",
        "self.ledger == oldSelf.ledger",
        "spec.ledger: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".search",
        "!has(self.search) || string(self.producer.rate) == 'search'",
        "spec.search: is only for spec.producer.rate search; remove it or search",
    ),
    must_at(
        ".search",
        "!has(self.search) || self.search.startRate <= self.search.maxRate",
        "spec.search.startRate: must not exceed spec.search.maxRate; lower it or raise that",
    ),
    must_at(
        ".search",
        "has(self.search) == has(oldSelf.search) && (!has(self.search) || self.search == oldSelf.search)",
        "spec.search: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".slo",
        "has(self.slo) == has(oldSelf.slo) && (!has(self.slo) || self.slo == oldSelf.slo)",
        "spec.slo: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".limits",
        "self.limits == oldSelf.limits",
        "spec.limits: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".image",
        "has(self.image) == has(oldSelf.image) && (!has(self.image) || self.image == oldSelf.image)",
        "spec.image: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
    must_at(
        ".podTemplate",
        "has(self.podTemplate) == has(oldSelf.podTemplate) && (!has(self.podTemplate) || self.podTemplate == \
         oldSelf.podTemplate)",
        "spec.podTemplate: cannot be changed, for a LoadTest is one run; create a new LoadTest",
    ),
];

/// `spec.image`.
pub const IMAGE: &[CelRule] = &[must(
    "self.matches('^[a-zA-Z0-9][-a-zA-Z0-9._:/@]*$')",
    "spec.image: is not the name of an image; write it as name:tag or name@digest, or remove it",
)];

/// `spec.kafka.bootstrapServers`.
pub const BOOTSTRAP: &[CelRule] = &[must(
    "self.matches('^([a-zA-Z0-9][-a-zA-Z0-9._]*|\\\\[[0-9a-fA-F:.]+\\\\]):[0-9]{1,5}(,([a-zA-Z0-9][-a-zA-Z0-9._]*|\\\\[[0-9a-fA-F:.]+\\\\]):[0-9]{1,5})*$')",
    "spec.kafka.bootstrapServers: must be host:port, or several separated by commas without spaces; write for instance \
     lab-kafka-bootstrap.kafka.svc:9092",
)];

/// `spec.kafka.clientProperties`. The lists are those of [`crate::validate`]; a test compares them.
pub const CLIENT_PROPERTIES: &[CelRule] = &[
    must(
        "!self.exists(k, k.startsWith('default.topic.') || k in ['acks', 'auto.commit.enable', \
         'auto.offset.reset', 'batch.num.messages', 'batch.size', 'bootstrap.servers', 'client.id', \
         'compression.codec', 'compression.type', 'delivery.report.only.error', 'delivery.timeout.ms', \
         'enable.auto.commit', 'enable.auto.offset.store', 'enable.gapless.guarantee', 'enable.idempotence', \
         'enable.partition.eof', 'enabled_events', 'group.id', 'group.instance.id', 'group.protocol', \
         'group.remote.assignor', 'isolation.level', 'linger.ms', 'max.in.flight', \
         'max.in.flight.requests.per.connection', 'message.max.bytes', 'message.timeout.ms', \
         'metadata.broker.list', 'partition.assignment.strategy', 'partitioner', 'partitioner_cb', \
         'plugin.library.paths', 'queue.buffering.max.kbytes', 'queue.buffering.max.messages', \
         'queue.buffering.max.ms', 'queuing.strategy', 'request.required.acks', 'session.timeout.ms', \
         'ssl.engine.location', 'statistics.interval.ms', 'transactional.id'])",
        "spec.kafka.clientProperties: holds a key that eoslab sets itself, for it has a field of its own or exactness \
         depends on it (such as acks, linger.ms, group.id); remove it and use the field",
    ),
    must(
        "!self.exists(k, k in ['sasl.password', 'sasl.oauthbearer.client.secret', 'ssl.key.password', 'ssl.key.pem', \
         'ssl.keystore.password'])",
        "spec.kafka.clientProperties: holds a credential, which whoever may read the LoadTest could read; remove it",
    ),
    must(
        "self.all(k, k.size() <= 100 && k.matches('^[a-z0-9][a-z0-9._]*$') && !self[k].contains('\\n'))",
        "spec.kafka.clientProperties: keys must be lower case librdkafka properties, and values without line breaks; \
         correct or remove them",
    ),
];

/// `spec.topic`.
pub const TOPIC: &[CelRule] = &[must_at(
    ".config",
    "!has(self.config) || !('min.insync.replicas' in self.config) || \
     (self.config['min.insync.replicas'].matches('^[1-9]$') && int(self.config['min.insync.replicas']) <= \
     self.replicationFactor)",
    "spec.topic.config: min.insync.replicas must be a number from 1 to spec.topic.replicationFactor, or no event \
     could be written; lower it or raise the replication factor",
)];

/// `spec.topic.name`.
pub const TOPIC_NAME: &[CelRule] = &[
    must(
        "self.matches('^[a-zA-Z0-9._-]+$') && self != '.' && self != '..'",
        "spec.topic.name: must be letters, digits, '.', '_' and '-', and neither '.' nor '..'; choose another name",
    ),
    must(
        "!self.startsWith('__')",
        "spec.topic.name: begins with '__', as Kafka's internal topics do; choose another name",
    ),
];

/// `spec.topic.config`.
pub const TOPIC_CONFIG: &[CelRule] = &[must(
    "!('cleanup.policy' in self) || self['cleanup.policy'] == 'delete'",
    "spec.topic.config: cleanup.policy must be delete, for compaction removes events before they are counted; remove \
     it",
)];

/// `spec.stream`.
pub const STREAM: &[CelRule] = &[must_at(
    ".salting",
    "!has(self.salting) || self.salting.accounts <= self.accounts",
    "spec.stream.salting.accounts: must not exceed spec.stream.accounts; lower it",
)];

/// `spec.stream.zipfExponent`.
pub const ZIPF: &[CelRule] = &[must(
    "self.matches('^([0-2]([.][0-9]{1,6})?|3([.]0{1,6})?)$')",
    "spec.stream.zipfExponent: must be a decimal from 0 to 3 in quotes; write for instance \"1.1\"",
)];

/// `spec.producer`.
pub const PRODUCER: &[CelRule] = &[
    must(
        "string(self.rate) == 'search' || has(self.events) != has(self.durationSeconds)",
        "spec.producer: give exactly one of events and durationSeconds, which say when the run ends; add or remove one",
    ),
    must(
        "string(self.rate) != 'search' || (!has(self.events) && !has(self.durationSeconds))",
        "spec.producer: rate search takes neither events nor durationSeconds, for each rate is tried for \
         spec.search.probeSeconds; remove them",
    ),
    must_at(
        ".idempotence",
        "!self.idempotence || self.acks == 'all'",
        "spec.producer.idempotence: needs acks \"all\"; set it to false or acks to \"all\"",
    ),
    must_at(
        ".deliveryTimeoutMs",
        "self.deliveryTimeoutMs == 0 || self.deliveryTimeoutMs > self.lingerMs",
        "spec.producer.deliveryTimeoutMs: must be above lingerMs, or 0 for no timeout; raise it",
    ),
    must_at(
        ".warmupSeconds",
        "!has(self.durationSeconds) || self.warmupSeconds < self.durationSeconds",
        "spec.producer.warmupSeconds: is not shorter than durationSeconds, so nothing would be measured; lower it or \
         lengthen the run",
    ),
    must_at(
        ".warmupSeconds",
        "!has(self.events) || !string(self.rate).matches('^[0-9]{1,8}$') || self.warmupSeconds * \
         int(string(self.rate)) < self.events",
        "spec.producer.warmupSeconds: at this rate every event is sent within the warm-up, so nothing would be \
         measured; lower it or raise events",
    ),
    must_at(
        ".durationSeconds",
        "!has(self.durationSeconds) || !string(self.rate).matches('^[0-9]{1,8}$') || self.durationSeconds * \
         int(string(self.rate)) <= 1000000000000",
        "spec.producer.durationSeconds: times the rate it must not exceed 1000000000000 events; shorten the run or \
         lower the rate",
    ),
];

/// `spec.producer.rate`.
pub const RATE: &[CelRule] = &[must(
    "string(self).matches('^([1-9][0-9]{0,6}|10000000|max|search)$')",
    "spec.producer.rate: must be a number of events a second from 1 to 10000000, max or search; correct it",
)];

/// `spec.ledger.redis`.
pub const REDIS: &[CelRule] = &[must(
    "has(self.url) != has(self.urlSecretRef)",
    "spec.ledger.redis: give exactly one of url and urlSecretRef; add or remove one",
)];

/// `spec.ledger.redis.url`.
pub const REDIS_URL: &[CelRule] = &[
    must(
        "self.matches('^redis://[^, ]+(,redis://[^, ]+)*$')",
        "spec.ledger.redis.url: must be redis://host:port, or several separated by commas without spaces; write for \
         instance redis://lab-redis.kafka.svc:6379",
    ),
    must(
        "!self.contains('@')",
        "spec.ledger.redis.url: holds a user or password, which whoever may read the LoadTest could read; put the \
         address into a Secret and use urlSecretRef",
    ),
];

/// Amounts of CPU.
pub const CPU: &[CelRule] = &[must(
    "self.matches('^([0-9]{1,6}m|[0-9]{1,4}([.][0-9]{1,3})?)$')",
    "resources cpu: must be an amount of CPU; write for instance 500m or \"2\"",
)];

/// Amounts of memory.
pub const MEMORY: &[CelRule] = &[must(
    "self.matches('^[0-9]{1,15}(k|M|G|T|Ki|Mi|Gi|Ti)?$')",
    "resources memory: must be a whole amount of memory; write for instance 512Mi or 2Gi",
)];

/// `spec.podTemplate.tolerations`.
pub const TOLERATION: &[CelRule] = &[
    must(
        "self.operator != 'Exists' || !has(self.value)",
        "spec.podTemplate.tolerations: operator Exists takes no value; remove the value",
    ),
    must(
        "self.operator == 'Exists' || (has(self.key) && self.key != '')",
        "spec.podTemplate.tolerations: operator Equal needs a key; add it or use Exists",
    ),
    must(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "spec.podTemplate.tolerations: tolerationSeconds needs the effect NoExecute; set it or remove the seconds",
    ),
];

/// Schema of a map of short strings.
pub(crate) fn short_strings(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": { "type": "string", "maxLength": 1024 },
    })
}
