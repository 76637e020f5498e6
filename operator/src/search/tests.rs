//! Searches in a world whose ceiling is known, step by step, as a controller goes through them.

use eoslab_api::{Bottleneck, BottleneckStatus, LatencyStatus, Validity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::fixtures::{completed, loadtest, with_status};

const NOW_US: i64 = 1_800_000_000_000_000;

fn parent() -> LoadTest {
    let mut parent = loadtest();
    let producer = json!({"replicas": 2, "rate": "search", "warmupSeconds": 5});
    parent.spec.producer = serde_json::from_value(producer).expect("a producer");
    parent
}

/// The world: the parent, its children, and the time.
struct World {
    parent: LoadTest,
    children: Vec<LoadTest>,
    now_us: i64,
}

impl World {
    fn new(parent: LoadTest) -> Self {
        Self {
            parent,
            children: Vec::new(),
            now_us: NOW_US,
        }
    }

    /// One step of the controller, carried out.
    fn step(&mut self) -> Decision {
        let prior = Prior::new(&self.parent.status.clone().unwrap_or_default());
        let search = Search {
            loadtest: &self.parent,
            prior: &prior,
            children: &self.children,
            now_us: self.now_us,
        };
        let (act, decision) = search.next();
        match act {
            Act::Nothing => {}
            Act::Create(child) => self.children.push(*child),
            Act::Delete(names) => self.children.retain(|child| !names.contains(&child.name_any())),
        }
        let status = self.parent.status.get_or_insert_default();
        status.ceiling = decision.ceiling.clone();
        status.phase = decision.phase;
        status.start_time = decision
            .provisioning_since_us
            .map(|us| Time(Timestamp::from_microsecond(us).expect("a time")));
        decision
    }

    /// Every child ends as `end` says of its rate.
    fn end_children(&mut self, end: impl Fn(u64) -> (Verdict, &'static str, Validity)) {
        for child in &mut self.children {
            let rate = child.spec.producer.rate.clone();
            let IntOrString::Int(rate) = rate else {
                panic!("{rate:?}")
            };
            let (verdict, reason, validity) = end(rate as u64);
            *child = with_status(completed(child.clone()), |status| {
                status.verdict = verdict;
                status.reason = Some(reason.to_owned());
                status.message = Some("said".to_owned());
                status.latency = Some(LatencyStatus {
                    validity,
                    ..LatencyStatus::default()
                });
            });
        }
    }

    /// Steps until the end.
    fn run(&mut self, end: impl Fn(u64) -> (Verdict, &'static str, Validity)) -> Decision {
        for _ in 0..200 {
            let decision = self.step();
            if decision.outcome.is_some() {
                return decision;
            }
            assert!(self.children.len() <= 1, "one at a time");
            self.end_children(&end);
        }
        panic!("it does not end: {:#?}", self.parent.status);
    }
}

fn below(ceiling: u64) -> impl Fn(u64) -> (Verdict, &'static str, Validity) {
    move |rate| match rate <= ceiling {
        true => (Verdict::Pass, "Exact", Validity::Valid),
        false => (Verdict::Pass, "Exact", Validity::Saturated),
    }
}

fn outcome(decision: &Decision) -> (Verdict, &str) {
    let verdict = decision.outcome.as_ref().expect("an end").verdict;
    (verdict, decision.reason.as_str())
}

#[test]
fn a_search_finds_the_ceiling_and_leaves_no_child() {
    let mut world = World::new(parent());
    let end = world.run(below(33_000));
    assert_eq!(outcome(&end), (Verdict::Pass, "CeilingFound"), "{}", end.message);
    let ceiling = end.ceiling.expect("a ceiling");
    let (held, failed) = (
        ceiling.rate_per_second.expect("held"),
        ceiling.failed_rate_per_second.expect("failed"),
    );
    assert!(held <= 33_000 && failed > 33_000 && failed as f64 / held as f64 <= 1.1);
    let last = ceiling.probes.last().expect("probes");
    assert_eq!(
        (last.purpose, last.rate_per_second),
        (ProbePurpose::Objective, (held as f64 * 0.8) as u64)
    );
    assert!(world.children.is_empty());
}

#[test]
fn a_child_is_the_parents_run_at_one_rate_on_a_topic_of_its_own() {
    let mut world = World::new(parent());
    world.step();
    assert!(world.children.is_empty(), "it is written down first");
    world.step();
    let child = &world.children[0];
    assert_eq!(child.name_any(), "test-01");
    assert_eq!(child.spec.topic.name, "events-01");
    assert_eq!(child.spec.producer.rate, IntOrString::Int(5_000));
    assert_eq!(child.spec.producer.duration_seconds, Some(20));
    assert_eq!(child.metadata.owner_references.as_ref().map(Vec::len), Some(1));
    child.spec.validate().expect("a valid spec");
}

#[test]
fn what_is_no_question_of_the_rate_ends_the_search() {
    let table = [
        (Verdict::Fail, "EventsDuplicated", (Verdict::Fail, "NotExact")),
        (Verdict::Error, "ImagePullBackOff", (Verdict::Error, "ProbeFailed")),
    ];
    for (verdict, reason, expected) in table {
        let mut world = World::new(parent());
        let end = world.run(|_| (verdict, reason, Validity::Valid));
        assert_eq!(outcome(&end), expected);
        assert!(end.message.contains("said"), "{}", end.message);
        assert_eq!(world.children.len(), 1, "it stays for a look");
    }
}

#[test]
fn an_objective_that_is_missed_for_long_fails_although_the_ceiling_is_known() {
    let mut world = World::new(parent());
    let end = loop {
        let decision = world.step();
        if decision.outcome.is_some() {
            break decision;
        }
        let is_last = decision.ceiling.and_then(|ceiling| ceiling.probes.last().cloned());
        let is_objective = is_last.is_some_and(|probe| probe.purpose == ProbePurpose::Objective);
        world.end_children(|rate| below(if is_objective { 0 } else { 34_000 })(rate));
    };
    assert_eq!(outcome(&end), (Verdict::Fail, "ObjectiveMissed"), "{}", end.message);
}

/// Steps to the end in a world where counters are too few from 33,000/s on; `confirm` says what a run with more of them
/// comes to. Also returns how many each of these had.
fn with_too_few_counters(confirm: impl Fn(u64) -> (Verdict, &'static str, Validity)) -> (Decision, Vec<u32>) {
    let mut world = World::new(parent());
    let mut confirmed_with = Vec::new();
    loop {
        let decision = world.step();
        if decision.outcome.is_some() {
            return (decision, confirmed_with);
        }
        let last = decision.ceiling.and_then(|ceiling| ceiling.probes.last().cloned());
        let is_confirm = last.is_some_and(|probe| probe.purpose == ProbePurpose::Confirm);
        if is_confirm {
            confirmed_with.extend(world.children.iter().map(|child| child.spec.counter.replicas));
        }
        match is_confirm {
            true => world.end_children(&confirm),
            false => world.end_children(below(33_000)),
        }
        for child in &mut world.children {
            let status = child.status.get_or_insert_default();
            status.bottleneck = Some(BottleneckStatus {
                component: Bottleneck::Counters,
                because: vec!["all of them were at work".to_owned()],
                ..BottleneckStatus::default()
            });
        }
    }
}

#[test]
fn the_bottleneck_is_relieved_to_see_whether_the_ceiling_moves() {
    let (moved, counters) = with_too_few_counters(below(60_000));
    let ceiling = moved.ceiling.expect("a ceiling");
    assert_eq!(
        ceiling.bottleneck.expect("a bottleneck").component,
        Bottleneck::Counters
    );
    assert_eq!(ceiling.relief.as_deref(), Some("counter.replicas 4 instead of 2"));
    assert_eq!(ceiling.confirmed, Some(true));
    assert!(
        moved.message.contains("bound by Counters: with counter.replicas 4"),
        "{}",
        moved.message
    );
    assert!(!counters.is_empty() && counters.iter().all(|replicas| *replicas == 4));
    let last = ceiling.probes.last().expect("probes");
    assert_eq!(last.purpose, ProbePurpose::Objective, "as the user has it, and last");

    let (unmoved, _) = with_too_few_counters(below(33_000));
    assert_eq!(unmoved.ceiling.expect("a ceiling").confirmed, Some(false));
    assert!(unmoved.message.contains("not confirmed"), "{}", unmoved.message);
}

#[test]
fn a_confirming_run_that_cannot_be_carried_out_takes_nothing_from_the_ceiling() {
    let (end, _) = with_too_few_counters(|_| (Verdict::Error, "Unschedulable", Validity::Inconclusive));
    assert_eq!(outcome(&end), (Verdict::Pass, "CeilingFound"), "{}", end.message);
    assert!(
        end.message
            .contains("not confirmed: there was no run with counter.replicas 4"),
        "{}",
        end.message
    );
    let ceiling = end.ceiling.expect("a ceiling");
    let tried = ceiling
        .probes
        .iter()
        .filter(|probe| probe.purpose == ProbePurpose::Confirm);
    assert_eq!((ceiling.confirmed, tried.count()), (None, 1));
}

#[test]
fn an_abort_and_the_timeout_delete_the_child_first() {
    let begun = || {
        let mut world = World::new(parent());
        world.step();
        world.step();
        assert_eq!(world.children.len(), 1);
        world
    };
    let (mut aborted, mut late) = (begun(), begun());
    aborted.parent.spec.abort = true;
    late.now_us += 1_200_000_000;
    let table = [
        (aborted, (Verdict::Aborted, "Aborted")),
        (late, (Verdict::Inconclusive, "SearchTimeout")),
    ];
    for (mut world, expected) in table {
        assert_eq!(world.step().outcome, None);
        assert!(world.children.is_empty());
        assert_eq!(outcome(&world.step()), expected);
    }
}

#[test]
fn a_child_that_somebody_stops_says_nothing_of_its_rate() {
    let mut world = World::new(parent());
    world.step();
    world.step();
    world.children[0].spec.stop = true;
    world.end_children(|_| (Verdict::Pass, "Exact", Validity::Valid));
    let end = world.run(below(33_000));
    assert_eq!(outcome(&end), (Verdict::Error, "ProbeFailed"), "{}", end.message);
}

#[test]
fn a_suspended_search_begins_nothing_and_a_deleted_child_is_made_again() {
    let mut world = World::new(parent());
    world.parent.spec.suspend = true;
    assert_eq!(world.step().reason, "Suspended");
    world.parent.spec.suspend = false;
    world.step();
    world.step();
    world.children.clear();
    world.step();
    assert_eq!(world.children.len(), 1);
}

#[test]
fn a_spec_that_no_run_can_be_made_of_is_refused() {
    let mut long = parent();
    long.metadata.name = Some("a".repeat(37));
    let mut wrong = parent();
    wrong.spec.counter.replicas = 99;
    for (parent, says) in [(long, "metadata.name"), (wrong, "spec.counter.replicas")] {
        let end = World::new(parent).step();
        assert!(end.outcome.as_ref().is_some_and(|outcome| !outcome.is_accepted));
        assert!(end.message.contains(says), "{}", end.message);
    }
}
