use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    TestNamespace, eventually,
    kubectl::{Failure, kubectl, kubectl_with_input},
};

/// A small LoadTest on the embedded cluster, in batches that cost the node little; `changes` is merged into its spec
/// (objects deeply, all else replaced).
pub fn spec(name: &str, namespace: &TestNamespace, changes: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "eoslab.dev/v1alpha1",
        "kind": "LoadTest",
        "metadata": {"name": name, "namespace": namespace.name},
        "spec": {
            "kafka": {"bootstrapServers": "lab-kafka-bootstrap.kafka.svc:9092"},
            "topic": {"name": format!("{}.{name}", namespace.name), "partitions": 6},
            "stream": {"accounts": 100_000},
            "producer": {"replicas": 2, "rate": 10_000, "events": 200_000, "warmupSeconds": 2, "lingerMs": 100},
            "counter": {"replicas": 2},
            "ledger": {"redis": {"urlSecretRef": {"name": "lab-redis", "key": "url"}}},
        }
    });
    merge(&mut manifest["spec"], changes);
    manifest
}

/// Merges `from` into a value: objects deeply, all else replaced, `null` removes.
pub fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// A LoadTest that was applied.
pub struct LoadTest<'a> {
    namespace: &'a TestNamespace,
    /// Its name.
    pub name: String,
}

impl<'a> LoadTest<'a> {
    /// Applies [`spec`].
    ///
    /// # Errors
    /// [`Failure`] when the API server refuses it.
    pub fn apply(name: &str, namespace: &'a TestNamespace, changes: Value) -> Result<Self, Failure> {
        namespace.wait_until_gone(name);
        kubectl_with_input(&["apply", "-f", "-"], &spec(name, namespace, changes).to_string())?;
        Ok(Self {
            namespace,
            name: name.to_owned(),
        })
    }

    /// Its status as it stands.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn status(&self) -> Result<Value, String> {
        let text = kubectl(&["-n", &self.namespace.name, "get", "loadtest", &self.name, "-o", "json"])?;
        let object: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        Ok(object["status"].clone())
    }

    /// Waits until `wanted` holds for its status and returns that status.
    ///
    /// # Errors
    /// After `limit`, or at once when the run has finished and `wanted` can no longer come true.
    pub fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let seen = eventually(&format!("LoadTest {}: {what}", self.name), limit, || {
            let status = self.status()?;
            if wanted(&status) {
                Ok(Ok(status))
            } else if status["phase"] == "Finished" {
                Ok(Err(format!(
                    "LoadTest {} finished before: {what}: {status:#}",
                    self.name
                )))
            } else {
                Err(status.to_string())
            }
        });
        seen.flatten().inspect_err(|_| self.namespace.dump())
    }

    /// Waits for a phase.
    ///
    /// # Errors
    /// As [`LoadTest::wait_for`].
    pub fn wait_for_phase(&self, phase: &str, limit: Duration) -> Result<Value, String> {
        self.wait_for(&format!("phase {phase}"), limit, |s| s["phase"] == phase)
    }

    /// Ends its sending: it is judged by what was sent until then.
    ///
    /// # Errors
    /// [`Failure`] when the API server refuses it.
    pub fn stop(&self) -> Result<(), Failure> {
        let stop = r#"{"spec":{"stop":true}}"#;
        let loadtest = format!("loadtest/{}", self.name);
        kubectl(&[
            "-n",
            &self.namespace.name,
            "patch",
            &loadtest,
            "--type=merge",
            "-p",
            stop,
        ])?;
        Ok(())
    }

    /// Waits for the end by `kubectl wait --for=condition=Complete` and returns the final status.
    ///
    /// # Errors
    /// When it does not come to an end within `limit`.
    pub fn wait_for_end(&self, limit: Duration) -> Result<Value, String> {
        kubectl(&[
            "-n",
            &self.namespace.name,
            "wait",
            &format!("loadtest/{}", self.name),
            "--for=condition=Complete",
            &format!("--timeout={}s", limit.as_secs()),
        ])
        .inspect_err(|_| self.namespace.dump())?;
        self.status()
    }

    /// Names of its pods of one role (`producer` or `counter`) that are ready.
    ///
    /// # Errors
    /// Why they cannot be listed.
    pub fn ready_pods(&self, role: &str) -> Result<Vec<String>, String> {
        let selector = format!("eoslab.dev/loadtest={},eoslab.dev/role={role}", self.name);
        let text = kubectl(&["-n", &self.namespace.name, "get", "pods", "-l", &selector, "-o", "json"])?;
        let pods: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let ready = |pod: &&Value| {
            pod["metadata"]["deletionTimestamp"].is_null()
                && pod["status"]["conditions"]
                    .as_array()
                    .is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
        };
        Ok(pods["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(ready)
            .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
            .collect())
    }

    /// Sends a signal to the load process of one of its pods, from inside the pod.
    ///
    /// # Errors
    /// What `chaos signal` or kubectl said.
    pub fn signal(&self, pod: &str, process: &str, action: &str, more: &[&str]) -> Result<String, Failure> {
        let mut args = vec!["-n", &self.namespace.name, "exec", pod, "--", "chaos", "signal"];
        args.extend(["--process", process, "--action", action]);
        args.extend(more);
        kubectl(&args)
    }

    /// [`LoadTest::signal`] to several pods at the same time.
    ///
    /// # Errors
    /// As [`LoadTest::signal`].
    pub fn signal_all(&self, pods: &[String], process: &str, action: &str, more: &[&str]) -> Result<(), String> {
        thread::scope(|scope| {
            let signals: Vec<_> = pods
                .iter()
                .map(|pod| scope.spawn(move || self.signal(pod, process, action, more)))
                .collect();
            for signal in signals {
                signal.join().map_err(|_| "a signalling thread panicked")??;
            }
            Ok(())
        })
    }
}

/// Whether all that was acknowledged is in the log and counted, by the status of a run that is over.
pub fn is_counted(status: &Value) -> bool {
    let correctness = &status["correctness"];
    let all = [&correctness["expected"], &correctness["inLog"], &correctness["counted"]].map(Value::as_u64);
    all[0] > Some(0) && all.iter().all(|one| *one == all[0]) && status["producers"]["acked"].as_u64() <= all[0]
}
