//! What comes next: a pure function of what is wanted, what was done so far, and what was seen.

use eoslab_api::chaos::{ChaosPhase, Fault, FaultType, Injection, InjectionState};
use eoslab_api::{ChaosRunSpec, ChaosRunStatus, Phase};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

use crate::faults::{self, Act, Choice, Processes, Refusal, Signal};
use crate::measure;
use crate::verdict::{self, Ending};
use crate::world::World;

/// A victim shows no sign of a fault for so long: it had no effect.
const EFFECT_TIMEOUT_US: i64 = 30_000_000;
/// The same of a rolling restart: Strimzi looks at its annotation every two minutes.
const ROLL_TIMEOUT_US: i64 = 180_000_000;
/// Everything must be steady for so long to count as recovered, or as used to another number of counters.
const RECOVERED_FOR_US: i64 = 2_000_000;
/// So long a ChaosRun waits for its LoadTest to be made.
const LOADTEST_TIMEOUT_US: i64 = 30_000_000;

/// What there is to decide on.
pub struct Situation<'a> {
    /// What is wanted.
    pub spec: &'a ChaosRunSpec,
    /// What was done so far.
    pub status: &'a ChaosRunStatus,
    /// What was seen.
    pub world: &'a World,
    /// Processes that faults hit outside the LoadTest.
    pub processes: &'a Processes,
    /// Since when everything has been steady, us since the Unix epoch.
    pub steady_since_us: Option<i64>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing but to look again.
    Wait(Stand),
    /// Write down what will be injected, and only then inject it.
    Intend(Box<Injection>),
    /// It is injected already: whoever wrote it down did so before he died.
    Confirm,
    /// It was written down and does not show: take back what might be left of it, and begin anew.
    Withdraw,
    /// Take the fault back.
    Heal,
    /// The injection is over.
    Close(InjectionState, String),
    /// The run is over, perhaps with injections that were never done.
    Finish(Ending, Vec<Injection>),
}

/// Where a run stands that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Its phase.
    pub phase: ChaosPhase,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

fn wait(phase: ChaosPhase, reason: &'static str, message: impl Into<String>) -> Step {
    let message = message.into();
    Step::Wait(Stand { phase, reason, message })
}

