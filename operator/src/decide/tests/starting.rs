//! `Pending` and `Provisioning`: what a run waits for, and when it gives up.

use super::*;

#[test]
fn pending_waits_for_a_rival_and_for_leave_to_start() {
    let start = decide(&prior(Phase::Pending), &Seen::default());
    assert_eq!(
        (start.phase, start.provisioning_since_us),
        (Phase::Provisioning, Some(NOW))
    );
    assert!(!start.todo.leaves_traces, "nothing is made in this step");

    let rival = Seen {
        rival: Some("lab/other".to_owned()),
        ..Seen::default()
    };
    let waiting = decide(&prior(Phase::Pending), &rival);
    assert_eq!((waiting.phase, waiting.reason.as_str()), (Phase::Pending, "TopicInUse"));
    assert!(waiting.message.contains("lab/other"));

    let suspended = of(|loadtest| loadtest.spec.suspend = true);
    let held = next(&suspended, &prior(Phase::Pending), &Seen::default(), NOW);
    assert_eq!((held.phase, held.reason.as_str()), (Phase::Pending, "Suspended"));
}

#[test]
fn a_refused_spec_is_the_end() {
    let refused = refuse(&prior(Phase::Pending), "spec.producer.rate: wrong; fix");
    let outcome = refused.outcome.expect("the end");
    assert!(outcome.is_stalled && !outcome.is_accepted);
    assert_eq!((refused.phase, outcome.verdict), (Phase::Finished, Verdict::Error));
    assert_eq!(refused.todo, Todo::default(), "there is nothing to stop");
}

#[test]
fn the_topic_is_claimed_before_it_is_made() {
    let missing = seen_with(|seen| seen.topic = TopicState::Missing { brokers: 3 });
    let mut prior = prior(Phase::Provisioning);
    let claim = decide(&prior, &missing);
    assert_eq!(
        (claim.todo.topic, claim.todo.members),
        (TopicTodo::Claim, MembersTodo::Leave)
    );
    assert!(claim.todo.leaves_traces, "a deletion must find out");
    prior.is_topic_ours = true;
    assert_eq!(decide(&prior, &missing).todo.topic, TopicTodo::Create);
}

#[test]
fn provisioning_waits_with_the_cause_and_gives_up_with_it() {
    type Change = fn(&mut Seen);
    let table: [(&str, Change, &str); 6] = [
        (
            "kafka",
            |s| s.topic = TopicState::Unknown(cause("KafkaUnreachable")),
            "KafkaUnreachable",
        ),
        (
            "brokers",
            |s| s.topic = TopicState::Missing { brokers: 1 },
            "TooFewBrokers",
        ),
        (
            "redis",
            |s| s.store = StoreState::Unready(cause("RedisUnreachable")),
            "RedisUnreachable",
        ),
        (
            "secret",
            |s| s.store = StoreState::Unready(cause("RedisSecret")),
            "RedisSecret",
        ),
        (
            "leaders",
            |s| {
                if let TopicState::Exists(facts) = &mut s.topic {
                    facts.leaderless = 1
                }
            },
            "TopicNotReady",
        ),
        (
            "refused topic",
            |s| {
                s.topic = TopicState::Missing { brokers: 3 };
                s.blind = Some(cause("TopicRefused"));
            },
            "TopicRefused",
        ),
    ];
    for (name, change, reason) in table {
        let seen = seen_with(change);
        let mut prior = prior(Phase::Provisioning);
        let waiting = decide(&prior, &seen);
        assert_eq!(
            (waiting.phase, waiting.reason.as_str()),
            (Phase::Provisioning, reason),
            "{name}"
        );
        assert!(waiting.needs_help, "{name}");
        prior.provisioning_since_us = Some(NOW - 180 * S);
        let ended = decide(&prior, &seen);
        let outcome = ended.outcome.expect("given up");
        assert!(outcome.is_stalled && outcome.verdict == Verdict::Error, "{name}");
        assert_eq!(ended.reason, reason, "{name}");
        assert!(ended.message.contains("spec."), "{name}: {}", ended.message);
    }
}

#[test]
fn a_topic_that_does_not_fit_is_the_end_at_once() {
    let wrong = seen_with(|seen| {
        seen.topic = TopicState::Exists(TopicFacts {
            partitions: 6,
            replication_factor: 3,
            ..TopicFacts::default()
        });
    });
    let decision = decide(&prior(Phase::Provisioning), &wrong);
    assert!(decision.outcome.is_some_and(|outcome| outcome.is_stalled));
    assert!(
        decision.message.contains("spec.topic.partitions"),
        "{}",
        decision.message
    );
}

#[test]
fn properties_that_make_no_client_are_the_end_at_once() {
    let unusable = seen_with(|seen| seen.topic = TopicState::Unusable(cause("KafkaUnusable")));
    let decision = decide(&prior(Phase::Provisioning), &unusable);
    assert!(decision.outcome.is_some_and(|outcome| outcome.is_stalled));
    assert_eq!(decision.reason, "KafkaUnusable");
}

#[test]
fn provisioning_ends_when_every_pod_is_ready() {
    let waiting = seen_with(|seen| seen.counters = group(&[true, false], Some(("ContainerCreating", false))));
    let decision = decide(&prior(Phase::Provisioning), &waiting);
    assert_eq!(
        (decision.phase, decision.reason.as_str()),
        (Phase::Provisioning, "WaitingForPods")
    );
    assert!(decision.message.contains("1 of 2 counters"), "{}", decision.message);
    let run = MembersTodo::Run {
        producers: 2,
        counters: 2,
    };
    assert_eq!(decision.todo.members, run);

    let ready = decide(&prior(Phase::Provisioning), &seen());
    assert_eq!(ready.phase, Phase::Warmup);
    assert_eq!(ready.measure_us, Some(NOW + START_DELAY_US + 10 * S));
    assert_eq!(ready.todo.schedule, None, "written down first, told next");

    let suspended = of(|loadtest| loadtest.spec.suspend = true);
    let held = next(&suspended, &prior(Phase::Provisioning), &seen(), NOW);
    assert_eq!((held.phase, held.reason.as_str()), (Phase::Provisioning, "Suspended"));
    assert_eq!(held.provisioning_since_us, Some(NOW), "being held is no delay");
}

#[test]
fn pods_that_fail_end_provisioning_by_the_slot_timeout_and_slow_ones_by_the_provisioning_timeout() {
    let table = [
        ("image", ("ErrImagePull", true), 20, Some("ErrImagePull")),
        ("unschedulable", ("Unschedulable", true), 20, Some("Unschedulable")),
        ("creating", ("ContainerCreating", false), 20, None),
        (
            "creating, too long",
            ("ContainerCreating", false),
            180,
            Some("ContainerCreating"),
        ),
    ];
    for (name, trouble, since_s, reason) in table {
        let seen = seen_with(|seen| seen.producers = group(&[true, false], Some(trouble)));
        let prior = Prior {
            provisioning_since_us: Some(NOW - since_s * S),
            ..prior(Phase::Provisioning)
        };
        let decision = decide(&prior, &seen);
        match reason {
            Some(reason) => {
                assert_eq!(
                    (verdict(&decision), decision.reason.as_str()),
                    (Some(Verdict::Error), reason),
                    "{name}"
                );
                assert!(decision.message.contains("pod-1"), "{name}: {}", decision.message);
            }
            None => assert_eq!(decision.phase, Phase::Provisioning, "{name}"),
        }
    }
}
