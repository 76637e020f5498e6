mod endings;

use eoslab_api::chaos::{FaultType, VictimStatus};
use eoslab_api::{CorrectnessStatus, Verdict};
use eoslab_core::Tally;
use eoslab_counter::ledger::LedgerEntry;
use eoslab_operator::seen::log::LogRange;

use super::*;
use crate::world::{Component, Control, LoadTestState, PartitionState, PodState};

const S: i64 = 1_000_000;
const NOW: i64 = 1_000 * S;

fn spec(faults: &[FaultType]) -> ChaosRunSpec {
    let of = |fault_type: &FaultType| format!("{{type: {fault_type}, replicas: null}}");
    let faults: Vec<String> = faults.iter().map(of).collect();
    let yaml = format!(
        "{{loadTest: lt, faults: [{}]}}",
        faults.join(", ").replace(", replicas: null", "")
    );
    let mut spec: ChaosRunSpec = serde_norway::from_str(&yaml).expect("it is right");
    for fault in &mut spec.faults {
        fault.replicas = (fault.fault_type == FaultType::ScaleCounters).then_some(5);
    }
    spec
}

fn pod(name: &str, slot: Option<u32>) -> PodState {
    PodState {
        namespace: "lab".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        is_ready: true,
        slot,
        ..PodState::default()
    }
}

/// A LoadTest that runs, and everything ready, in sync and counted.
fn world() -> World {
    let brokers = (0..3).map(|id| pod(&format!("lab-broker-{id}"), None)).collect();
    let counters = (0..3).map(|slot| pod(&format!("counter-{slot}"), Some(slot))).collect();
    let mut loadtest = LoadTestState {
        counters: 3,
        producers: 1,
        partitions: 12,
        min_in_sync: 2,
        session_timeout_ms: 6000,
        namespace: "lab".to_owned(),
        name: "lt".to_owned(),
        ..LoadTestState::default()
    };
    loadtest.status.phase = Phase::Running;
    World {
        now_us: NOW,
        loadtest: Some(loadtest),
        allowed: ["lab".to_owned()].into(),
        pods: [
            (Component::Brokers, brokers),
            (Component::Counters, counters),
            (Component::Producers, vec![pod("producer-0", Some(0))]),
            (Component::Redis, vec![pod("redis-0", None)]),
            (Component::Operator, vec![pod("operator-x", None)]),
        ]
        .into(),
        topic: Some(vec![PartitionState {
            leader: 1,
            replicas: vec![0, 1, 2],
            in_sync: vec![0, 1, 2],
        }]),
        log: Some(vec![LogRange { begin: 0, end: 10 }]),
        ledger: Some(vec![LedgerEntry {
            offset: 9,
            seq: 9,
            at_us: NOW - 5,
            ts_us: NOW,
            tally: Tally {
                count: 10,
                ..Tally::default()
            },
            ..LedgerEntry::empty(0)
        }]),
        ..World::default()
    }
}

fn status(phase: ChaosPhase, since_s: i64, injections: &[Injection]) -> ChaosRunStatus {
    ChaosRunStatus {
        phase,
        phase_since: Some(micro(since_s * S)),
        injections: injections.to_vec(),
        ..ChaosRunStatus::default()
    }
}

fn injection(fault_type: FaultType, state: InjectionState, at_s: i64) -> Injection {
    let name = match fault_type {
        FaultType::KillBroker => "lab-broker-1",
        FaultType::KillRedis => "redis-0",
        _ => "counter-1",
    };
    Injection {
        fault_type,
        state,
        victim: Some(VictimStatus {
            namespace: "lab".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            pause_seconds: (fault_type == FaultType::PauseCounter).then_some(8),
            replicas_before: (fault_type == FaultType::ScaleCounters).then_some(3),
            ..VictimStatus::default()
        }),
        intended_at: Some(micro(at_s * S)),
        injected_at: (state != InjectionState::Intended).then(|| micro(at_s * S)),
        ..Injection::default()
    }
}

fn decided(spec: &ChaosRunSpec, status: &ChaosRunStatus, world: &World, steady_s: Option<i64>) -> Step {
    next(&Situation {
        spec,
        status,
        world,
        processes: &Processes::usual(),
        steady_since_us: steady_s.map(|s| s * S),
    })
}

