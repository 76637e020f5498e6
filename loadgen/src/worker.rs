//! One client and its thread: sends what is due, and rebuilds the client when it must.

use std::fmt::Display;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use eoslab_runtime::clock::Clock;
use eoslab_runtime::tail::TailError;
use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaErrorCode;
use tracing::{error, warn};

use crate::client::{Client, ClientError};
use crate::controls::{Controls, Stop};
use crate::desk::Desk;
use crate::lane::{Batching, Pace, Track};
use crate::progress::SharedProgress;
use crate::records::Records;
use crate::resume::take_up;
use crate::takeover::Takeover;

/// Time between two looks at the schedule: what is due in it is admitted together.
const TICK: Duration = Duration::from_millis(1);
/// Waits shorter than this are slept through; delivery reports that come meanwhile are booked that much later.
const SHORT_WAIT: Duration = Duration::from_micros(300);
/// Longest sleep, so that the stop signal is seen.
const IDLE_MAX: Duration = Duration::from_millis(50);
/// How long a purged client may take to report what it gave up.
const PURGE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for the topic's metadata when a client is made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before a client is rebuilt, and between attempts.
const REBUILD_PAUSE: Duration = Duration::from_millis(200);
/// How long brokers may be unreachable while the log is read, or a client made, again. After it the pod ends: the next
/// one is not ready before it has read the log, and a pod that looks ready and sends nothing would hide the outage.
const OUTAGE_MAX: Duration = Duration::from_secs(120);
/// How often a condition that goes on is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// Rebuilds without any acknowledgement between them, after which the client counts as failed for good.
const FRUITLESS_REBUILDS_MAX: u32 = 10;

/// How a thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was handed over and its outcome is known.
    Done,
    /// As asked.
    Stopped,
    /// The client failed for good.
    Fatal(String),
}

/// What the thread needs to make a client and to feed it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Configuration of the producing client.
    pub config: ClientConfig,
    /// Topic of the events.
    pub topic: String,
    /// How a partition is taken up from its log.
    pub takeover: Takeover,
    /// When admitted events are handed over.
    pub batching: Batching,
    /// Most events admitted and not resolved.
    pub window: u64,
    /// Whether a failed send is taken up from the log, so that it leaves no hole.
    pub gapless: bool,
    /// How long admitted events may take to leave when asked to stop.
    pub flush_timeout: Duration,
}

/// One client and its thread.
pub struct Worker {
    /// Names the thread in the log.
    pub index: usize,
    /// Its partitions.
    pub tracks: Vec<Track>,
    /// What moves them on.
    pub pace: Pace,
    /// Buffer for records.
    pub records: Records,
    /// How to make a client.
    pub connection: Connection,
    /// The process's clock.
    pub clock: Clock,
    /// What the pod asks for.
    pub controls: Arc<Controls>,
    /// What was done; its lanes are in the order of `tracks`.
    pub progress: Arc<SharedProgress>,
}

/// Why sending came to an end.
enum Pause {
    Finished,
    Stopped,
    Broken(String),
}

/// What a look at the schedule came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// More may be admitted at once.
    More,
    /// Nothing more is due.
    Idle,
    /// More is due than the window has room for.
    Full,
    /// All is admitted, or the time is over.
    Finished,
}

/// Why there is no client.
enum NoClient {
    Stopped,
    Refused(String),
}

impl Worker {
    /// Works until all is done or the pod asks to stop.
    pub fn run(mut self) -> Ended {
        let mut client = match self.connect() {
            Ok(client) => client,
            Err(no_client) => return no_client.into(),
        };
        let (mut fruitless, mut acked) = (0, 0);
        loop {
            let why = match self.send(&mut client) {
                Pause::Finished => return Ended::Done,
                Pause::Stopped => return self.close(client),
                Pause::Broken(why) => why,
            };
            let acked_now = self.progress.lock().acked();
            fruitless = if acked_now > acked { 1 } else { fruitless + 1 };
            acked = acked_now;
            error!(client = self.index, %why, "the client failed, rebuilding it");
            self.give_up(client);
            if fruitless > FRUITLESS_REBUILDS_MAX {
                return Ended::Fatal(why);
            }
            client = match self.rebuild() {
                Ok(rebuilt) => rebuilt,
                Err(no_client) => return no_client.into(),
            };
        }
    }

    fn send(&mut self, client: &mut Client) -> Pause {
        let mut cursor = 0;
        let mut desk = self.desk();
        loop {
            let round_at = Instant::now();
            desk.drain(client, Duration::ZERO, &mut self.tracks);
            if let Some(why) = desk.broken() {
                return Pause::Broken(why);
            }
            if self.controls.asked() != Stop::Run {
                return Pause::Stopped;
            }
            let admission = self.admit(&mut cursor);
            let finished = admission == Admission::Finished;
            let has_room = match self.hand_over_ready(client, finished) {
                Ok(has_room) => has_room,
                Err(code) => return Pause::Broken(format!("a record was refused: {code}")),
            };
            match admission {
                _ if !has_room => desk.drain(client, TICK, &mut self.tracks),
                Admission::More => {}
                Admission::Finished if self.is_resolved() => return Pause::Finished,
                Admission::Finished => self.wait(client, &mut desk, Instant::now() + IDLE_MAX, true),
                Admission::Idle => self.wait(client, &mut desk, self.wake_at(round_at), false),
                Admission::Full => {
                    let full_at = Instant::now();
                    self.wait(client, &mut desk, full_at + TICK, false);
                    self.progress.lock().queue_full_us += full_at.elapsed().as_micros() as u64;
                }
            }
        }
    }

