//! The reconciler: look, validate, decide, build and apply, write the status.

use std::sync::Arc;
use std::time::Duration;

use eoslab_api::{LoadTest, LoadTestStatus, Phase};
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tracing::{error, info, warn};

use crate::apply::{Applying, set_finalizer};
use crate::build::Source;
use crate::cleanup::clean_up;
use crate::context::Context;
use crate::decide::{self, Decision, Prior};
use crate::dereference::{Look, look};
use crate::error::Error;
use crate::events;
use crate::memory::RunMemory;
use crate::names::{FINALIZER, MANAGER, key};
use crate::plan::Plan;
use crate::search;
use crate::seen::Seen;
use crate::status::{self, Facts};

/// From one look at an active run to the next.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The same where the next step is to follow at once.
const STEP_INTERVAL: Duration = Duration::from_millis(100);
/// The same for a run that waits for another one, or to be resumed.
const WAIT_INTERVAL: Duration = Duration::from_secs(2);

/// Whether a run is over: there is nothing left to do for it until it is deleted.
pub fn is_complete(loadtest: &LoadTest) -> bool {
    let conditions = loadtest.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Complete" && condition.status == "True")
}

/// Takes one LoadTest one step further.
///
/// # Errors
/// When the API cannot be used; see [`on_error`].
pub async fn reconcile(loadtest: Arc<LoadTest>, context: Arc<Context>) -> Result<Action, Error> {
    let timer = context.metrics.reconcile_timer();
    let result = step(&loadtest, &context).await;
    timer.observe_duration();
    let memory = context.memory_if_known(&loadtest.uid().unwrap_or_default());
    if let (Ok(_), Some(memory)) = (&result, memory) {
        memory.lock().await.failures = 0;
    }
    result
}

/// When to try again. A failure is logged and counted here and nowhere else.
pub fn on_error(loadtest: Arc<LoadTest>, error: &Error, context: Arc<Context>) -> Action {
    if !error.is_benign() {
        warn!(loadtest = %key(&loadtest), %error, "reconciliation failed");
        context.metrics.failed(error.label());
    }
    let memory = context.memory(&loadtest.uid().unwrap_or_default());
    // Nobody else works on this run now.
    let failures = memory.try_lock().map_or(1, |mut memory| {
        memory.failures += u32::from(!error.is_benign());
        memory.failures
    });
    error.retry(failures)
}

async fn step(loadtest: &LoadTest, context: &Context) -> Result<Action, Error> {
    if loadtest.metadata.deletion_timestamp.is_some() {
        context.metrics.forget(loadtest);
        return clean_up(context, loadtest).await;
    }
    if is_complete(loadtest) {
        context.metrics.observe(loadtest);
        context.forget(&loadtest.uid().unwrap_or_default());
        return acknowledge(context, loadtest).await;
    }
    let memory = context.memory(&loadtest.uid().unwrap_or_default());
    let mut memory = memory.lock().await;
    let before = loadtest.status.clone().unwrap_or_default();
    let prior = Prior::new(&before);
    if loadtest.spec.producer.is_search() {
        let decision = search::step(context, loadtest, &prior).await?;
        let writing = Writing::new(context, loadtest, &before, &prior, None, &decision);
        return writing.write(&Look::default(), &mut memory, None).await;
    }
    let plan = match Plan::new(loadtest) {
        Ok(plan) => plan,
        Err(mistakes) => {
            let decision = decide::refuse(&prior, &mistakes.to_string());
            let written = Writing::new(context, loadtest, &before, &prior, None, &decision);
            return written.write(&Look::default(), &mut memory, None).await;
        }
    };
    let look = look(context, loadtest, &plan, &prior, &mut memory).await?;
    let decision = decide::next(&plan, &prior, &look.seen, (context.now_us)());
    advance(
        context,
        loadtest,
        (&before, &prior),
        &plan,
        &look,
        &decision,
        &mut memory,
    )
    .await
}

/// A finished run stays as it is, whatever its spec becomes; `kubectl wait` takes only a condition of the latest one.
async fn acknowledge(context: &Context, loadtest: &LoadTest) -> Result<Action, Error> {
    let generation = loadtest.metadata.generation;
    let mut status = loadtest.status.clone().unwrap_or_default();
    if status.observed_generation != generation {
        status.observed_generation = generation;
        for condition in &mut status.conditions {
            condition.observed_generation = generation;
        }
        patch_status(context, loadtest, &status, loadtest.resource_version()).await?;
    }
    Ok(Action::await_change())
}

