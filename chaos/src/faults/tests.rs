use eoslab_api::chaos::FaultTarget;

use super::*;
use crate::world::{LoadTestState, PartitionState};

fn pod(name: &str, slot: Option<u32>) -> PodState {
    PodState {
        namespace: "lab".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        is_ready: true,
        owner: Some(("ReplicaSet".to_owned(), "lt-counter-5d4f".to_owned())),
        slot,
        ..PodState::default()
    }
}

/// Three brokers, three counters, two producers; broker 1 leads partition 0, broker 2 partition 1.
fn world() -> World {
    let brokers = (0..3).map(|id| pod(&format!("lab-broker-{id}"), None)).collect();
    let members = |what: &str, count| {
        (0..count)
            .map(|slot| pod(&format!("{what}-{slot}"), Some(slot)))
            .collect()
    };
    let partition = |leader| PartitionState {
        leader,
        replicas: vec![0, 1, 2],
        in_sync: vec![0, 1, 2],
    };
    World {
        loadtest: Some(LoadTestState {
            counters: 3,
            partitions: 12,
            min_in_sync: 2,
            session_timeout_ms: 6000,
            namespace: "lab".to_owned(),
            ..LoadTestState::default()
        }),
        allowed: ["lab".to_owned()].into(),
        pods: [
            (Component::Brokers, brokers),
            (Component::Counters, members("counter", 3)),
            (Component::Producers, members("producer", 2)),
            (Component::Redis, vec![pod("redis-0", None)]),
            (Component::Operator, vec![pod("operator-x", None)]),
        ]
        .into(),
        topic: Some(vec![partition(1), partition(2)]),
        ..World::default()
    }
}

fn picked(world: &World, fault: &Fault, allow_unsafe: bool) -> Result<VictimStatus, &'static str> {
    let choice = Choice {
        world,
        fault,
        seed: 7,
        allow_unsafe,
    };
    pick(&choice).map_err(|refusal| refusal.reason)
}

fn fault(fault_type: FaultType) -> Fault {
    Fault {
        fault_type,
        repeat: 1,
        ..Fault::default()
    }
}

fn at(fault_type: FaultType, target: FaultTarget) -> Fault {
    Fault {
        target: Some(target),
        ..fault(fault_type)
    }
}

#[test]
fn a_target_is_who_is_hit() {
    let leader_of = |partition| FaultTarget {
        leader_of: Some(partition),
        ..FaultTarget::default()
    };
    let id = |id| FaultTarget {
        broker_id: Some(id),
        ..FaultTarget::default()
    };
    let slot = |slot| FaultTarget {
        slot: Some(slot),
        ..FaultTarget::default()
    };
    let controller = FaultTarget {
        active_controller: Some(true),
        ..FaultTarget::default()
    };
    let table = [
        (at(FaultType::KillBroker, leader_of(0)), Ok("lab-broker-1")),
        (at(FaultType::StopBroker, leader_of(1)), Ok("lab-broker-2")),
        (at(FaultType::PauseBroker, id(0)), Ok("lab-broker-0")),
        (at(FaultType::KillBroker, id(9)), Err("NoSuchBroker")),
        (at(FaultType::KillBroker, leader_of(2)), Err("NoSuchPartition")),
        (at(FaultType::KillBroker, controller), Err("ControllerUnknown")),
        (at(FaultType::KillCounter, slot(2)), Ok("counter-2")),
        (at(FaultType::KillCounter, slot(3)), Err("NoSuchMember")),
        (at(FaultType::KillProducer, slot(1)), Ok("producer-1")),
        (fault(FaultType::KillRedis), Ok("redis-0")),
        (fault(FaultType::KillOperator), Ok("operator-x")),
        (fault(FaultType::RollingRestart), Ok("lt-counter")),
    ];
    for (fault, expected) in table {
        let victim = picked(&world(), &fault, false).map(|victim| victim.name);
        assert_eq!(victim.as_deref().map_err(|reason| *reason), expected, "{fault:?}");
    }
}

#[test]
fn a_random_victim_is_the_same_for_the_same_seed() {
    let world = world();
    let any = fault(FaultType::KillCounter);
    let mut names = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let choice = Choice {
            world: &world,
            fault: &any,
            seed,
            allow_unsafe: false,
        };
        let (first, again) = (pick(&choice), pick(&choice));
        assert_eq!(first, again);
        names.extend(first.map(|victim| victim.name));
    }
    assert_eq!(names.len(), 3, "each is picked by some seed");
}

