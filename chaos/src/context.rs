//! What every reconciliation shares.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use eoslab_api::ChaosRun;
use eoslab_operator::outside::Lab;
use eoslab_runtime::clock::system_now_us;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::Store;
use kube::{Client, ResourceExt};

use crate::memory::Memory;
use crate::metrics::Metrics;

/// Field manager of every server-side apply.
pub const MANAGER: &str = "eoslab-chaos";
/// Keeps a deleted ChaosRun while a fault is at work that does not end by itself.
pub const FINALIZER: &str = "eoslab.dev/heal";

/// Clients, caches and settings.
pub struct Context {
    /// The cluster's API.
    pub client: Client,
    /// Kafka, Redis and the load pods.
    pub outside: Lab,
    /// Publishes events.
    pub recorder: Recorder,
    /// Metrics of the controller.
    pub metrics: Metrics,
    /// Namespace of the controller, and of the operator.
    pub own_namespace: String,
    /// Every ChaosRun, by namespace.
    pub runs: BTreeMap<String, Store<ChaosRun>>,
    /// Every pod, by namespace.
    pub pods: BTreeMap<String, Store<Pod>>,
    /// The present time, us since the Unix epoch.
    pub now_us: fn() -> i64,
    memories: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Memory>>>>,
}

impl Context {
    /// A context without any run.
    pub fn new(client: Client, own_namespace: String, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: MANAGER.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            outside: Lab::new(),
            metrics,
            own_namespace,
            runs: BTreeMap::new(),
            pods: BTreeMap::new(),
            now_us: system_now_us,
            memories: Mutex::default(),
        }
    }

    /// What is kept of a run.
    pub fn memory(&self, run: &ChaosRun) -> Arc<tokio::sync::Mutex<Memory>> {
        let uid = run.uid().unwrap_or_default();
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(uid).or_default().clone()
    }

    /// Forgets a run that is over.
    pub fn forget(&self, run: &ChaosRun) {
        let uid = run.uid().unwrap_or_default();
        self.memories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&uid);
    }

    /// Every ChaosRun that is known.
    pub fn all_runs(&self) -> Vec<Arc<ChaosRun>> {
        self.runs.values().flat_map(Store::state).collect()
    }
}