    /// Admits what is due, one batch of each lane in turn, so that with much to catch up no lane starves.
    fn admit(&mut self, cursor: &mut usize) -> Admission {
        let (now_us, at_us) = (self.clock.now_us(), self.clock.elapsed_us());
        if self.pace.is_over(now_us) {
            self.withdraw();
            return Admission::Finished;
        }
        if self.tracks.iter().all(|track| track.lane.is_admitted()) {
            return Admission::Finished;
        }
        let axis = self.pace.axis(now_us);
        let measure_from_us = self.controls.measure_from_us();
        let mut room = self
            .connection
            .window
            .saturating_sub(self.tracks.iter().map(|track| track.lane.open()).sum());
        let mut more = false;
        let mut progress = self.progress.lock();
        for _ in 0..self.tracks.len() {
            let lane = &mut self.tracks[*cursor].lane;
            let due = lane.due(axis);
            let count = due.min(self.records.capacity() as u64).min(room);
            if due > 0 && count == 0 {
                return Admission::Full;
            }
            if count > 0 {
                let first = lane.admitted_seq();
                lane.admit(count, at_us);
                room -= count;
                more |= due > count;
                progress.lanes[*cursor].admitted_seq = first + count;
                progress.open += count;
                if self.pace == Pace::Open {
                    let intended = (first..first + count).map(|seq| lane.schedule().due_at(seq));
                    for intended_us in intended.filter(|intended_us| *intended_us >= measure_from_us) {
                        progress
                            .lateness
                            .record(now_us.saturating_sub(intended_us).max(0) as u64);
                    }
                }
            }
            *cursor = (*cursor + 1) % self.tracks.len();
        }
        if more || self.pace.advance(now_us) {
            Admission::More
        } else {
            Admission::Idle
        }
    }

    /// What was not handed over yet is not sent.
    fn withdraw(&mut self) {
        let mut progress = self.progress.lock();
        for (index, track) in self.tracks.iter_mut().enumerate() {
            progress.open = progress.open.saturating_sub(track.lane.withdraw());
            progress.lanes[index].admitted_seq = track.lane.admitted_seq();
        }
    }

    /// Hands over what is ready in all lanes; with `flush` what still lingers as well. `false` if the client has no room,
    /// which the window should not let happen.
    fn hand_over_ready(&mut self, client: &mut Client, flush: bool) -> Result<bool, RDKafkaErrorCode> {
        let now_us = self.clock.elapsed_us();
        for index in 0..self.tracks.len() {
            let mut ready = self.tracks[index].lane.ready(self.connection.batching, now_us, flush);
            while ready > 0 {
                let count = ready.min(self.records.capacity() as u64);
                if !self.hand_over(client, index, count as usize)? {
                    return Ok(false);
                }
                ready -= count;
            }
        }
        Ok(true)
    }

    /// Hands over the next `count` events of a lane; `false` if the client has no room for all of them.
    fn hand_over(&mut self, client: &mut Client, index: usize, count: usize) -> Result<bool, RDKafkaErrorCode> {
        let Track { stream, lane } = &mut self.tracks[index];
        let (first, schedule) = (lane.handed_seq(), lane.schedule());
        match self.pace {
            Pace::Open => {
                let due_us = (first..).map(|seq| schedule.due_at(seq));
                self.records.fill(stream, first, count, due_us);
            }
            Pace::Closed { .. } => {
                let started_at_us = self.clock.started_at_us();
                let admitted_us = lane.admitted_at_us(count).map(|at_us| started_at_us + at_us as i64);
                self.records.fill(stream, first, count, admitted_us);
            }
        }
        let produced = client.produce(stream.partition(), &self.records, self.clock.elapsed_us());
        lane.hand_over(produced.accepted as u64);
        let mut progress = self.progress.lock();
        progress.lanes[index].next_seq = lane.handed_seq();
        progress.sent += produced.accepted as u64;
        match produced.error {
            None => Ok(true),
            Some(RDKafkaErrorCode::QueueFull) => Ok(false),
            Some(code) => Err(code),
        }
    }

    /// Whether nothing is under way.
    fn is_resolved(&self) -> bool {
        self.tracks.iter().all(|track| track.lane.open() == 0)
    }

