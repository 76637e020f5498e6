//! `spec.kafka`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cel;

/// The Kafka cluster under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSpec {
    /// Bootstrap addresses, `host:port`, separated by commas without spaces, such as
    /// `lab-kafka-bootstrap.kafka.svc:9092`. Required: there is no address that is right everywhere.
    #[schemars(length(min = 3, max = 1024), extend("x-kubernetes-validations" = cel::BOOTSTRAP))]
    pub bootstrap_servers: String,

    /// Further librdkafka properties for producers and counters alike, such as `socket.nagle.disable: "true"`. Keys
    /// that eoslab owns (they have fields of their own, or exactness depends on them) and credentials are refused.
    /// Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("maxProperties" = 50, "x-kubernetes-validations" = cel::CLIENT_PROPERTIES),
        schema_with = "crate::cel::short_strings"
    )]
    pub client_properties: BTreeMap<String, String>,

    /// Port on which each broker tells its metrics over HTTP, by Strimzi's metrics reporter; they say what the brokers
    /// were busy with (`status.utilization.brokers`). 0: they are not asked. Default 9404, as Strimzi has it; where
    /// nothing answers, the brokers' part stays unknown.
    #[serde(default = "default_metrics_port")]
    pub metrics_port: u16,
}

fn default_metrics_port() -> u16 {
    9404
}