/// The faults as often as each is wanted: position in `spec.faults`, and the fault.
pub fn all(spec: &ChaosRunSpec) -> Vec<(u32, &Fault)> {
    let times = |(index, fault): (usize, &'_ Fault)| (index as u32, fault.repeat);
    let indices = spec.faults.iter().enumerate().map(times);
    indices
        .flat_map(|(index, repeat)| std::iter::repeat_n(index, repeat as usize))
        .filter_map(|index| Some((index, spec.faults.get(index as usize)?)))
        .collect()
}

/// The fault that an injection is one of.
pub fn fault_of(spec: &ChaosRunSpec, injection: &Injection) -> Fault {
    spec.faults.get(injection.fault as usize).cloned().unwrap_or_default()
}

/// How an injection is taken back; `None` where there is nothing to take back.
pub fn heal_of(spec: &ChaosRunSpec, injection: &Injection, processes: &Processes) -> Option<Act> {
    let victim = injection.victim.clone().unwrap_or_default();
    faults::heal(&fault_of(spec, injection), &victim, processes)
}

/// The injection that is not over.
pub fn current(status: &ChaosRunStatus) -> Option<&Injection> {
    let is_open = |one: &&Injection| matches!(one.state, InjectionState::Intended | InjectionState::Injected);
    status.injections.last().filter(is_open)
}

/// Whether the LoadTest was made anew after the first fault.
fn is_anew(status: &ChaosRunStatus, world: &World) -> bool {
    let first = status.injections.iter().find_map(|one| one.intended_at.as_ref());
    let made_us = world.loadtest.as_ref().map(|loadtest| loadtest.created_us);
    made_us
        .zip(first)
        .is_some_and(|(made_us, first)| made_us > at_us(Some(first)) + measure::CREATION_SLACK_US)
}

/// Whether an injection changed a LoadTest that is no more: the one that has its name now has its own number of counters.
pub fn is_of_another(injection: &Injection, status: &ChaosRunStatus, world: &World) -> bool {
    injection.fault_type == FaultType::ScaleCounters && is_anew(status, world)
}

/// A time as it is written in a status.
pub fn micro(at_us: i64) -> MicroTime {
    MicroTime(Timestamp::from_microsecond(at_us).unwrap_or_default())
}

/// What comes next.
pub fn next(situation: &Situation) -> Step {
    let open = current(situation.status);
    let cut = situation.spec.abort.then(verdict::aborted);
    if let Some(ending) = cut.or_else(|| situation.lost_loadtest()) {
        return match open {
            Some(injection) if situation.is_to_heal(injection) => Step::Heal,
            _ => Step::Finish(ending, Vec::new()),
        };
    }
    match open {
        Some(injection) if injection.state == InjectionState::Intended => situation.intended(injection),
        Some(injection) => situation.recovering(injection),
        None => situation.between(),
    }
}

impl Situation<'_> {
    /// Whether a fault is at work that does not end by itself.
    pub fn is_to_heal(&self, injection: &Injection) -> bool {
        injection.healed_at.is_none()
            && !is_of_another(injection, self.status, self.world)
            && heal_of(self.spec, injection, self.processes).is_some()
    }

    /// A LoadTest that went while a fault was at work, or gave way to another of its name, in which nothing was injected.
    fn lost_loadtest(&self) -> Option<Ending> {
        let name = &self.spec.load_test;
        if is_anew(self.status, self.world) {
            let message = format!("spec.loadTest: {name} was made anew after the first fault");
            return Some(verdict::inconclusive("LoadTestReplaced", message));
        }
        let is_hit = self.world.loadtest.is_none() && current(self.status).is_some();
        is_hit.then(|| {
            let message = format!("spec.loadTest: {name} was deleted while a fault was at work");
            verdict::inconclusive("NoLoadTest", message)
        })
    }

    /// Written down and not known to be done: this process was restarted in between, or got no answer. If it was done, it
    /// shows. If it does not, another is picked: steady state and guards must hold now, and not as they did then.
    fn intended(&self, injection: &Injection) -> Step {
        let fault = fault_of(self.spec, injection);
        if measure::has_effect(&fault, injection, self.world) {
            return Step::Confirm;
        }
        if self.world.now_us - at_us(injection.intended_at.as_ref()) > effect_timeout_us(&fault) {
            return Step::Withdraw;
        }
        let message = "waits whether the fault shows that was written down";
        wait(ChaosPhase::Injecting, "WaitingForEffect", message)
    }

    fn recovering(&self, injection: &Injection) -> Step {
        let (fault, now_us) = (fault_of(self.spec, injection), self.world.now_us);
        let injected_us = at_us(injection.injected_at.as_ref());
        let trouble = measure::trouble(Some(&fault), self.world, self.spec.steady_state.max_lag_ms);
        if self.is_to_heal(injection) {
            return self.healing(&fault, injection, now_us - injected_us);
        }
        if !measure::has_effect(&fault, injection, self.world) {
            if now_us - injected_us > effect_timeout_us(&fault) {
                let message = "nothing happened to the victim; see spec.kafka, spec.redis or spec.operator (process)";
                return Step::Close(InjectionState::NoEffect, message.to_owned());
            }
            return wait(
                ChaosPhase::Recovering,
                "WaitingForEffect",
                "waits until the fault shows",
            );
        }
        let is_done = measure::is_replaced(&fault, injection, self.world);
        // What was steady under the fault says nothing of what comes after it.
        let healed_us = at_us(injection.healed_at.as_ref()).max(injected_us);
        if is_done && self.has_been_steady_for(RECOVERED_FOR_US, healed_us) {
            return Step::Close(InjectionState::Recovered, String::new());
        }
        let trouble = trouble.unwrap_or_else(|| "it was not steady for long enough".to_owned());
        // A roll begins when somebody looks at the annotation.
        let begun_us = match fault.fault_type {
            FaultType::RollingRestart => injected_us + injection.detected_ms.unwrap_or(0) as i64 * 1000,
            _ => healed_us,
        };
        if now_us - begun_us > i64::from(self.spec.recovery.timeout_seconds) * 1_000_000 {
            return Step::Close(InjectionState::NotRecovered, trouble);
        }
        wait(ChaosPhase::Recovering, "Recovering", trouble)
    }

    /// A fault that is taken back: when its time has come.
    fn healing(&self, fault: &Fault, injection: &Injection, for_us: i64) -> Step {
        let victim = injection.victim.clone().unwrap_or_default();
        let is_due = match faults::act(fault, &victim, self.processes) {
            Act::Signal {
                signal: Signal::Freeze { seconds },
                ..
            } => for_us >= i64::from(seconds) * 1_000_000,
            _ => {
                let steady = self.has_been_steady_for(RECOVERED_FOR_US, at_us(injection.injected_at.as_ref()));
                steady || for_us > i64::from(self.spec.recovery.timeout_seconds) * 500_000
            }
        };
        match is_due {
            true => Step::Heal,
            false => wait(
                ChaosPhase::Injecting,
                "AtWork",
                format!("{} is at work", fault.fault_type),
            ),
        }
    }

    /// Steady for so long, all of it after `after_us`.
    fn has_been_steady_for(&self, for_us: i64, after_us: i64) -> bool {
        let since = self.steady_since_us.map(|since| since.max(after_us));
        since.is_some_and(|since| self.world.now_us - since >= for_us)
    }

    /// No injection is open.
    fn between(&self) -> Step {
        if let Some(ending) = verdict::early(self.spec, self.status) {
            return Step::Finish(ending, Vec::new());
        }
        if let Some(step) = self.no_loadtest() {
            return step;
        }
        let all = all(self.spec);
        match all.get(self.status.injections.len()) {
            Some((index, fault)) => self.before(*index, fault, &all),
            None => match verdict::last(self.spec, self.status, self.world) {
                Ok(ending) => Step::Finish(ending, Vec::new()),
                Err(message) => wait(ChaosPhase::Judging, "WaitingForVerdict", message),
            },
        }
    }

    fn no_loadtest(&self) -> Option<Step> {
        if self.world.loadtest.is_some() {
            return None;
        }
        let name = &self.spec.load_test;
        let message = format!("spec.loadTest: there is no LoadTest {name} in this namespace that can be used");
        let waited_us = self.world.now_us - at_us(self.status.phase_since.as_ref()).max(1);
        if self.status.phase_since.is_some() && waited_us > LOADTEST_TIMEOUT_US {
            return Some(Step::Finish(
                verdict::inconclusive("NoLoadTest", format!("{message}; create it")),
                Vec::new(),
            ));
        }
        Some(wait(ChaosPhase::Pending, "NoLoadTest", message))
    }

    /// Before an injection.
    fn before(&self, index: u32, fault: &Fault, all: &[(u32, &Fault)]) -> Step {
        let loadtest = self.world.loadtest.clone().unwrap_or_default();
        if loadtest.is_complete || loadtest.is_stopped || loadtest.phase() > Phase::Running {
            let (done, all) = (self.status.injections.len(), all.len());
            let message = match loadtest.is_stopped {
                true => format!("the LoadTest was told to stop when {done} of {all} faults were injected"),
                false => format!(
                    "the LoadTest had sent everything when {done} of {all} faults were injected; give it more \
                     spec.producer.events, or inject fewer faults"
                ),
            };
            return Step::Finish(verdict::inconclusive("LoadTestOver", message), Vec::new());
        }
        if loadtest.phase() < Phase::Running {
            let message = format!("the LoadTest is in phase {}", loadtest.phase());
            return wait(ChaosPhase::Pending, "WaitingForLoadTest", message);
        }
        if let Some(rival) = &self.world.rival {
            return wait(
                ChaosPhase::Pending,
                "WaitingForChaosRun",
                format!("ChaosRun {rival} goes first"),
            );
        }
        if self.status.injections.is_empty()
            && let Some(step) = self.preflight(all)
        {
            return step;
        }
        self.steadying(index, fault)
    }

    /// Before anything is touched: every fault that can't be injected ends the run now, and so does a dry run.
    fn preflight(&self, all: &[(u32, &Fault)]) -> Option<Step> {
        let mut planned = Vec::new();
        for (number, (index, fault)) in all.iter().enumerate() {
            match self.pick(fault, number) {
                Ok(injection) => planned.push(Injection {
                    fault: *index,
                    state: InjectionState::Planned,
                    ..injection
                }),
                Err(refusal) if self.spec.dry_run || !refusal.may_pass() => {
                    return Some(refused(*index, fault, refusal));
                }
                Err(_) => {}
            }
        }
        self.spec
            .dry_run
            .then(|| Step::Finish(verdict::dry_run(planned.len()), planned))
    }

    fn steadying(&self, index: u32, fault: &Fault) -> Step {
        let steady = &self.spec.steady_state;
        let since_us = match self.status.phase {
            ChaosPhase::Steadying => at_us(self.status.phase_since.as_ref()),
            _ => self.world.now_us,
        };
        if self.has_been_steady_for(
            i64::from(steady.seconds) * 1_000_000,
            self.recovered_us().unwrap_or(since_us),
        ) {
            return match self.pick(fault, self.status.injections.len()) {
                Ok(injection) => Step::Intend(Box::new(Injection {
                    fault: index,
                    ..injection
                })),
                Err(refusal) => refused(index, fault, refusal),
            };
        }
        let trouble = self.world.trouble(steady.max_lag_ms);
        let message = trouble.unwrap_or_else(|| format!("waits for {} s of steady state", steady.seconds));
        if self.world.now_us - since_us > i64::from(steady.timeout_seconds) * 1_000_000 {
            let message = format!(
                "no steady state within {} s: {message}; lower the rate of the LoadTest or raise \
                 spec.steadyState.maxLagMs",
                steady.timeout_seconds
            );
            return Step::Finish(verdict::inconclusive("NotSteady", message), Vec::new());
        }
        wait(ChaosPhase::Steadying, "Steadying", message)
    }

    /// When the last fault was over, if everything has recovered from it: what held since then need not be seen again.
    fn recovered_us(&self) -> Option<i64> {
        let last = self.status.injections.last()?;
        (last.state == InjectionState::Recovered).then(|| at_us(last.recovered_at.as_ref()))
    }

    fn pick(&self, fault: &Fault, number: usize) -> Result<Injection, Refusal> {
        let choice = Choice {
            world: self.world,
            fault,
            seed: self.spec.seed.wrapping_add(number as u64),
            allow_unsafe: self.spec.allow_unsafe,
        };
        let victim = faults::pick(&choice)?;
        let (lost, duplicated) = self.world.wrong().unwrap_or_default();
        Ok(Injection {
            fault_type: fault.fault_type,
            victim: Some(victim),
            intended_at: Some(micro(self.world.now_us)),
            ledger_from_us: self.world.ledger_clock_us(),
            lost_before: lost,
            duplicated_before: duplicated,
            ..Injection::default()
        })
    }
}

fn effect_timeout_us(fault: &Fault) -> i64 {
    match fault.fault_type {
        FaultType::RollingRestart => ROLL_TIMEOUT_US,
        _ => EFFECT_TIMEOUT_US,
    }
}

fn refused(index: u32, fault: &Fault, refusal: Refusal) -> Step {
    let injection = Injection {
        fault: index,
        fault_type: fault.fault_type,
        state: InjectionState::Refused,
        message: refusal.message.clone(),
        ..Injection::default()
    };
    let ending = verdict::inconclusive(refusal.reason, format!("{}: {}", fault.fault_type, refusal.message));
    Step::Finish(ending, vec![injection])
}

/// A time of a status, us since the Unix epoch; 0 where there is none.
pub fn at_us(time: Option<&MicroTime>) -> i64 {
    time.map_or(0, |time| time.0.as_microsecond())
}

#[cfg(test)]
mod tests;