/// The step in a word, and its reason where it has one.
fn word(step: &Step) -> String {
    match step {
        Step::Wait(stand) => format!("{} {}", stand.phase, stand.reason),
        Step::Intend(injection) => format!("Intend {}", injection.fault_type),
        Step::Confirm => "Confirm".to_owned(),
        Step::Withdraw => "Withdraw".to_owned(),
        Step::Heal => "Heal".to_owned(),
        Step::Close(state, _) => format!("Close {state}"),
        Step::Finish(ending, _) => format!("{} {}", ending.verdict, ending.reason),
    }
}

fn restarted(mut world: World, component: Component, name: &str) -> World {
    for pod in world.pods.get_mut(&component).into_iter().flatten() {
        pod.restarts += u32::from(pod.name == name);
    }
    world
}

/// The LoadTest wants so many counters, and each of them counted last in a partition of its own.
fn spread(mut world: World, counters: u32) -> World {
    world.loadtest.iter_mut().for_each(|one| one.counters = counters);
    world.log = Some(vec![LogRange { begin: 0, end: 10 }; counters as usize]);
    let of = |slot| LedgerEntry {
        offset: 9,
        member: format!("lt-counter-{slot}"),
        ..LedgerEntry::empty(slot)
    };
    world.ledger = Some((0..counters).map(of).collect());
    world
}

fn in_phase(mut world: World, phase: Phase) -> World {
    if let Some(loadtest) = &mut world.loadtest {
        loadtest.status.phase = phase;
    }
    world
}

fn judged(mut world: World, verdict: Verdict, correctness: CorrectnessStatus) -> World {
    if let Some(loadtest) = &mut world.loadtest {
        loadtest.is_complete = true;
        loadtest.status.phase = Phase::Finished;
        loadtest.status.verdict = verdict;
        loadtest.status.correctness = Some(correctness);
    }
    world
}

fn exact() -> CorrectnessStatus {
    CorrectnessStatus {
        digest_matches: Some(true),
        ..CorrectnessStatus::default()
    }
}

fn duplicated() -> CorrectnessStatus {
    CorrectnessStatus {
        duplicated: 7,
        accounts_wrong: 3,
        digest_matches: Some(false),
        ..CorrectnessStatus::default()
    }
}

#[test]
fn before_a_fault() {
    use ChaosPhase::{Pending, Steadying};
    let kill = spec(&[FaultType::KillCounter]);
    let none = World {
        now_us: NOW,
        ..World::default()
    };
    let mut unsteady = world();
    unsteady.topic = None;
    let mut rival = world();
    rival.rival = Some("lab/other".to_owned());
    let mut stopped = world();
    stopped.loadtest.iter_mut().for_each(|one| one.is_stopped = true);
    let table: Vec<(ChaosRunStatus, World, Option<i64>, &str)> = vec![
        (status(Pending, 990, &[]), none.clone(), None, "Pending NoLoadTest"),
        (status(Pending, 960, &[]), none, None, "Inconclusive NoLoadTest"),
        (
            status(Pending, 1, &[]),
            in_phase(world(), Phase::Warmup),
            None,
            "Pending WaitingForLoadTest",
        ),
        (
            status(Pending, 1, &[]),
            in_phase(world(), Phase::Draining),
            Some(1),
            "Inconclusive LoadTestOver",
        ),
        // It still sends, for a moment.
        (status(Pending, 1, &[]), stopped, Some(1), "Inconclusive LoadTestOver"),
        (status(Pending, 1, &[]), rival, Some(1), "Pending WaitingForChaosRun"),
        (status(Pending, 1, &[]), world(), Some(1), "Steadying Steadying"),
        (status(Steadying, 994, &[]), world(), Some(996), "Steadying Steadying"),
        (status(Steadying, 996, &[]), world(), Some(1), "Steadying Steadying"),
        (status(Steadying, 994, &[]), world(), Some(995), "Intend KillCounter"),
        (
            status(Steadying, 900, &[]),
            unsteady.clone(),
            None,
            "Steadying Steadying",
        ),
        (status(Steadying, 800, &[]), unsteady, None, "Inconclusive NotSteady"),
    ];
    for (status, world, steady_s, expected) in table {
        let step = decided(&kill, &status, &world, steady_s);
        assert_eq!(word(&step), expected, "{:?} {:?}", status.phase, step);
    }
}