/// One patch, and only onto the object that the decision was about: of two operators, or of one with an old copy, one is
/// told of a conflict and looks again.
async fn patch_status(
    context: &Context,
    loadtest: &LoadTest,
    status: &LoadTestStatus,
    version: Option<String>,
) -> Result<(), Error> {
    let patch = json!({
        "apiVersion": LoadTest::api_version(&()),
        "kind": LoadTest::kind(&()),
        "metadata": {"resourceVersion": version},
        "status": status,
    });
    let namespace = loadtest.namespace().unwrap_or_default();
    let api: Api<LoadTest> = Api::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    let patched = api
        .patch_status(&loadtest.name_any(), &params, &Patch::Apply(&patch))
        .await;
    patched.map(drop).map_err(Error::api("write the status"))
}

/// Makes the world as decided, then writes the status.
async fn advance(
    context: &Context,
    loadtest: &LoadTest,
    (before, prior): (&LoadTestStatus, &Prior),
    plan: &Plan,
    look: &Look,
    decision: &Decision,
    memory: &mut RunMemory,
) -> Result<Action, Error> {
    // Before anything is made that a deletion has to remove.
    let has_finalizer = loadtest.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    let newer = match decision.todo.leaves_traces && !has_finalizer {
        true => Some(set_finalizer(context, loadtest, true).await?),
        false => None,
    };
    let Some(owner) = loadtest.controller_owner_ref(&()) else {
        return Ok(Action::await_change());
    };
    let source = Source {
        plan,
        owner: &owner,
        image: &context.image,
    };
    let applying = Applying {
        context,
        source,
        decision,
        seen: &look.seen,
    };
    applying.run(memory).await?;
    let writing = Writing::new(context, loadtest, before, prior, Some(plan), decision);
    let version = newer.and_then(|newer| newer.resource_version());
    writing.write(look, memory, version).await
}

/// The last step: the status, and the events that go with it.
struct Writing<'a> {
    context: &'a Context,
    loadtest: &'a LoadTest,
    before: &'a LoadTestStatus,
    prior: &'a Prior,
    plan: Option<&'a Plan>,
    decision: &'a Decision,
}

impl<'a> Writing<'a> {
    fn new(
        context: &'a Context,
        loadtest: &'a LoadTest,
        before: &'a LoadTestStatus,
        prior: &'a Prior,
        plan: Option<&'a Plan>,
        decision: &'a Decision,
    ) -> Self {
        Self {
            context,
            loadtest,
            before,
            prior,
            plan,
            decision,
        }
    }

    async fn write(&self, look: &Look, memory: &mut RunMemory, version: Option<String>) -> Result<Action, Error> {
        let now_us = (self.context.now_us)();
        let mut after = status::compose(&self.facts(&look.seen, now_us));
        if memory.is_topic_foreign
            && let Some(topic) = &mut after.topic
        {
            topic.created_by_run = false;
        }
        self.context
            .metrics
            .observe_run(self.loadtest, &after, &look.seen, now_us);
        let is_due = status::is_due(self.before, &after, now_us - memory.status_written_us) || !look.gone.is_empty();
        // Before the status: where a run is complete, its report is there.
        after.report_ref = memory
            .report
            .write(self.context, self.loadtest, &after, &look.seen)
            .await?;
        if is_due {
            let version = version.or_else(|| self.loadtest.resource_version());
            patch_status(self.context, self.loadtest, &after, version).await?;
            memory.status_written_us = now_us;
            self.tell(&after, look).await;
        }
        Ok(self.next_look(&after))
    }

    fn facts<'f>(&'f self, seen: &'f Seen, now_us: i64) -> Facts<'f> {
        Facts {
            before: self.before,
            prior: self.prior,
            plan: self.plan,
            seen,
            decision: self.decision,
            generation: self.loadtest.metadata.generation,
            now_us,
        }
    }

    /// Log line and events of what changed.
    async fn tell(&self, after: &LoadTestStatus, look: &Look) {
        let name = key(self.loadtest);
        let message = after.message.as_deref().unwrap_or_default();
        if self.before.phase != after.phase || self.before.reason != after.reason {
            let (phase, verdict) = (after.phase.as_str(), after.verdict.as_str());
            let reason = after.reason.as_deref().unwrap_or_default();
            match verdict {
                "Error" | "Fail" => error!(loadtest = %name, phase, verdict, reason, "{message}"),
                _ => info!(loadtest = %name, phase, verdict, reason, "{message}"),
            }
        }
        let notes = events::notes(self.before, after, self.decision.needs_help, &look.gone);
        events::publish(&self.context.recorder, self.loadtest, notes).await;
    }

    fn next_look(&self, after: &LoadTestStatus) -> Action {
        let is_step = self.before.phase != after.phase || self.before.topic != after.topic;
        match after.phase {
            // The write itself brings the object back once more.
            Phase::Finished => Action::await_change(),
            _ if is_step => Action::requeue(STEP_INTERVAL),
            Phase::Pending => Action::requeue(WAIT_INTERVAL),
            _ => Action::requeue(LOOK_INTERVAL),
        }
    }
}
