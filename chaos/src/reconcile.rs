//! One look, one decision, one act: in that order, and with what is about to be done written down before it is.

use std::sync::Arc;
use std::time::Duration;

use eoslab_api::chaos::{Baseline, ChaosPhase, ChaosRun, ChaosRunStatus, Injection, InjectionState};
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tracing::{debug, info, warn};

use crate::context::{Context, FINALIZER, MANAGER};
use crate::decide::{self, Situation, Stand, Step, current, fault_of, heal_of, is_of_another, micro};
use crate::error::Error;
use crate::events::{self, Note};
use crate::faults::{self, Processes};
use crate::hands::{HandError, carry_out};
use crate::look::{Look, look};
use crate::measure;
use crate::memory::{Memory, known_status};
use crate::status;
use crate::world::World;

/// Between two looks while a fault is at work: the resolution of what is measured by looking.
const CLOSE_LOOK: Duration = Duration::from_millis(250);
/// Between two looks otherwise.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks of a run that only waits for its LoadTest: many may.
const PATIENT_LOOK: Duration = Duration::from_secs(2);
/// So long it is tried to take back the fault of a run that is being deleted, us.
const RELEASE_TIMEOUT_US: i64 = 60_000_000;
/// So long after its time a frozen process is awake for certain, us: the intent was written before the act.
const WAKING_US: i64 = 20_000_000;
/// A status that only grew is written this often, us: one with many injections costs the API server a tenth of a second.
const STATUS_INTERVAL_US: i64 = 2_000_000;

/// Brings a ChaosRun a step further.
///
/// # Errors
/// When the API cannot be used; it is tried again.
pub async fn reconcile(run: Arc<ChaosRun>, context: Arc<Context>) -> Result<Action, Error> {
    if run.metadata.deletion_timestamp.is_some() {
        return release(&context, &run).await;
    }
    if status::is_complete(&run) {
        context.forget(&run);
        return acknowledge(&context, &run).await;
    }
    // Without all pods a victim looks gone.
    if !context.health.is_ready() {
        debug!(run = %run.name_any(), "waits until pods and ChaosRuns of every namespace are listed");
        return Ok(Action::requeue(LOOK));
    }
    let memory = context.memory(&run);
    let mut memory = memory.lock().await;
    let status = known_status(&memory, &run);
    if status.phase == ChaosPhase::Finished {
        // Its last patch failed, or the watch has not brought it yet.
        if memory.is_unwritten {
            patch_status(&context, &run, &status).await?;
            memory.is_unwritten = false;
        }
        return Ok(Action::await_change());
    }
    let seen = look(&context, &run, &mut memory).await?;
    let turn = Turn {
        context: &context,
        run: &run,
        memory: &mut memory,
        status,
        look: seen,
    };
    turn.take().await
}

/// A finished run stays as it is, whatever its spec becomes; `kubectl wait` takes only a condition of the latest one.
async fn acknowledge(context: &Context, run: &ChaosRun) -> Result<Action, Error> {
    let before = run.status.clone().unwrap_or_default();
    if before.observed_generation != run.metadata.generation {
        let mut status = before;
        status::derive(run, &mut status, (context.now_us)());
        patch_status(context, run, &status).await?;
    }
    Ok(Action::await_change())
}

/// What follows an error.
pub fn on_error(run: Arc<ChaosRun>, error: &Error, context: Arc<Context>) -> Action {
    if !error.is_benign() {
        warn!(run = %run.name_any(), %error, "reconciliation failed");
    }
    context.metrics.failed(error.label());
    error.retry()
}

