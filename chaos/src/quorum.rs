//! The brokers' side of the topic: who leads, who is in sync, and who is the active controller.

use std::time::Duration;

use eoslab_operator::build::pods::client_properties;
use eoslab_operator::plan::Plan;
use eoslab_runtime::KafkaArgs;
use eoslab_runtime::kafka::client_config;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::world::PartitionState;

/// A broker that is frozen holds its connection open: after this time another one is asked.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// Asks for metadata. It joins no group.
pub struct Quorum {
    consumer: BaseConsumer,
    topic: String,
}

impl Quorum {
    /// A client for the topic of a LoadTest; `None` where its settings are refused.
    pub fn new(plan: &Plan) -> Option<Self> {
        let spec = &plan.valid.spec;
        let args = KafkaArgs {
            bootstrap_servers: spec.kafka.bootstrap_servers.clone(),
            topic: spec.topic.name.clone(),
            client_properties: client_properties(plan),
        };
        let mut config = client_config(&args).ok()?;
        config
            .set("client.id", format!("eoslab-chaos-{}", plan.names.loadtest))
            .set("allow.auto.create.topics", "false")
            .set("socket.timeout.ms", TIMEOUT.as_millis().to_string())
            .set("reconnect.backoff.max.ms", "500");
        Some(Self {
            consumer: config.create().ok()?,
            topic: spec.topic.name.clone(),
        })
    }

    /// The partitions; `None` where no broker answers. Blocks for at most 1.5 s.
    pub fn partitions(&self) -> Option<Vec<PartitionState>> {
        // Nobody else reads this client's events, and they would pile up.
        while self.consumer.poll(Duration::ZERO).is_some() {}
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), TIMEOUT).ok()?;
        let topic = metadata.topics().first()?;
        let mut partitions: Vec<(i32, PartitionState)> = topic
            .partitions()
            .iter()
            .map(|one| {
                let state = PartitionState {
                    leader: one.leader(),
                    replicas: one.replicas().to_vec(),
                    in_sync: one.isr().to_vec(),
                };
                (one.id(), state)
            })
            .collect();
        partitions.sort_by_key(|(id, _)| *id);
        (!partitions.is_empty()).then(|| partitions.into_iter().map(|(_, state)| state).collect())
    }
}

/// Prints the id of the active controller, run in a broker's container: no client library asks the quorum.
pub const QUORUM_COMMAND: [&str; 3] = [
    "sh",
    "-c",
    "java -Xmx96m -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' org.apache.kafka.tools.MetadataQuorumCommand \
     --bootstrap-server localhost:9092 describe --status",
];

/// The id in the answer to [`QUORUM_COMMAND`].
pub fn active_controller(said: &str) -> Option<i32> {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("LeaderId:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_active_controller_is_the_leader_of_the_quorum() {
        let said = "ClusterId:              ZW9z\nLeaderId:               2\nLeaderEpoch:            5\n";
        assert_eq!(active_controller(said), Some(2));
        assert_eq!(active_controller("Exception in thread main"), None);
    }
}
