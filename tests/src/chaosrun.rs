use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    LoadTest, TestNamespace, eventually,
    kubectl::{Failure, kubectl, kubectl_with_input},
};

/// A ChaosRun with this spec.
pub fn chaosrun(name: &str, namespace: &TestNamespace, spec: &Value) -> Value {
    json!({
        "apiVersion": "eoslab.dev/v1alpha1",
        "kind": "ChaosRun",
        "metadata": {"name": name, "namespace": namespace.name},
        "spec": spec,
    })
}

/// A ChaosRun that was applied.
pub struct ChaosRun<'a> {
    namespace: &'a TestNamespace,
    /// Its name.
    pub name: String,
}

impl<'a> ChaosRun<'a> {
    /// Applies one with this spec.
    ///
    /// # Errors
    /// [`Failure`] when the API server refuses it.
    pub fn apply(name: &str, namespace: &'a TestNamespace, spec: Value) -> Result<Self, Failure> {
        let manifest = chaosrun(name, namespace, &spec);
        kubectl_with_input(&["apply", "-f", "-"], &manifest.to_string())?;
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
        let text = kubectl(&["-n", &self.namespace.name, "get", "chaosrun", &self.name, "-o", "json"])?;
        let object: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        Ok(object["status"].clone())
    }

    /// Waits until `wanted` holds for its status and returns that status.
    ///
    /// # Errors
    /// After `limit`, or when the run is over and `wanted` can no longer come true.
    pub fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let seen = eventually(&format!("ChaosRun {}: {what}", self.name), limit, || {
            let status = self.status()?;
            match (wanted(&status), status["phase"] == "Finished") {
                (true, _) => Ok(Ok(status)),
                (false, true) => Ok(Err(format!("ChaosRun {} is over: {status:#}", self.name))),
                (false, false) => Err(status.to_string()),
            }
        });
        seen.flatten().inspect_err(|_| self.namespace.dump())
    }

    /// Waits until its last fault is over.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub fn wait_for_faults(&self, limit: Duration) -> Result<Value, String> {
        self.wait_for("the last fault", limit, |status| {
            status["phase"] == "Judging" || status["phase"] == "Finished"
        })
    }

    /// Waits for its end and returns the final status.
    ///
    /// # Errors
    /// When it does not come to an end within `limit`.
    pub fn wait_for_end(&self, limit: Duration) -> Result<Value, String> {
        self.wait_for("its end", limit, |status| status["phase"] == "Finished")
    }
}

/// How a LoadTest and the ChaosRun against it ended.
pub struct UnderFaults {
    /// Status of the LoadTest.
    pub loadtest: Value,
    /// Status of the ChaosRun.
    pub chaosrun: Value,
}

/// Applies a LoadTest with these changes and a ChaosRun with this spec against it, both called `name`, stops the LoadTest
/// after the last fault, and waits for both verdicts. The LoadTest must be able to outlast the faults.
///
/// # Errors
/// When either is refused, or the ChaosRun does not come to an end within `limit`.
pub fn under_faults(
    name: &str,
    namespace: &TestNamespace,
    changes: Value,
    mut faults: Value,
    limit: Duration,
) -> Result<UnderFaults, String> {
    faults["loadTest"] = json!(name);
    let run = LoadTest::apply(name, namespace, changes)?;
    let chaos = ChaosRun::apply(name, namespace, faults)?;
    chaos.wait_for_faults(limit)?;
    run.stop()?;
    Ok(UnderFaults {
        chaosrun: chaos.wait_for_end(limit)?,
        loadtest: run.status()?,
    })
}
