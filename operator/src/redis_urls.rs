//! Where Redis is: the spec says it, or a Secret.

use std::collections::BTreeMap;

use eoslab_api::{RedisSource, RedisUrls};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::error::Error;
use crate::plan::Plan;
use crate::seen::topic::Cause;

/// The address of Redis, from the spec or its Secret. Its value never gets into a message.
///
/// # Errors
/// When the Secret cannot be read for another reason than that it is missing.
pub async fn redis_urls(client: &Client, plan: &Plan) -> Result<Result<RedisUrls, Cause>, Error> {
    let (name, key) = match &plan.valid.redis {
        RedisSource::Urls(urls) => return Ok(Ok(urls.clone())),
        RedisSource::Secret { name, key } => (name, key),
    };
    let wrong = |why: String| {
        let message = format!("spec.ledger.redis.urlSecretRef: {why}");
        Ok(Err(Cause::new("RedisSecret", message)))
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &plan.namespace);
    let secret = match secrets.get_opt(name).await {
        Ok(Some(secret)) => secret,
        Ok(None) => return wrong(format!("Secret {name} does not exist; create it with the key {key}")),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            return wrong(format!(
                "the operator may not read Secret {name}; allow it in this namespace"
            ));
        }
        Err(error) => return Err(Error::api("read the Secret")(error)),
    };
    let data: BTreeMap<_, _> = secret.data.unwrap_or_default();
    let Some(value) = data.get(key) else {
        return wrong(format!("Secret {name} has no key {key}; add it"));
    };
    let text = String::from_utf8_lossy(&value.0);
    match RedisUrls::parse(&text) {
        Ok(urls) => Ok(Ok(urls)),
        Err(error) => wrong(format!("key {key} of Secret {name} {error}; write redis://host:port")),
    }
}
