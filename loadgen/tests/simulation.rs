//! All producers of a run in a simulation: what each decides is the product's code, the log is a vector, and producers
//! die at any moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Parser;
use eoslab_core::{Event, Layout};
use eoslab_loadgen::args::Args;
use eoslab_loadgen::assembly::{Start, assemble, prepare};
use eoslab_loadgen::controls::Controls;
use eoslab_loadgen::lane::Track;
use eoslab_loadgen::settings::Settings;
use eoslab_loadgen::worker::Worker;
use eoslab_runtime::clock::Clock;
use eoslab_runtime::tail::{Tail, Tails};
use proptest::prelude::*;

/// The events of each partition in the order of the log.
type Log = BTreeMap<u32, Vec<Event>>;

const START_US: i64 = 1_000_000_000;
const BEHIND_US: i64 = 20_000;

fn settings(rate: &str, partitions: u32, producers: u32, clients: u32, events: u64) -> Settings {
    let number = |number: u64| number.to_string();
    let flags = [
        "loadgen".into(),
        "--bootstrap-servers=127.0.0.1:1".into(),
        "--slot=0".into(),
        "--accounts=40".into(),
        format!("--rate={rate}"),
        format!("--partitions={partitions}"),
        format!("--producers={producers}"),
        format!("--clients={clients}"),
        format!("--events={}", number(events)),
    ];
    Args::try_parse_from(flags)
        .expect("flags parse")
        .settings()
        .expect("flags fit together")
}

/// What is sent is late by [`BEHIND_US`].
fn tail(event: &Event) -> Tail {
    Tail {
        event: *event,
        sent_at_us: Some(event.ts_us + BEHIND_US),
    }
}

/// Starts a producer as a pod does: from the log's last events.
fn start(settings: &Settings, layout: &Layout, slot: u32, log: &Log) -> Vec<Worker> {
    let tails: Tails = log
        .iter()
        .map(|(partition, events)| (*partition, events.last().map(tail)))
        .collect();
    let prepared = prepare(settings, layout, slot, &tails).expect("the log is this run's");
    assemble(
        settings,
        prepared,
        Start::At(START_US),
        Clock::start(),
        &Arc::new(Controls::default()),
    )
    .workers
}

/// Admits what is due and hands over what is ready; `reach` is how much of it the log gets before the producer dies.
fn work(workers: &mut [Worker], now_us: i64, log: &mut Log, reach: u64) {
    for worker in workers {
        let batching = worker.connection.batching;
        let axis = worker.pace.axis(now_us);
        for Track { stream, lane } in &mut worker.tracks {
            lane.admit(lane.due(axis), now_us as u64);
            let count = lane.ready(batching, now_us as u64, true);
            for seq in lane.handed_seq()..lane.handed_seq() + count.min(reach) {
                let draw = stream.draw(seq);
                let ts_us = lane.schedule().due_at(seq);
                let event = Event {
                    account_id: draw.account_id,
                    amount: draw.amount,
                    ts_us,
                    seq,
                };
                log.entry(stream.partition()).or_default().push(event);
            }
            lane.hand_over(count);
            lane.resolve(count);
        }
    }
}

#[test]
fn a_restart_is_part_of_the_first_time_without_an_acknowledgement() {
    let (sent_us, acked_us) = (START_US + 5_000_000, START_US + 5_100_000);
    // The third event was due at 2 ms and sent at 22 ms, which is later than the fourth was due, so that it waits since
    // then: the backlog before it is no outage. With an event each 10 ms the fourth was due later than that.
    let cases = [("1000", 22_000), ("100", 30_000), ("max", 22_000)];
    for (rate, after_us) in cases {
        let waiting_since_us = START_US + after_us;
        let settings = settings(rate, 1, 1, 1, 1000);
        let layout = Layout::new(&settings.stream).expect("a valid stream");
        let stream = layout.stream(0).expect("partition 0 exists");
        let event = |seq: u64| {
            let draw = stream.draw(seq);
            Event {
                account_id: draw.account_id,
                amount: draw.amount,
                ts_us: START_US + seq as i64 * 1000,
                seq,
            }
        };
        let gap_us = |log: Vec<Event>| {
            let workers = start(&settings, &layout, 0, &BTreeMap::from([(0, log)]));
            let mut acks = workers[0].progress.lock().lanes[0].acks;
            acks.resolve(sent_us, true, acked_us)
        };
        let since_the_crash = Some((acked_us - waiting_since_us) as u64);
        assert_eq!(gap_us((0..3).map(event).collect()), since_the_crash, "{rate}");
        assert_eq!(
            gap_us(Vec::new()),
            Some(100_000),
            "{rate}: nothing was there to restart"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn all_producers_together_write_each_event_once_whatever_dies_when(
        (partitions, producers) in (1_u32..9).prop_flat_map(|partitions| (Just(partitions), 1..=partitions)),
        clients in 1_u32..4,
        events in 1_u64..3000,
        steps in prop::collection::vec((0_i64..400_000, 0_u32..9, prop::option::of(0_u64..200)), 1..40),
    ) {
        let settings = settings("1000", partitions, producers, clients, events);
        let layout = Layout::new(&settings.stream).expect("a valid stream");
        let mut log: Log = (0..partitions).map(|partition| (partition, Vec::new())).collect();
        let mut pods: Vec<_> = (0..producers).map(|slot| start(&settings, &layout, slot, &log)).collect();
        let mut now_us = START_US;
        for (wait_us, slot, dies_after) in steps {
            now_us += wait_us;
            let slot = slot % producers;
            let pod = &mut pods[slot as usize];
            work(pod, now_us, &mut log, dies_after.unwrap_or(u64::MAX));
            if dies_after.is_some() {
                *pod = start(&settings, &layout, slot, &log);
            }
        }
        let the_end_us = START_US + 10_000_000;
        for _ in 0..3000 {
            pods.iter_mut().for_each(|pod| work(pod, the_end_us, &mut log, u64::MAX));
        }
        let counts = layout.counts(events);
        for (partition, written) in &log {
            prop_assert!(written.iter().map(|event| event.seq).eq(0..counts[*partition as usize]));
            prop_assert!(written.is_sorted_by_key(|event| event.ts_us), "times follow the schedule, also of late ones");
        }
        let fresh = start(&settings, &layout, 0, &BTreeMap::new());
        for track in fresh.iter().flat_map(|worker| &worker.tracks) {
            for event in &log[&track.stream.partition()] {
                prop_assert_eq!(event.ts_us, track.lane.schedule().due_at(event.seq), "restarts do not move the schedule");
            }
        }
    }
}