/// A run that is being deleted: its fault is taken back first.
async fn release(context: &Context, run: &ChaosRun) -> Result<Action, Error> {
    if !run.finalizers().iter().any(|one| one == FINALIZER) {
        context.forget(run);
        return Ok(Action::await_change());
    }
    let memory = context.memory(run);
    let mut memory = memory.lock().await;
    let seen = look(context, run, &mut memory).await?;
    let status = known_status(&memory, run);
    let now_us = (context.now_us)();
    let since_us = *memory.releasing_since_us.get_or_insert(now_us);
    if let Some(injection) = current(&status)
        && !is_of_another(injection, &status, &seen.world)
        && !heal(context, run, injection, &seen.processes()).await
    {
        // A run that cannot be healed, as with the rights of the controller gone, must not be there forever.
        if now_us - since_us <= RELEASE_TIMEOUT_US {
            return Ok(Action::requeue(LOOK));
        }
        warn!(run = %run.name_any(), "the fault could not be taken back; the run is let go");
    }
    set_finalizer(context, run, false).await?;
    drop(memory);
    context.forget(run);
    Ok(Action::await_change())
}

/// Whether the time of a freeze is over: the process goes on by itself then, whatever the API says.
fn is_awake(injection: &Injection, now_us: i64) -> bool {
    let victim = injection.victim.as_ref();
    let begun = injection.injected_at.as_ref().or(injection.intended_at.as_ref());
    victim
        .and_then(|victim| victim.pause_seconds)
        .is_some_and(|seconds| now_us - decide::at_us(begun) > i64::from(seconds) * 1_000_000 + WAKING_US)
}

/// Takes a fault back; `false` where that has to be tried again. A victim that is gone needs no healing.
async fn heal(context: &Context, run: &ChaosRun, injection: &Injection, processes: &Processes) -> bool {
    let Some(act) = heal_of(&run.spec, injection, processes) else {
        return true;
    };
    let victim = injection.victim.clone().unwrap_or_default();
    match carry_out(&context.client, &victim, &act).await {
        Ok(()) | Err(HandError::Gone | HandError::Refused(_)) => true,
        Err(error) => {
            warn!(run = %run.name_any(), %error, "cannot take the fault back");
            is_awake(injection, (context.now_us)())
        }
    }
}

async fn set_finalizer(context: &Context, run: &ChaosRun, is_wanted: bool) -> Result<(), Error> {
    let runs: Api<ChaosRun> = Api::namespaced(context.client.clone(), &run.namespace().unwrap_or_default());
    let mut finalizers: Vec<String> = run
        .finalizers()
        .iter()
        .filter(|one| *one != FINALIZER)
        .cloned()
        .collect();
    if is_wanted {
        finalizers.push(FINALIZER.to_owned());
    }
    let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    let patched = runs
        .patch_metadata(&run.name_any(), &PatchParams::default(), &patch)
        .await;
    patched.map(drop).map_err(Error::api("set the finalizer"))
}

struct Turn<'a> {
    context: &'a Context,
    run: &'a ChaosRun,
    memory: &'a mut Memory,
    status: ChaosRunStatus,
    look: Look,
}