#[test]
fn between_two_faults() {
    use InjectionState::{NotRecovered, Recovered};
    let mut kills = spec(&[FaultType::KillCounter, FaultType::KillCounter]);
    kills.stop_on_failure = false;
    // Five seconds are wanted, and this is second 1000.
    let table = [
        (ChaosPhase::Recovering, Recovered, 995, Some(900), "Intend KillCounter"),
        (ChaosPhase::Steadying, Recovered, 995, Some(900), "Intend KillCounter"),
        (ChaosPhase::Recovering, Recovered, 996, Some(900), "Steadying Steadying"),
        (ChaosPhase::Recovering, Recovered, 900, Some(996), "Steadying Steadying"),
        (ChaosPhase::Recovering, Recovered, 900, None, "Steadying Steadying"),
        (
            ChaosPhase::Recovering,
            NotRecovered,
            900,
            Some(900),
            "Steadying Steadying",
        ),
    ];
    for (phase, state, recovered_s, steady_s, expected) in table {
        let over = Injection {
            recovered_at: Some(micro(recovered_s * S)),
            ..injection(FaultType::KillCounter, state, 890)
        };
        let step = decided(&kills, &status(phase, 998, &[over]), &world(), steady_s);
        assert_eq!(word(&step), expected, "{phase} {state:?} {recovered_s} {steady_s:?}");
    }
}

#[test]
fn a_fault_at_work() {
    use FaultType::{KillBroker, KillCounter, PauseCounter, RollingRestart, ScaleCounters};
    use InjectionState::{Injected, Intended};
    let hit = || restarted(world(), Component::Counters, "counter-1");
    let mut out_of_sync = restarted(world(), Component::Brokers, "lab-broker-1");
    out_of_sync
        .topic
        .iter_mut()
        .flatten()
        .for_each(|one| one.in_sync = vec![0, 2]);
    let mut scaled = world();
    scaled.loadtest.iter_mut().for_each(|one| one.counters = 5);
    let mut down = world();
    for pod in down.pods.get_mut(&Component::Counters).into_iter().flatten() {
        pod.is_down = pod.name == "counter-1";
    }
    let mut counted_by_the_gone = spread(world(), 5);
    counted_by_the_gone.loadtest.iter_mut().for_each(|one| one.counters = 3);
    let mut without_counters = in_phase(world(), Phase::Finished);
    without_counters.pods.remove(&Component::Counters);
    let mut rolled = injection(RollingRestart, Injected, 769);
    rolled.detected_ms = Some(1000);
    let healed = |mut one: Injection, at_s: i64| {
        one.healed_at = Some(micro(at_s * S));
        one
    };
    let table: Vec<(Injection, World, Option<i64>, &str)> = vec![
        // Written down, and then this process died.
        (
            injection(KillCounter, Intended, 970),
            world(),
            None,
            "Injecting WaitingForEffect",
        ),
        (injection(KillCounter, Intended, 969), world(), None, "Withdraw"),
        (injection(KillCounter, Intended, 999), hit(), None, "Confirm"),
        (injection(KillCounter, Intended, 999), down, None, "Confirm"),
        (injection(PauseCounter, Intended, 969), world(), None, "Withdraw"),
        // Done, and nothing shows.
        (
            injection(KillCounter, Injected, 980),
            world(),
            Some(1),
            "Recovering WaitingForEffect",
        ),
        (
            injection(KillCounter, Injected, 969),
            world(),
            Some(1),
            "Close NoEffect",
        ),
        // All were seen to be replaced, and then the LoadTest ended and they went.
        (rolled, without_counters, Some(990), "Close Recovered"),
        // Recovered only when everything was steady for long enough after the fault.
        (
            injection(KillCounter, Injected, 999),
            hit(),
            Some(1),
            "Recovering Recovering",
        ),
        (
            injection(KillCounter, Injected, 990),
            hit(),
            Some(999),
            "Recovering Recovering",
        ),
        (
            injection(KillCounter, Injected, 990),
            hit(),
            Some(998),
            "Close Recovered",
        ),
        (
            injection(KillBroker, Injected, 990),
            out_of_sync.clone(),
            None,
            "Recovering Recovering",
        ),
        (
            injection(KillBroker, Injected, 819),
            out_of_sync,
            None,
            "Close NotRecovered",
        ),
        // A freeze ends after its time, and only then recovery begins.
        (
            injection(PauseCounter, Injected, 993),
            world(),
            Some(1),
            "Injecting AtWork",
        ),
        (injection(PauseCounter, Injected, 992), world(), Some(1), "Heal"),
        (
            healed(injection(PauseCounter, Injected, 990), 998),
            world(),
            Some(998),
            "Close Recovered",
        ),
        // That the others were steady before it woke says nothing.
        (
            healed(injection(PauseCounter, Injected, 990), 999),
            world(),
            Some(991),
            "Recovering Recovering",
        ),
        // Another number of counters is kept until everything was steady with it, or for half of the time of a recovery.
        (
            injection(ScaleCounters, Injected, 990),
            scaled.clone(),
            Some(999),
            "Injecting AtWork",
        ),
        (
            injection(ScaleCounters, Injected, 990),
            scaled.clone(),
            Some(998),
            "Heal",
        ),
        (
            injection(ScaleCounters, Injected, 911),
            scaled.clone(),
            None,
            "Injecting AtWork",
        ),
        (injection(ScaleCounters, Injected, 909), scaled, None, "Heal"),
        (
            healed(injection(ScaleCounters, Injected, 980), 990),
            spread(world(), 3),
            Some(995),
            "Close Recovered",
        ),
        (
            healed(injection(ScaleCounters, Injected, 980), 990),
            counted_by_the_gone,
            Some(990),
            "Recovering Recovering",
        ),
    ];
    for (injection, world, steady_s, expected) in table {
        let spec = spec(&[injection.fault_type]);
        let status = status(ChaosPhase::Recovering, 900, std::slice::from_ref(&injection));
        let step = decided(&spec, &status, &world, steady_s);
        assert_eq!(word(&step), expected, "{:?} {step:?}", injection.fault_type);
    }
}