#[test]
fn guards_refuse_and_can_be_taken_off() {
    let mut small = world();
    for partition in small.topic.iter_mut().flatten() {
        partition.in_sync = vec![1, 2];
    }
    let mut lonely = world();
    lonely.pods.insert(
        Component::Brokers,
        vec![pod("lab-broker-0", None), pod("lab-broker-1", None)],
    );
    let broker = at(
        FaultType::KillBroker,
        FaultTarget {
            broker_id: Some(1),
            ..FaultTarget::default()
        },
    );
    assert_eq!(
        picked(&small, &broker, false).map(|v| v.name),
        Err("WouldBreakMinInSync")
    );
    assert_eq!(
        picked(&small, &broker, true).map(|v| v.name),
        Ok("lab-broker-1".to_owned())
    );
    assert_eq!(picked(&lonely, &broker, false).map(|v| v.name), Err("WouldBreakQuorum"));
    let mut blind = world();
    blind.topic = None;
    assert_eq!(picked(&blind, &broker, false).map(|v| v.name), Err("KafkaUnknown"));
    let short = Fault {
        pause_seconds: Some(6),
        ..fault(FaultType::PauseCounter)
    };
    assert_eq!(picked(&world(), &short, false).map(|v| v.name), Err("PauseTooShort"));
    let default = picked(&world(), &fault(FaultType::PauseCounter), false).map(|v| v.pause_seconds);
    assert_eq!(default, Ok(Some(8)));
    for (replicas, expected) in [
        (3, Err("NothingToScale")),
        (13, Err("TooManyCounters")),
        (5, Ok(Some(3))),
    ] {
        let scale = Fault {
            replicas: Some(replicas),
            ..fault(FaultType::ScaleCounters)
        };
        assert_eq!(picked(&world(), &scale, false).map(|v| v.replicas_before), expected);
    }
}

#[test]
fn a_namespace_without_the_label_is_left_alone_whatever_is_allowed() {
    let mut locked = world();
    locked.allowed.clear();
    for fault_type in FaultType::ALL {
        let fault = Fault {
            replicas: Some(5),
            ..fault(*fault_type)
        };
        assert_eq!(
            picked(&locked, &fault, true).map(|v| v.name),
            Err("NamespaceNotAllowed"),
            "{fault:?}"
        );
    }
}

#[test]
fn what_freezes_or_scales_is_taken_back_and_nothing_else() {
    for fault_type in FaultType::ALL {
        let fault = Fault {
            replicas: Some(5),
            ..fault(*fault_type)
        };
        let victim = picked(&world(), &fault, false).expect("it qualifies");
        let (act, heal) = (
            act(&fault, &victim, &Processes::usual()),
            heal(&fault, &victim, &Processes::usual()),
        );
        match act {
            Act::Signal {
                signal: Signal::Freeze { seconds },
                ..
            } => {
                assert!(seconds > 6, "{fault_type}");
                assert!(
                    matches!(
                        heal,
                        Some(Act::Signal {
                            signal: Signal::Thaw,
                            ..
                        })
                    ),
                    "{fault_type}"
                );
            }
            Act::Scale { replicas } => assert_eq!((replicas, heal), (5, Some(Act::Scale { replicas: 3 }))),
            _ => assert_eq!(heal, None, "{fault_type}"),
        }
    }
}

#[test]
fn brokers_of_several_node_pools_are_not_restarted_in_part() {
    let mut brokers = world();
    for pod in brokers.pods.get_mut(&Component::Brokers).into_iter().flatten() {
        pod.owner = Some(("StrimziPodSet".to_owned(), "lab-broker".to_owned()));
    }
    let fault = Fault {
        fault_type: FaultType::RollingRestart,
        target: Some(FaultTarget {
            restart: Some(eoslab_api::chaos::RestartTarget::Brokers),
            ..FaultTarget::default()
        }),
        ..Fault::default()
    };
    let victim = picked(&brokers, &fault, false).expect("one node pool");
    assert_eq!(
        (victim.kind.as_str(), victim.name.as_str()),
        ("StrimziPodSet", "lab-broker")
    );
    if let Some(pod) = brokers
        .pods
        .get_mut(&Component::Brokers)
        .and_then(|pods| pods.last_mut())
    {
        pod.owner = Some(("StrimziPodSet".to_owned(), "lab-other".to_owned()));
    }
    assert_eq!(picked(&brokers, &fault, false), Err("SeveralWorkloads"));
}
