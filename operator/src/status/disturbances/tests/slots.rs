//! Begin and recovery.

use super::*;

#[test]
fn how_and_when_a_slot_lost_its_pod() {
    let down = |pod: &mut PodView| (pod.is_running, pod.is_ready, pod.ended_us) = (false, false, Some(98 * S));
    let restarted = |pod: &mut PodView| (pod.restarts, pod.ended_us) = (1, Some(97 * S));
    let evicted = |pod: &mut PodView| (pod.is_finished, pod.is_ready, pod.ready_since_us) = (true, false, Some(94 * S));
    let (a, b, c) = (|| pod("a"), || pod("b"), || pod("c"));
    // Expected: cause, slot, begin, pods before and after, recovery.
    let table = [
        ("nothing", 2, calm(), None),
        ("frozen", 2, group(vec![a(), starting("b")], &["a", "b"]), None),
        (
            "deleted",
            2,
            group(vec![a(), deleted("b", 98 * S)], &["a", "b"]),
            Some((PodReplaced, 1, 98, "b", "", None)),
        ),
        (
            "vanished",
            2,
            group(vec![a()], &["a", "b"]),
            Some((PodReplaced, 1, 95, "b", "", None)),
        ),
        (
            "its successor starts",
            2,
            group(vec![a(), starting("c")], &["a", "c"]),
            Some((PodReplaced, 1, 96, "b", "", None)),
        ),
        (
            "its successor is ready",
            2,
            group(vec![a(), c()], &["a", "c"]),
            Some((PodReplaced, 1, 96, "b", "c", Some(99))),
        ),
        (
            "it still goes, and its successor is ready",
            2,
            group(vec![a(), deleted("b", 98 * S), c()], &["a", "c"]),
            Some((PodReplaced, 1, 98, "b", "c", Some(99))),
        ),
        (
            "evicted",
            2,
            group(vec![a(), with(b(), evicted)], &["a", "b"]),
            Some((PodReplaced, 1, 94, "b", "", None)),
        ),
        (
            "its container is down",
            2,
            group(vec![a(), with(b(), down)], &["a", "b"]),
            Some((ContainerRestarted, 1, 98, "b", "", None)),
        ),
        (
            "its container was restarted",
            2,
            group(vec![a(), with(b(), restarted)], &["a", "b"]),
            Some((ContainerRestarted, 1, 97, "b", "b", Some(99))),
        ),
        (
            "fewer are wanted",
            1,
            group(vec![a(), deleted("b", 98 * S)], &["a", "b"]),
            Some((Scaled, 1, 98, "b", "", None)),
        ),
        (
            "fewer are wanted, and it is gone",
            1,
            group(vec![a()], &["a", ""]),
            Some((Scaled, 1, 95, "b", "", Some(100))),
        ),
        ("more are wanted", 3, group(vec![a(), b(), c()], &["a", "b", ""]), None),
        (
            "one more has come",
            3,
            group(vec![a(), b(), c()], &["a", "b", "c"]),
            Some((Scaled, 2, 96, "", "c", Some(99))),
        ),
        (
            "its successor took another slot",
            2,
            group(vec![a(), c()], &["a", "", "c"]),
            Some((PodReplaced, 2, 95, "b", "c", Some(99))),
        ),
    ];
    for (name, wanted, counters, expected) in table {
        let world = World {
            wanted,
            ..World::at(100, counters)
        };
        let status = world.look(&begun());
        let seen = status.disturbances.first().map(|one| {
            let pod = |pod: &Option<String>| pod.clone().unwrap_or_default();
            let recovered_s = recovered_us(one).map(|us| us / S);
            (
                one.cause,
                one.slot,
                started_us(one) / S,
                pod(&one.pod_before),
                pod(&one.pod_after),
                recovered_s,
            )
        });
        let expected = expected
            .map(|(cause, slot, from, before, after, to)| (cause, slot, from, before.to_owned(), after.to_owned(), to));
        assert_eq!(seen, expected, "{name}");
        assert_eq!(status.disturbances_total, u64::from(expected.is_some()), "{name}");
        let again = world.look(&status);
        assert_eq!(
            again.disturbances_total, status.disturbances_total,
            "{name}: it is told once"
        );
        assert!(
            again.disturbances.iter().all(|one| one.component == Component::Counter),
            "{name}"
        );
    }
}

#[test]
fn the_members_are_those_that_are_there_when_it_is_over() {
    let names = |status: &LoadTestStatus| -> Vec<(u32, String)> {
        let counters = status
            .members
            .iter()
            .filter(|member| member.component == Component::Counter);
        counters.map(|member| (member.slot, member.pod.clone())).collect()
    };
    let one = |slot: u32, pod: &str| (slot, pod.to_owned());
    assert_eq!(names(&begun()), [one(0, "a"), one(1, "b")]);
    let partial = World::at(90, group(vec![pod("a")], &["a", ""])).look(&LoadTestStatus::default());
    assert_eq!(names(&partial), [], "who is missing at the start is not known yet");

    let replaced = World::at(100, group(vec![pod("a"), pod("c")], &["a", "c"])).look(&begun());
    assert_eq!(names(&replaced), [one(0, "a"), one(1, "c")]);
    let fewer = World {
        wanted: 1,
        ..World::at(100, group(vec![pod("b")], &["", "b"]))
    };
    let fewer = fewer.look(&begun());
    assert_eq!(names(&fewer), [one(1, "b")]);
    let moved = World {
        wanted: 1,
        ..World::at(110, group(vec![pod("c")], &["c", ""]))
    };
    assert_eq!(
        names(&moved.look(&fewer)),
        [one(0, "c")],
        "a restart takes the first free slot"
    );
}

#[test]
fn a_replacement_that_is_not_wanted_any_more_is_not_waited_for() {
    let lost = group(vec![pod("a")], &["a", "b"]);
    let open = World::at(100, lost.clone()).look(&begun());
    let shrunk = World {
        wanted: 1,
        ..World::at(101, lost)
    };
    let shrunk = shrunk.look(&open);
    let one = &shrunk.disturbances[0];
    assert_eq!((one.cause, recovered_us(one)), (Scaled, Some(101 * S)));
    assert_eq!(shrunk.disturbances_total, 1);
}

#[test]
fn the_operators_own_scaling_is_no_disturbance() {
    let nobody = || group(Vec::new(), &["", ""]);
    let end = World {
        phase: Phase::Draining,
        decided: Phase::Verifying,
        ..World::at(100, calm())
    };
    let mut gone = World::at(101, nobody());
    gone.seen.producers = nobody();
    let table = [
        ("the producers are stopped", Phase::Draining, Phase::Draining, 1),
        ("everyone is stopped", Phase::Verifying, Phase::Finished, 0),
        ("nobody is there yet", Phase::Provisioning, Phase::Provisioning, 0),
    ];
    for (name, phase, decided, lost) in table {
        gone.seen.counters = match phase {
            Phase::Draining => group(vec![pod("a"), pod("c")], &["a", "c"]),
            _ => nobody(),
        };
        (gone.phase, gone.decided) = (phase, decided);
        let status = gone.look(&end.look(&begun()));
        assert_eq!(status.disturbances_total, lost, "{name}");
    }
    let start = World {
        phase: Phase::Provisioning,
        decided: Phase::Warmup,
        ..World::at(90, calm())
    };
    assert_eq!(
        start.look(&LoadTestStatus::default()).members.len(),
        4,
        "known from the start on"
    );
}
