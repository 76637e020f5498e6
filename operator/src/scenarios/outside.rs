//! An outside that answers what a test says, and keeps what was asked of it.

use std::sync::{Mutex, PoisonError};

use eoslab_api::RedisUrls;
use eoslab_core::report::Pause;
use eoslab_counter::ledger::LedgerEntry;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use crate::outside::{Call, Configs, Created, Outside, Target};
use crate::plan::Plan;
use crate::seen::log::LogRange;
use crate::seen::members::Scraped;
use crate::seen::topic::{Cause, TopicState};
use crate::seen::usage::ServerUse;

/// The answers.
#[derive(Default)]
pub(crate) struct Answers {
    /// The topic.
    pub topic: TopicState,
    /// Why Redis cannot be used.
    pub store: Option<Cause>,
    /// Why what is to be deleted cannot be.
    pub deletion: Option<Cause>,
    /// The log.
    pub log: Vec<LogRange>,
    /// The ledger.
    pub ledger: Vec<LedgerEntry>,
    /// The pauses.
    pub pauses: Vec<Pause>,
    /// The reports.
    pub reports: Vec<Scraped>,
}

/// The outside.
#[derive(Default)]
pub(crate) struct Fake {
    pub answers: Mutex<Answers>,
    asked: Mutex<Vec<&'static str>>,
}

impl Fake {
    /// What changes something and was asked for, and forgets it.
    pub(crate) fn take_asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, what: &'static str) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn answer<T: Send + 'static>(&self, of: impl FnOnce(&Answers) -> T) -> BoxFuture<'_, T> {
        ready(of(&self.answers.lock().unwrap_or_else(PoisonError::into_inner))).boxed()
    }

    fn deleted(&self, what: &'static str) -> Call<'_, ()> {
        self.note(what);
        self.answer(|answers| answers.deletion.clone().map_or(Ok(()), Err))
    }
}

impl Outside for Fake {
    fn topic<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, TopicState> {
        self.answer(|answers| answers.topic.clone())
    }

    fn create_topic<'a>(&'a self, _: &'a Plan) -> Call<'a, Created> {
        self.note("create topic");
        self.answer(|_| Ok(Created::Made))
    }

    fn configs<'a>(&'a self, _: &'a Plan) -> Call<'a, Configs> {
        self.answer(|_| Ok(Configs::default()))
    }

    fn log<'a>(&'a self, _: &'a Plan) -> Call<'a, Vec<LogRange>> {
        self.answer(|answers| Ok(answers.log.clone()))
    }

    fn tail<'a>(&'a self, _: &'a Plan) -> Call<'a, Vec<u64>> {
        self.answer(|answers| Ok(answers.log.iter().map(LogRange::records).collect()))
    }

    fn check_store<'a>(&'a self, _: &'a Plan, _: &'a RedisUrls) -> Call<'a, ()> {
        self.answer(|answers| answers.store.clone().map_or(Ok(()), Err))
    }

    fn ledger<'a>(&'a self, _: &'a Plan, _: &'a RedisUrls) -> Call<'a, Vec<LedgerEntry>> {
        self.answer(|answers| Ok(answers.ledger.clone()))
    }

    fn pauses<'a>(&'a self, _: &'a Plan, _: &'a RedisUrls) -> Call<'a, Vec<Pause>> {
        self.answer(|answers| Ok(answers.pauses.clone()))
    }

    fn servers<'a>(&'a self, _: &'a Plan, _: Option<&'a RedisUrls>) -> BoxFuture<'a, ServerUse> {
        self.answer(|_| ServerUse::default())
    }

    fn scrape(&self, _: Vec<Target>) -> BoxFuture<'_, Vec<Scraped>> {
        self.answer(|answers| answers.reports.clone())
    }

    fn delete_topic<'a>(&'a self, _: &'a Plan) -> Call<'a, ()> {
        self.deleted("delete topic")
    }

    fn delete_group<'a>(&'a self, _: &'a Plan) -> Call<'a, ()> {
        self.deleted("delete group")
    }

    fn delete_ledger<'a>(&'a self, _: &'a Plan, _: &'a RedisUrls) -> Call<'a, ()> {
        self.deleted("delete ledger")
    }

    fn forget(&self, _: &str) {}
}
