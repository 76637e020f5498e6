//! Books delivery reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eoslab_core::Event as WireEvent;
use eoslab_runtime::clock::Clock;
use eoslab_runtime::quota::held_back_us;
use rdkafka::types::RDKafkaErrorCode;
use tracing::warn;

use crate::client::{Client, Deliveries, Event, Outcome};
use crate::controls::Controls;
use crate::lane::Track;
use crate::progress::{Progress, SharedProgress};

/// Least time between two log lines about the client's passing errors.
const ERROR_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Takes the events of one client.
pub struct Desk {
    progress: Arc<SharedProgress>,
    controls: Arc<Controls>,
    clock: Clock,
    /// Whether an event's timestamp is its intended send.
    open: bool,
    /// Whether a failed send stops the client.
    gapless: bool,
    lane_of: Vec<usize>,
    /// Outcomes since the last [`Self::settle`], by lane.
    resolved: Vec<u64>,
    broken: Option<String>,
    logged: Option<Instant>,
}

impl Desk {
    /// A desk for partitions in the order of the progress's lanes.
    pub fn new(
        progress: Arc<SharedProgress>,
        controls: Arc<Controls>,
        clock: Clock,
        (open, gapless): (bool, bool),
    ) -> Self {
        let partitions: Vec<usize> = progress
            .lock()
            .lanes
            .iter()
            .map(|lane| lane.partition as usize)
            .collect();
        let mut lane_of = vec![usize::MAX; partitions.iter().max().map_or(0, |highest| highest + 1)];
        let resolved = vec![0; partitions.len()];
        for (lane, partition) in partitions.into_iter().enumerate() {
            lane_of[partition] = lane;
        }
        Self {
            progress,
            controls,
            clock,
            open,
            gapless,
            lane_of,
            resolved,
            broken: None,
            logged: None,
        }
    }

    /// Waits at most `timeout` for a first event, takes all that have come, and settles them with the lanes.
    pub fn drain(&mut self, client: &mut Client, timeout: Duration, tracks: &mut [Track]) {
        let mut timeout = timeout;
        while client.poll(timeout, &mut |event| self.take(event)) {
            timeout = Duration::ZERO;
        }
        for (track, resolved) in tracks.iter_mut().zip(&mut self.resolved) {
            track.lane.resolve(std::mem::take(resolved));
        }
    }

    /// Why the client must be rebuilt, if it must.
    pub fn broken(&mut self) -> Option<String> {
        self.broken.take()
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Deliveries(deliveries) => self.book(deliveries),
            Event::Statistics(statistics) => self.progress.lock().quota_us += held_back_us(statistics),
            Event::Fatal(why) => self.broken = Some(why),
            Event::Error(error) => {
                if self.logged.is_none_or(|at| at.elapsed() >= ERROR_LOG_INTERVAL) {
                    self.logged = Some(Instant::now());
                    warn!(%error, "the client reports an error");
                }
            }
        }
    }

    /// All reports of one event come from one response of a broker: one clock reading and one lock for all of them.
    fn book(&mut self, deliveries: Deliveries<'_>) {
        let elapsed_us = self.clock.elapsed_us();
        let now_us = self.clock.started_at_us() + elapsed_us as i64;
        let measure_from_us = self.controls.measure_from_us();
        let mut failure = None;
        let mut guard = self.progress.lock();
        let progress: &mut Progress = &mut guard;
        for delivery in deliveries {
            let Ok(event) = WireEvent::decode(delivery.payload) else {
                continue;
            };
            let Some(lane) = self.lane_of.get(delivery.partition as usize).copied() else {
                continue;
            };
            let Some(booked) = progress.lanes.get_mut(lane) else {
                continue;
            };
            booked.book(&event, delivery.outcome);
            let sent_at_us = self.clock.started_at_us() + delivery.sent_at_us as i64;
            if let Some(gap_us) = booked
                .acks
                .resolve(sent_at_us, delivery.outcome == Outcome::Acked, now_us)
            {
                progress.ack_gaps.note(delivery.partition, gap_us, now_us);
            }
            self.resolved[lane] += 1;
            progress.open = progress.open.saturating_sub(1);
            match delivery.outcome {
                Outcome::Acked if event.ts_us >= measure_from_us => {
                    let response_us = now_us.saturating_sub(event.ts_us).max(0) as u64;
                    let service_us = elapsed_us.saturating_sub(delivery.sent_at_us);
                    progress.record(service_us, self.open.then_some(response_us));
                }
                Outcome::Acked => {}
                Outcome::Failed(code) | Outcome::Indeterminate(code) => {
                    failure = Some((event.seq, delivery.partition, code));
                }
            }
        }
        drop(guard);
        if let Some((seq, partition, code)) = failure {
            self.note_failure(seq, partition, code);
        }
    }

    fn note_failure(&mut self, seq: u64, partition: u32, code: RDKafkaErrorCode) {
        let what = format!("seq {seq} of partition {partition} was not delivered: {code}");
        if self.gapless {
            self.broken.get_or_insert(what);
        } else {
            self.take(Event::Error(what));
        }
    }
}
