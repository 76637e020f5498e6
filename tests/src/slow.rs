//! Parts of the pipeline that are made slow on purpose.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{TestNamespace, eventually, kafka_tool, kubectl, kubectl_with_input, pod_ip};

/// Resources of a container that gets so much CPU and no more.
pub fn starved(millicores: u32) -> Value {
    let amount = json!({"cpu": format!("{millicores}m"), "memory": "512Mi"});
    json!({"requests": amount, "limits": amount})
}

/// A quota for the producers of every LoadTest, which goes with the value.
pub struct ProduceQuota;

impl ProduceQuota {
    /// Sets it, bytes a second for each broker.
    ///
    /// # Errors
    /// What Kafka's tool said.
    pub fn set(bytes_per_second: u32) -> Result<Self, String> {
        let quota = Self;
        Self::alter(&["--add-config", &format!("producer_byte_rate={bytes_per_second}")])?;
        Ok(quota)
    }

    fn alter(change: &[&str]) -> Result<(), String> {
        let clients = ["--alter", "--entity-type", "clients", "--entity-name", "eoslab-loadgen"];
        kafka_tool("kafka.admin.ConfigCommand", &[&clients, change].concat())?;
        Ok(())
    }
}

impl Drop for ProduceQuota {
    fn drop(&mut self) {
        if let Err(error) = Self::alter(&["--delete-config", "producer_byte_rate"]) {
            eprintln!("the quota stays: {error}");
        }
    }
}

/// Starts a Redis with next to no CPU and returns its address.
///
/// # Errors
/// When it does not come up.
pub fn slow_redis(namespace: &TestNamespace) -> Result<String, String> {
    let image = kubectl(&[
        "-n",
        "kafka",
        "get",
        "statefulset",
        "lab-redis",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].image}",
    ])?;
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "slow-redis", "namespace": namespace.name},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "redis",
                "image": image,
                "imagePullPolicy": "Never",
                "command": ["redis-server", "--protected-mode", "no", "--save", "", "--dir", "/tmp"],
                "resources": starved(10),
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    });
    kubectl_with_input(&["apply", "-f", "-"], &manifest.to_string())?;
    eventually("the slow Redis runs", Duration::from_secs(60), || {
        let ip = pod_ip(&namespace.name, "slow-redis")?;
        kubectl(&["-n", &namespace.name, "exec", "slow-redis", "--", "redis-cli", "ping"])?;
        Ok(format!("redis://{ip}:6379"))
    })
}
