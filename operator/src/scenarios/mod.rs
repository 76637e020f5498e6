//! Whole reconciliations against a mocked API server and a faked outside.

mod api;
mod deletion;
mod disturbances;
mod outside;
mod steps;

use std::sync::{Arc, PoisonError};

use eoslab_api::LoadTest;
use kube::runtime::controller::Action;
use serde_json::Value;

use crate::build::Image;
use crate::context::Context;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::reconcile::reconcile;
use api::{Api, Change};
use outside::{Answers, Fake};

/// 2026-01-01T00:10:00Z.
pub(crate) const NOW_US: i64 = 1_767_226_200_000_000;

/// An operator and its world.
pub(crate) struct Scenario {
    pub api: Api,
    pub outside: Arc<Fake>,
    context: Arc<Context>,
}

impl Scenario {
    /// Must be called within a runtime.
    pub(crate) fn new() -> Self {
        let api = Api::default();
        let outside = Arc::new(Fake::default());
        let image = Image {
            name: "eoslab:1".to_owned(),
            pull_policy: "Never".to_owned(),
        };
        let metrics = Metrics::new(true).expect("metrics");
        let mut context = Context::new(api.client(), outside.clone(), image, metrics);
        context.now_us = || NOW_US;
        Self {
            api,
            outside,
            context: Arc::new(context),
        }
    }

    /// Changes what the outside answers.
    pub(crate) fn outside(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.outside.answers.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One reconciliation.
    pub(crate) async fn reconcile(&self, loadtest: LoadTest) -> Result<Action, Error> {
        reconcile(Arc::new(loadtest), self.context.clone()).await
    }

    /// One reconciliation that succeeds; what it changed.
    pub(crate) async fn changes(&self, loadtest: LoadTest) -> Changes {
        self.reconcile(loadtest).await.expect("a reconciliation");
        Changes(self.api.take_changes())
    }
}

/// What a reconciliation changed.
#[derive(Debug)]
pub(crate) struct Changes(pub Vec<Change>);

impl Changes {
    /// The status that was written.
    pub(crate) fn status(&self) -> &Value {
        let written = self.0.iter().filter(|change| change.path.ends_with("/status"));
        let written: Vec<&Change> = written.collect();
        assert_eq!(written.len(), 1, "one status patch: {self:#?}");
        &written[0].body["status"]
    }

    /// Status of a condition.
    pub(crate) fn condition(&self, kind: &str) -> String {
        let conditions = self.status()["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.iter().find(|condition| condition["type"] == kind);
        let status = condition.map(|condition| condition["status"].as_str().unwrap_or_default().to_owned());
        status.unwrap_or_default()
    }

    /// What was changed at paths that end so.
    pub(crate) fn at(&self, end: &str) -> Option<&Change> {
        self.0.iter().find(|change| change.path.ends_with(end))
    }

    /// Reasons of the events that were published.
    pub(crate) fn events(&self) -> Vec<&str> {
        let events = self.0.iter().filter(|change| change.path.contains("/events"));
        events.filter_map(|event| event.body["reason"].as_str()).collect()
    }

    /// Names of the objects that were applied, in order, the LoadTest left out.
    pub(crate) fn applied(&self) -> Vec<String> {
        let of = |change: &Change| {
            let is_own = change.path.contains("/loadtests/") || change.path.contains("/events");
            let mut parts = change.path.rsplit('/');
            let (name, plural) = (parts.next()?, parts.next()?);
            (!is_own && change.verb == "PATCH").then(|| format!("{plural}/{name}"))
        };
        self.0.iter().filter_map(of).collect()
    }
}