#[test]
fn a_loadtest_that_goes_or_is_made_anew_proves_nothing() {
    use FaultType::{KillCounter, PauseCounter, ScaleCounters};
    use InjectionState::{Injected, Recovered};
    let gone = || World {
        now_us: NOW,
        ..World::default()
    };
    let mut anew = judged(world(), Verdict::Pass, exact());
    anew.loadtest.iter_mut().for_each(|one| one.created_us = 950 * S);
    let table = [
        (injection(KillCounter, Injected, 900), gone(), "Inconclusive NoLoadTest"),
        (injection(PauseCounter, Injected, 900), gone(), "Heal"),
        (
            injection(KillCounter, Recovered, 900),
            anew.clone(),
            "Inconclusive LoadTestReplaced",
        ),
        // The new one has its own number of counters; what is frozen is frozen still.
        (
            injection(ScaleCounters, Injected, 900),
            anew.clone(),
            "Inconclusive LoadTestReplaced",
        ),
        (injection(PauseCounter, Injected, 900), anew, "Heal"),
    ];
    for (injection, world, expected) in table {
        let spec = spec(&[injection.fault_type]);
        let status = status(ChaosPhase::Recovering, 900, std::slice::from_ref(&injection));
        let step = decided(&spec, &status, &world, Some(1));
        assert_eq!(word(&step), expected, "{:?} {step:?}", injection.fault_type);
    }
}

#[test]
fn nothing_is_touched_where_any_fault_is_wrong_or_the_run_is_dry() {
    let mut wrong = spec(&[FaultType::KillCounter, FaultType::ScaleCounters]);
    wrong.faults[1].replicas = Some(13);
    let fresh = status(ChaosPhase::Pending, 990, &[]);
    assert_eq!(
        word(&decided(&wrong, &fresh, &world(), Some(1))),
        "Inconclusive TooManyCounters"
    );
    let mut locked = world();
    locked.allowed.clear();
    let kill = spec(&[FaultType::KillCounter]);
    assert_eq!(
        word(&decided(&kill, &fresh, &locked, Some(1))),
        "Inconclusive NamespaceNotAllowed"
    );
    let mut dry = spec(&[FaultType::KillCounter, FaultType::KillRedis]);
    dry.dry_run = true;
    dry.faults[0].repeat = 2;
    let Step::Finish(ending, planned) = decided(&dry, &fresh, &world(), None) else {
        panic!("a dry run ends at once");
    };
    assert_eq!((ending.reason, planned.len()), ("DryRun", 3));
    assert!(
        planned
            .iter()
            .all(|one| one.state == InjectionState::Planned && one.victim.is_some())
    );
}

#[test]
fn an_abort_heals_first() {
    let mut aborted = spec(&[FaultType::PauseCounter]);
    aborted.abort = true;
    let mut frozen = injection(FaultType::PauseCounter, InjectionState::Injected, 999);
    let at_work = status(ChaosPhase::Injecting, 999, std::slice::from_ref(&frozen));
    assert_eq!(word(&decided(&aborted, &at_work, &world(), None)), "Heal");
    frozen.healed_at = Some(micro(NOW));
    let healed = status(ChaosPhase::Injecting, 999, &[frozen]);
    assert_eq!(word(&decided(&aborted, &healed, &world(), None)), "Aborted Aborted");
}
