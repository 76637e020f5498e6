//! The real outside.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eoslab_api::RedisUrls;
use eoslab_core::report::Pause;
use eoslab_counter::ledger::LedgerEntry;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::broker_metrics;
use super::kafka::Session;
use super::redis::Store;
use super::scrape::{Target, scrape};
use super::{Call, Configs, Created, Outside};
use crate::plan::Plan;
use crate::seen::log::LogRange;
use crate::seen::members::Scraped;
use crate::seen::topic::{Cause, TopicState};
use crate::seen::usage::ServerUse;

/// Longest time for any call; each has shorter ones within.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Clients of every active run, made on first use.
#[derive(Default)]
pub struct Lab {
    http: reqwest::Client,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    stores: Mutex<HashMap<String, Store>>,
}

impl Lab {
    /// Without any client yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn session(&self, plan: &Plan) -> Result<Arc<Session>, Cause> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(&plan.run_id) {
            return Ok(session.clone());
        }
        let session = Arc::new(Session::new(plan)?);
        sessions.insert(plan.run_id.clone(), session.clone());
        Ok(session)
    }

    fn store(&self, plan: &Plan, urls: &RedisUrls) -> Result<Store, Cause> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        // A Secret may have been given another password since.
        if let Some(store) = stores.get(&plan.run_id).filter(|store| store.is_at(urls)) {
            return Ok(store.clone());
        }
        let store = Store::new(urls, &plan.run_id, plan.partitions())?;
        stores.insert(plan.run_id.clone(), store.clone());
        Ok(store)
    }

    async fn with_session<T: Send + 'static>(
        &self,
        plan: &Plan,
        call: impl FnOnce(&Session) -> Result<T, Cause> + Send + 'static,
    ) -> Result<T, Cause> {
        let session = self.session(plan)?;
        blocking(move || call(&session)).await
    }

    async fn with_store<T: Send + 'static>(
        &self,
        plan: &Plan,
        urls: &RedisUrls,
        call: impl FnOnce(&Store) -> Result<T, Cause> + Send + 'static,
    ) -> Result<T, Cause> {
        let store = self.store(plan, urls)?;
        blocking(move || call(&store)).await
    }
}

async fn blocking<T: Send + 'static>(call: impl FnOnce() -> Result<T, Cause> + Send + 'static) -> Result<T, Cause> {
    bounded(async {
        spawn_blocking(call)
            .await
            .unwrap_or_else(|error| Err(gone_wrong(&error)))
    })
    .await
}

async fn bounded<T>(call: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
    let late = || {
        Err(Cause::new(
            "Timeout",
            "a call did not end in time; see the operator's log",
        ))
    };
    timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| late())
}

fn gone_wrong(error: &tokio::task::JoinError) -> Cause {
    Cause::new("Internal", format!("a call of the operator failed: {error}"))
}

impl Outside for Lab {
    fn topic<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, TopicState> {
        let look = async {
            if let Err(cause) = self.session(plan) {
                return Ok(TopicState::Unusable(cause));
            }
            let state = self.with_session(plan, Session::topic).await?;
            Ok(match state {
                TopicState::Exists(mut facts) => {
                    facts.config = bounded(self.session(plan)?.topic_config()).await?;
                    TopicState::Exists(facts)
                }
                other => other,
            })
        };
        look.map(|result: Result<_, Cause>| result.unwrap_or_else(TopicState::Unknown))
            .boxed()
    }

    fn create_topic<'a>(&'a self, plan: &'a Plan) -> Call<'a, Created> {
        async { bounded(self.session(plan)?.create_topic(plan)).await }.boxed()
    }

    fn configs<'a>(&'a self, plan: &'a Plan) -> Call<'a, Configs> {
        async {
            let brokers = self.with_session(plan, Session::brokers).await?;
            // Of two runs the same one, for brokers differ in what is their own.
            let first = brokers.iter().map(|(id, _)| *id).min();
            bounded(self.session(plan)?.configs(first)).await
        }
        .boxed()
    }

    fn log<'a>(&'a self, plan: &'a Plan) -> Call<'a, Vec<LogRange>> {
        self.with_session(plan, Session::log).boxed()
    }

    fn tail<'a>(&'a self, plan: &'a Plan) -> Call<'a, Vec<u64>> {
        self.with_session(plan, Session::tail).boxed()
    }

    fn check_store<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, ()> {
        self.with_store(plan, urls, Store::check).boxed()
    }

    fn ledger<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, Vec<LedgerEntry>> {
        self.with_store(plan, urls, Store::read).boxed()
    }

    fn pauses<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, Vec<Pause>> {
        self.with_store(plan, urls, Store::pauses).boxed()
    }

    fn servers<'a>(&'a self, plan: &'a Plan, urls: Option<&'a RedisUrls>) -> BoxFuture<'a, ServerUse> {
        let ledger = async move {
            let used = self.with_store(plan, urls?, Store::main_thread_us).await;
            used.ok()
        };
        let brokers = async move {
            let Some(port) = plan.metrics_port() else {
                return BTreeMap::new();
            };
            let brokers = self.with_session(plan, Session::brokers).await;
            broker_metrics::read(&self.http, port, brokers.unwrap_or_default()).await
        };
        async move {
            let (ledger_us, brokers) = tokio::join!(ledger, brokers);
            ServerUse { ledger_us, brokers }
        }
        .boxed()
    }

    fn scrape(&self, targets: Vec<Target>) -> BoxFuture<'_, Vec<Scraped>> {
        scrape(&self.http, targets).boxed()
    }

    fn delete_topic<'a>(&'a self, plan: &'a Plan) -> Call<'a, ()> {
        async { bounded(self.session(plan)?.delete_topic()).await }.boxed()
    }

    fn delete_group<'a>(&'a self, plan: &'a Plan) -> Call<'a, ()> {
        async { bounded(self.session(plan)?.delete_group(&plan.group)).await }.boxed()
    }

    fn delete_ledger<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, ()> {
        self.with_store(plan, urls, Store::delete).boxed()
    }

    fn forget(&self, run_id: &str) {
        let session = self
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(run_id);
        self.stores
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(run_id);
        // Closing a client waits for its threads.
        if let Some(session) = session {
            drop(spawn_blocking(move || drop(session)));
        }
    }
}
