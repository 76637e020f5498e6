//! What every reconciliation shares.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use eoslab_api::LoadTest;
use eoslab_runtime::clock::system_now_us;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::Store;
use kube::{Client, ResourceExt};

use crate::build::Image;
use crate::memory::RunMemory;
use crate::metrics::Metrics;
use crate::names::{MANAGER, key};
use crate::outside::Outside;

/// Clients, caches and settings.
pub struct Context {
    /// The cluster's API.
    pub client: Client,
    /// Kafka, Redis and the pods.
    pub outside: Arc<dyn Outside>,
    /// Publishes events.
    pub recorder: Recorder,
    /// Image of the load pods.
    pub image: Image,
    /// Git revision that the operator was built from; empty where the build did not say.
    pub git_revision: &'static str,
    /// Metrics of the operator.
    pub metrics: Metrics,
    /// Every LoadTest of the watched namespaces.
    pub loadtests: Vec<Store<LoadTest>>,
    /// The present time, us since the Unix epoch.
    pub now_us: fn() -> i64,
    runs: Mutex<HashMap<String, Arc<tokio::sync::Mutex<RunMemory>>>>,
}

impl Context {
    /// A context without any run.
    pub fn new(client: Client, outside: Arc<dyn Outside>, image: Image, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: MANAGER.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            outside,
            image,
            git_revision: "",
            metrics,
            loadtests: Vec::new(),
            now_us: system_now_us,
            runs: Mutex::default(),
        }
    }

    /// What is kept of a run.
    pub fn memory(&self, run_id: &str) -> Arc<tokio::sync::Mutex<RunMemory>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.entry(run_id.to_owned()).or_default().clone()
    }

    /// The same, if there is anything.
    pub fn memory_if_known(&self, run_id: &str) -> Option<Arc<tokio::sync::Mutex<RunMemory>>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(run_id).cloned()
    }

    /// Forgets a run that has ended.
    pub fn forget(&self, run_id: &str) {
        let known = self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(run_id);
        if known.is_some() {
            self.outside.forget(run_id);
        }
    }

    /// Forgets every run whose LoadTest is no more.
    pub fn prune(&self) {
        let all = self.all_loadtests();
        let uids: HashSet<String> = all.iter().filter_map(|loadtest| loadtest.uid()).collect();
        let gone: Vec<String> = {
            let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            runs.keys().filter(|run_id| !uids.contains(*run_id)).cloned().collect()
        };
        gone.iter().for_each(|run_id| self.forget(run_id));
        self.metrics
            .keep_only(&all.iter().map(|loadtest| key(loadtest)).collect());
    }

    /// Every LoadTest that is known.
    pub fn all_loadtests(&self) -> Vec<Arc<LoadTest>> {
        self.loadtests.iter().flat_map(Store::state).collect()
    }
}
