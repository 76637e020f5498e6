use eoslab_core::Tally;
use eoslab_core::report::PartitionProduced;

use super::*;

fn producer(pod_uid: &str, slot: u32, started: i64, sent: u64, state: ProducerState) -> Scraped {
    let acked = PartitionProduced {
        partition: slot,
        acked: Tally {
            count: sent,
            ..Tally::default()
        },
        ..PartitionProduced::default()
    };
    Scraped {
        pod_uid: pod_uid.to_owned(),
        report: Report::Producer(Box::new(ProducerReport {
            member: Member {
                run_id: "run".to_owned(),
                slot,
                incarnation: format!("pod-{pod_uid}/{pod_uid}/{started}"),
                started_at_us: started,
            },
            state,
            sent,
            partitions: vec![acked],
            ..ProducerReport::default()
        })),
    }
}

fn pod(uid: &str) -> PodView {
    PodView {
        uid: uid.to_owned(),
        is_running: true,
        ..PodView::default()
    }
}

use ProducerState::{Done, Preparing, Sending};

#[test]
fn what_a_process_did_stays_when_it_is_replaced() {
    let mut members = Members::default();
    let (a, b) = (pod("a"), pod("b"));
    members.observe("run", vec![producer("a", 0, 1, 100, Sending)], &[&a]);
    assert_eq!((members.producers().sent, members.unsaved().is_some()), (100, false));
    let again = vec![producer("a", 0, 1, 150, Sending)];
    assert!(
        members.observe("run", again, &[&a]).is_empty(),
        "a later report replaces the earlier"
    );
    assert_eq!(members.producers().sent, 150);

    let restarted = members.observe("run", vec![producer("a", 0, 2, 10, Preparing)], &[&a]);
    assert_eq!(
        restarted,
        [Departure {
            role: Role::Producer,
            slot: 0,
            pod: "pod-a".to_owned()
        }]
    );
    assert_eq!((members.producers().sent, members.producers().acked()), (160, 160));
    let replaced = members.observe("run", vec![producer("b", 0, 3, 5, Sending)], &[&b]);
    assert_eq!(replaced.len(), 1, "the pod is gone");
    assert_eq!(members.producers().sent, 165);

    let saved = members.unsaved().expect("processes are gone").clone();
    let json = serde_json::to_string(&saved).expect("it is plain data");
    let mut after_restart = Members::new(serde_json::from_str(&json).expect("what was written"));
    assert_eq!(after_restart.producers().sent, 160, "the living one reports again");
    after_restart.observe(
        "run",
        vec![producer("b", 0, 3, 7, Sending), producer("a", 0, 1, 150, Sending)],
        &[&a, &b],
    );
    assert_eq!(
        after_restart.producers().sent,
        167,
        "a report that is in the sums is not added again"
    );
}

#[test]
fn a_slot_is_done_when_its_latest_process_is() {
    let mut members = Members::default();
    let (a, b) = (pod("a"), pod("b"));
    members.observe(
        "run",
        vec![producer("a", 0, 1, 9, Done), producer("b", 1, 1, 9, Sending)],
        &[&a, &b],
    );
    assert_eq!(members.done_slots(), BTreeSet::from([0]));
    members.observe("run", vec![producer("a", 0, 2, 0, Preparing)], &[&a, &b]);
    assert_eq!(
        members.done_slots(),
        BTreeSet::new(),
        "the restarted one has to look again"
    );
    members.observe(
        "run",
        vec![producer("a", 0, 2, 0, Done), producer("b", 1, 1, 9, Done)],
        &[&a, &b],
    );
    members.seal(Role::Producer);
    members.observe("run", Vec::new(), &[]);
    assert_eq!(members.done_slots(), BTreeSet::from([0, 1]));
    assert_eq!(members.producers().sent, 18);
}

#[test]
fn only_the_living_tell_of_rebalances_and_gaps() {
    let counter = |pod_uid: &str, rebalances: u64| Scraped {
        pod_uid: pod_uid.to_owned(),
        report: Report::Counter(Box::new(CounterReport {
            member: Member {
                run_id: "run".to_owned(),
                incarnation: format!("pod-{pod_uid}/{pod_uid}/1"),
                ..Member::default()
            },
            rebalances,
            ..CounterReport::default()
        })),
    };
    let mut sending = producer("p", 0, 1, 9, Sending);
    if let Report::Producer(report) = &mut sending.report {
        let gap = |ended_at_us| AckGap {
            ended_at_us,
            ..AckGap::default()
        };
        report.ack_gaps = vec![gap(99), gap(100)];
    }
    let mut members = Members::default();
    let (a, b, p) = (pod("a"), pod("b"), pod("p"));
    members.observe("run", vec![counter("a", 2), counter("b", 5), sending], &[&a, &b, &p]);
    members.observe("run", vec![counter("a", 3)], &[&a, &p]);
    assert_eq!(members.rebalances(), BTreeMap::from([("a".to_owned(), 3)]));
    assert_eq!(members.ack_gaps(100).len(), 1, "that was noted before");
}

#[test]
fn a_failed_poll_is_no_departure_and_other_runs_do_not_count() {
    let mut members = Members::default();
    let a = pod("a");
    members.observe("run", vec![producer("a", 0, 1, 9, Sending)], &[&a]);
    assert!(members.observe("run", Vec::new(), &[&a]).is_empty());
    members.observe("other", vec![producer("b", 1, 1, 9, Sending)], &[&a]);
    assert_eq!(members.producers().sent, 9);
}

#[test]
fn a_container_that_is_down_has_lost_its_process_unless_it_just_answered() {
    let mut members = Members::default();
    let down = PodView {
        is_running: false,
        ..pod("a")
    };
    let report = || vec![producer("a", 0, 1, 9, Sending)];
    assert!(
        members.observe("run", report(), &[&down]).is_empty(),
        "the kubelet is late"
    );
    assert_eq!(members.observe("run", Vec::new(), &[&down]).len(), 1);
    assert_eq!((members.producers().sent, members.unsaved().is_some()), (9, true));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut retired = Retired::default();
    for started in 0..REMEMBERED_MAX as i64 + 10 {
        retired.add(&producer("a", 0, started, 1, Sending).report);
    }
    assert_eq!(retired.incarnations.len(), REMEMBERED_MAX);
    assert_eq!(retired.producers.sent, REMEMBERED_MAX as u64 + 10);
}
