//! `spec.ledger`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::topic::DeletionPolicy;
use crate::cel;

/// The store of the totals and of the idempotency ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerSpec {
    /// The Redis that holds totals and ledger, side by side so that both change in one script.
    pub redis: RedisSpec,

    /// What happens to the run's keys when the LoadTest is deleted. Default `Delete`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Where Redis is: exactly one of `url` and `urlSecretRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::REDIS))]
pub struct RedisSpec {
    /// Address such as `redis://lab-redis.kafka.svc:6379`, or several separated by commas: shards, of which partition p
    /// uses number p modulo their count. Only for a Redis without a password; otherwise use `urlSecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), extend("x-kubernetes-validations" = cel::REDIS_URL))]
    pub url: Option<String>,

    /// Key of a Secret in the LoadTest's namespace that holds such an address, with a password if need be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
}

/// A key of a Secret in the LoadTest's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Key within the Secret. Default `url`.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_key() -> String {
    "url".to_owned()
}
