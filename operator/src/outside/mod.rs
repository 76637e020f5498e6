//! Everything outside the cluster's API: Kafka, Redis, and the reports of the pods. A trait, so that the reconciler can
//! be tested without any of them.

mod broker_metrics;
mod kafka;
mod lab;
mod redis;
mod scrape;

pub use lab::Lab;
pub use scrape::Target;

use std::collections::BTreeMap;

use eoslab_api::RedisUrls;
use eoslab_core::report::Pause;
use eoslab_counter::ledger::LedgerEntry;
use futures::future::BoxFuture;

use crate::plan::Plan;
use crate::seen::log::LogRange;
use crate::seen::members::Scraped;
use crate::seen::topic::{Cause, TopicState};
use crate::seen::usage::ServerUse;

/// What making a topic came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    Made,
    /// It existed already.
    Existed,
}

/// Configuration as the brokers tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configs {
    /// Of the topic, defaults included.
    pub topic: BTreeMap<String, String>,
    /// Of a broker: what is not at its default and no secret.
    pub broker: BTreeMap<String, String>,
}

/// A call to the outside.
pub type Call<'a, T> = BoxFuture<'a, Result<T, Cause>>;

/// Kafka, Redis and the pods. Every call ends within seconds.
pub trait Outside: Send + Sync {
    /// Looks at the topic.
    fn topic<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, TopicState>;

    /// Makes the topic.
    fn create_topic<'a>(&'a self, plan: &'a Plan) -> Call<'a, Created>;

    /// Configuration of the topic and of a broker.
    fn configs<'a>(&'a self, plan: &'a Plan) -> Call<'a, Configs>;

    /// First and end offsets of each partition.
    fn log<'a>(&'a self, plan: &'a Plan) -> Call<'a, Vec<LogRange>>;

    /// Last seq + 1 of each partition of the log.
    fn tail<'a>(&'a self, plan: &'a Plan) -> Call<'a, Vec<u64>>;

    /// Checks that Redis answers and keeps what it is given.
    fn check_store<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, ()>;

    /// The ledger of each partition.
    fn ledger<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, Vec<LedgerEntry>>;

    /// The pauses noted in the ledger.
    fn pauses<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, Vec<Pause>>;

    /// How much Redis and the brokers have worked so far, as far as they tell.
    fn servers<'a>(&'a self, plan: &'a Plan, urls: Option<&'a RedisUrls>) -> BoxFuture<'a, ServerUse>;

    /// Reads the reports of pods; those that do not answer are left out.
    fn scrape(&self, targets: Vec<Target>) -> BoxFuture<'_, Vec<Scraped>>;

    /// Deletes the topic; one that is not there is no error.
    fn delete_topic<'a>(&'a self, plan: &'a Plan) -> Call<'a, ()>;

    /// Deletes the consumer group; one that is not there is no error.
    fn delete_group<'a>(&'a self, plan: &'a Plan) -> Call<'a, ()>;

    /// Deletes the run's keys.
    fn delete_ledger<'a>(&'a self, plan: &'a Plan, urls: &'a RedisUrls) -> Call<'a, ()>;

    /// Closes what is open for a run.
    fn forget(&self, run_id: &str);
}
