//! What every reconciliation shares.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use eoslab_api::ChaosRun;
use eoslab_operator::http::Health;
use eoslab_operator::outside::{Lab, Outside};
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
    /// Whether pods and runs are all there.
    pub health: Health,
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
            health: Health::new(0),
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

    /// Forgets a run that is over, with the clients of its LoadTest; another run on that makes new ones.
    pub fn forget(&self, run: &ChaosRun) {
        let uid = run.uid().unwrap_or_default();
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = memories.remove(&uid);
        let of_loadtest = |memory: &Memory| memory.quorum.as_ref().map(|(run_id, _)| run_id.clone());
        if let Some(run_id) = memory.and_then(|memory| memory.try_lock().ok().as_deref().and_then(of_loadtest)) {
            self.outside.forget(&run_id);
        }
    }

    /// Every ChaosRun that is known.
    pub fn all_runs(&self) -> Vec<Arc<ChaosRun>> {
        self.runs.values().flat_map(Store::state).collect()
    }
}