    /// When the next event is due or has lingered, but not before the tick is over.
    fn wake_at(&self, round_at: Instant) -> Instant {
        let (now_us, elapsed_us) = (self.clock.now_us(), self.clock.elapsed_us());
        let batching = self.connection.batching;
        let mut wait_us = IDLE_MAX.as_micros() as i64;
        for Track { lane, .. } in &self.tracks {
            wait_us = wait_us.min(self.pace.next_due_us(lane).saturating_sub(now_us));
            if let Some(ready_at_us) = lane.ready_at_us(batching) {
                wait_us = wait_us.min(ready_at_us.saturating_sub(elapsed_us) as i64);
            }
        }
        (Instant::now() + Duration::from_micros(wait_us.max(0) as u64)).max(round_at + TICK)
    }

    /// Waits, and books delivery reports as they come; returns early when a lane may go on.
    fn wait(&mut self, client: &mut Client, desk: &mut Desk, wake_at: Instant, flush: bool) {
        let batching = self.connection.batching;
        loop {
            let left = wake_at.saturating_duration_since(Instant::now());
            if left < SHORT_WAIT {
                thread::sleep(left);
                return;
            }
            // The client's wait counts whole milliseconds, and ends early when a report comes.
            desk.drain(client, left.max(Duration::from_millis(1)), &mut self.tracks);
            let now_us = self.clock.elapsed_us();
            let mut lanes = self.tracks.iter().map(|track| &track.lane);
            if lanes.any(|lane| lane.ready(batching, now_us, flush) > 0) || self.is_resolved() {
                return;
            }
        }
    }

    /// Makes a client once the topic's metadata can be read.
    fn connect(&self) -> Result<Client, NoClient> {
        let Connection { config, topic, .. } = &self.connection;
        self.patiently(
            |error| !matches!(error, ClientError::Metadata(_)),
            || Client::connect(config, topic, CONNECT_TIMEOUT),
        )
    }

    /// Tries until it works, unless an error is there to stay, the brokers are out for too long, or the pod stops.
    fn patiently<T, E: Display>(
        &self,
        is_permanent: impl Fn(&E) -> bool,
        attempt: impl Fn() -> Result<T, E>,
    ) -> Result<T, NoClient> {
        let started = Instant::now();
        let mut logged: Option<Instant> = None;
        while self.controls.asked() == Stop::Run {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(error) if is_permanent(&error) => return Err(NoClient::Refused(error.to_string())),
                Err(error) if started.elapsed() >= OUTAGE_MAX => {
                    let why = format!("brokers are out for {} s: {error}", OUTAGE_MAX.as_secs());
                    return Err(NoClient::Refused(why));
                }
                Err(error) if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) => {
                    logged = Some(Instant::now());
                    warn!(client = self.index, %error, "cannot reach the log, trying again");
                }
                Err(_) => {}
            }
            thread::sleep(REBUILD_PAUSE);
        }
        Err(NoClient::Stopped)
    }

    /// Lets what is admitted leave within the deadline, unless the slot is lost.
    fn close(mut self, mut client: Client) -> Ended {
        let deadline = Instant::now() + self.connection.flush_timeout;
        let mut desk = self.desk();
        while !self.is_resolved() && self.controls.asked() == Stop::Flush && Instant::now() < deadline {
            if self.hand_over_ready(&mut client, true).is_err() || desk.broken().is_some() {
                break;
            }
            self.wait(&mut client, &mut desk, deadline.min(Instant::now() + IDLE_MAX), true);
        }
        self.give_up(client);
        Ended::Stopped
    }

    /// Purges and closes a client, and books what it gave up.
    fn give_up(&mut self, mut client: Client) {
        client.purge();
        self.withdraw();
        let deadline = Instant::now() + PURGE_TIMEOUT;
        let mut desk = self.desk();
        while client.in_flight() > 0 && Instant::now() < deadline {
            desk.drain(&mut client, TICK, &mut self.tracks);
        }
        self.progress.lock().open = 0;
    }

    /// Makes a new client once every partition is taken up from its log again.
    fn rebuild(&mut self) -> Result<Client, NoClient> {
        self.progress.lock().client_rebuilds += 1;
        thread::sleep(REBUILD_PAUSE);
        let partitions: Vec<u32> = self.tracks.iter().map(|track| track.stream.partition()).collect();
        let tails = self.patiently(TailError::is_permanent, || self.connection.takeover.read(&partitions))?;
        let mut progress = self.progress.lock();
        for (Track { stream, lane }, booked) in self.tracks.iter_mut().zip(&mut progress.lanes) {
            let last = tails.get(&booked.partition).copied().flatten();
            let next = take_up(booked, stream, last.map(|tail| tail.event))
                .map_err(|error| NoClient::Refused(error.to_string()))?;
            lane.take_up(next);
        }
        drop(progress);
        self.connect()
    }

    fn desk(&self) -> Desk {
        let kind = (self.pace == Pace::Open, self.connection.gapless);
        Desk::new(self.progress.clone(), self.controls.clone(), self.clock, kind)
    }
}

impl From<NoClient> for Ended {
    fn from(no_client: NoClient) -> Self {
        match no_client {
            NoClient::Stopped => Self::Stopped,
            NoClient::Refused(why) => Self::Fatal(why),
        }
    }
}