impl Turn<'_> {
    async fn take(mut self) -> Result<Action, Error> {
        let before = self.status.clone();
        self.measure();
        let processes = self.look.processes();
        let situation = Situation {
            spec: &self.run.spec,
            status: &self.status,
            world: &self.look.world,
            processes: &processes,
            steady_since_us: self.memory.steady_since_us,
        };
        let step = decide::next(&situation);
        let is_act = !matches!(step, Step::Wait(_));
        self.step(step, &processes).await?;
        self.write(&before, is_act).await?;
        Ok(Action::requeue(self.next_look()))
    }

    fn world(&self) -> &World {
        &self.look.world
    }

    /// Adds what was seen to the open injection.
    fn measure(&mut self) {
        let world = &self.look.world;
        let fault = current(&self.status).map(|injection| fault_of(&self.run.spec, injection));
        let is_steady = measure::trouble(fault.as_ref(), world, self.run.spec.steady_state.max_lag_ms).is_none();
        self.memory.steady_since_us = is_steady.then(|| self.memory.steady_since_us.unwrap_or(world.now_us));
        let is_ready = world.is_ready();
        let is_open = |one: &&mut Injection| one.state == InjectionState::Injected;
        let ChaosRunStatus {
            injections, baseline, ..
        } = &mut self.status;
        if let (Some(fault), Some(injection)) = (fault, injections.last_mut().filter(is_open)) {
            measure::fold(&fault, injection, baseline.get_or_insert_default(), world, is_ready);
        }
    }

    async fn step(&mut self, step: Step, processes: &Processes) -> Result<(), Error> {
        let now_us = self.world().now_us;
        match step {
            Step::Wait(stand) => status::stand(&mut self.status, &stand, now_us),
            Step::Intend(injection) => return self.intend(*injection, processes).await,
            Step::Confirm => self.injected(),
            Step::Withdraw => self.withdraw(processes).await?,
            Step::Heal => self.heal(processes).await?,
            Step::Close(state, message) => self.close(state, message).await?,
            Step::Finish(ending, injections) => {
                self.status.injections.extend(injections);
                status::end(&mut self.status, &ending, now_us);
                info!(run = %self.run.name_any(), verdict = %ending.verdict, reason = ending.reason, "{}", ending.message);
            }
        }
        Ok(())
    }

    /// Written before anything is touched: who comes after a crash finds it.
    async fn intend(&mut self, injection: Injection, processes: &Processes) -> Result<(), Error> {
        let victim = injection.victim.clone().unwrap_or_default();
        if heal_of(&self.run.spec, &injection, processes).is_some() {
            set_finalizer(self.context, self.run, true).await?;
        }
        self.status.baseline = Some(Baseline {
            rebalances: self.world().rebalances.clone(),
            was_out_of_sync: false,
        });
        let stand = Stand {
            phase: ChaosPhase::Injecting,
            reason: "Injecting",
            message: format!("{} of {}", injection.fault_type, victim.name),
        };
        self.status.injections.push(injection);
        let now_us = self.world().now_us;
        status::stand(&mut self.status, &stand, now_us);
        status::derive(self.run, &mut self.status, now_us);
        patch_status(self.context, self.run, &self.status).await?;
        self.memory.status = Some(self.status.clone());
        self.act(processes).await
    }

    async fn act(&mut self, processes: &Processes) -> Result<(), Error> {
        let Some(injection) = current(&self.status).cloned() else {
            return Ok(());
        };
        let (fault, victim) = (
            fault_of(&self.run.spec, &injection),
            injection.victim.clone().unwrap_or_default(),
        );
        let act = faults::act(&fault, &victim, processes);
        match carry_out(&self.context.client, &victim, &act).await {
            // Whether there is an effect is seen afterwards.
            Ok(()) => self.injected(),
            Err(error) if !error.is_certain() => {
                warn!(run = %self.run.name_any(), %error, "the fault may have been injected");
                // What is taken back does not prove itself: it stays intended, and shows or is withdrawn.
                if heal_of(&self.run.spec, &injection, processes).is_some() {
                    return Ok(());
                }
                self.injected();
            }
            Err(error) => {
                warn!(run = %self.run.name_any(), %error, "the fault could not be injected");
                if let Some(injection) = self.status.injections.last_mut() {
                    injection.state = InjectionState::NoEffect;
                    injection.message = error.to_string();
                }
                self.release_finalizer(&injection, processes).await;
                return Ok(());
            }
        }
        let number = self.status.injections.len();
        let loadtest = self.memory.slow.loadtest.as_ref();
        events::publish(self.context, self.run, loadtest, number, Note::injected(&injection)).await;
        Ok(())
    }

    /// Left on, it goes when the run is deleted: no reason to lose what is known of the injection.
    async fn release_finalizer(&self, injection: &Injection, processes: &Processes) {
        if heal_of(&self.run.spec, injection, processes).is_none() {
            return;
        }
        if let Err(error) = set_finalizer(self.context, self.run, false).await {
            warn!(run = %self.run.name_any(), %error, "the finalizer stays until the run is deleted");
        }
    }

    async fn withdraw(&mut self, processes: &Processes) -> Result<(), Error> {
        let Some(injection) = current(&self.status).cloned() else {
            return Ok(());
        };
        if !heal(self.context, self.run, &injection, processes).await {
            return Ok(());
        }
        self.release_finalizer(&injection, processes).await;
        self.status.injections.pop();
        // What was steady before says nothing of what comes after this.
        self.memory.steady_since_us = None;
        let stand = Stand {
            phase: ChaosPhase::Steadying,
            reason: "Steadying",
            message: "the fault that was written down was not injected; another is picked".to_owned(),
        };
        let now_us = self.world().now_us;
        status::stand(&mut self.status, &stand, now_us);
        Ok(())
    }

    fn injected(&mut self) {
        let now = micro((self.context.now_us)());
        if let Some(injection) = self.status.injections.last_mut() {
            injection.state = InjectionState::Injected;
            injection.injected_at = Some(now);
        }
    }

    async fn heal(&mut self, processes: &Processes) -> Result<(), Error> {
        let Some(injection) = current(&self.status).cloned() else {
            return Ok(());
        };
        if heal(self.context, self.run, &injection, processes).await {
            let now = micro((self.context.now_us)());
            if let Some(injection) = self.status.injections.last_mut() {
                injection.healed_at = Some(now);
            }
            // What was read before says nothing of what comes now.
            self.memory.slow.read_us = 0;
            set_finalizer(self.context, self.run, false).await?;
        }
        Ok(())
    }

    async fn close(&mut self, state: InjectionState, message: String) -> Result<(), Error> {
        let steady_us = self.memory.steady_since_us;
        let Some(injection) = self.status.injections.last_mut() else {
            return Ok(());
        };
        injection.state = state;
        injection.message = message;
        if let (InjectionState::Recovered, Some(steady_us)) = (state, steady_us) {
            measure::recovered(injection, steady_us);
        }
        let injection = injection.clone();
        let namespace = self.run.namespace().unwrap_or_default();
        self.context.metrics.closed(&namespace, injection.fault_type, state);
        // The next fault is measured from what is read anew.
        self.memory.slow.read_us = 0;
        let number = self.status.injections.len();
        let loadtest = self.memory.slow.loadtest.as_ref();
        events::publish(self.context, self.run, loadtest, number, Note::over(&injection)).await;
        Ok(())
    }

    /// A step is written at once, numbers that grow every two seconds.
    async fn write(&mut self, before: &ChaosRunStatus, is_act: bool) -> Result<(), Error> {
        let now_us = self.world().now_us;
        status::derive(self.run, &mut self.status, now_us);
        let is_due = now_us - self.memory.status_written_us >= STATUS_INTERVAL_US;
        let has_moved = before.phase != self.status.phase || before.injections.len() != self.status.injections.len();
        self.memory.is_unwritten |= self.status != *before;
        // Whatever becomes of the patch, what was done was done.
        self.memory.status = Some(self.status.clone());
        if !self.memory.is_unwritten || !(is_act || has_moved || is_due) {
            return Ok(());
        }
        self.memory.status_written_us = now_us;
        patch_status(self.context, self.run, &self.status).await?;
        self.memory.is_unwritten = false;
        Ok(())
    }

    fn next_look(&self) -> Duration {
        match current(&self.status) {
            Some(_) => CLOSE_LOOK,
            None if self.memory.slow.read_us == 0 => CLOSE_LOOK,
            None if self.status.phase == ChaosPhase::Judging => PATIENT_LOOK,
            // So that what the next fault is measured from was just read.
            None => LOOK,
        }
    }
}

/// One patch. The controller is the only writer of the status, and it never works twice on one run at a time.
async fn patch_status(context: &Context, run: &ChaosRun, status: &ChaosRunStatus) -> Result<(), Error> {
    let runs: Api<ChaosRun> = Api::namespaced(context.client.clone(), &run.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": ChaosRun::api_version(&()),
        "kind": ChaosRun::kind(&()),
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    let patched = runs.patch_status(&run.name_any(), &params, &Patch::Apply(&patch)).await;
    patched.map(drop).map_err(Error::api("write the status"))
}

#[cfg(test)]
mod tests;
