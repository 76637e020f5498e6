//! From settings, layout and the log's tails to the workers that send: all decisions, no I/O.

use std::sync::Arc;
use std::time::Duration;

use eoslab_core::{Layout, PartitionStream};
use eoslab_runtime::clock::Clock;
use eoslab_runtime::tail::Tails;

use crate::ack_watch::AckWatch;
use crate::args::Rate;
use crate::controls::Controls;
use crate::lane::{Lane, Pace, Track};
use crate::plan::{deal, owned_partitions};
use crate::progress::{LaneProgress, Progress, SharedProgress};
use crate::records::Records;
use crate::resume::{ResumeError, first_seq};
use crate::schedule::Schedule;
use crate::settings::{End, Settings};
use crate::takeover::Takeover;
use crate::worker::{Connection, Worker};

/// Events of a lane, on average, by which a closed loop moves on at once.
const QUANTUM_PER_LANE: i64 = 256;

/// Batches of a lane, on average, that a closed loop has under way.
const CLOSED_BATCHES_PER_LANE: u64 = 10;

/// When the schedule starts, microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Event 0 of each partition is due then; a restarted producer is late and catches up.
    At(i64),
    /// The first event that is still to be sent is due then.
    Now(i64),
}

/// A partition that is ready to be sent to.
pub struct PreparedTrack {
    /// What it holds.
    pub stream: PartitionStream,
    /// Its share of all events of the run.
    pub share: f64,
    /// First seq to send.
    pub first_seq: u64,
    /// End (exclusive), unless the run ends by time.
    pub end_seq: Option<u64>,
    /// When a former process sent the log's last event, microseconds since the Unix epoch.
    pub last_sent_at_us: Option<i64>,
}

/// All that a slot is to send.
pub struct Prepared {
    /// Digest of the layout.
    pub layout_digest: u64,
    /// Events a second of this slot; `None` in a closed loop.
    pub target_rate: Option<f64>,
    /// Events that are still to be sent, unless the run ends by time.
    pub events_left: Option<u64>,
    /// The partitions with events.
    pub tracks: Vec<PreparedTrack>,
    /// The partitions where no account lives.
    pub idle: Vec<LaneProgress>,
}

/// Workers that are ready to run, and the partitions that have none.
pub struct Assembled {
    /// One for each client.
    pub workers: Vec<Worker>,
    /// The partitions where no account lives.
    pub idle: Vec<LaneProgress>,
}

/// Finds out what a slot is to send, given the last events of its partitions' logs.
pub fn prepare(settings: &Settings, layout: &Layout, slot: u32, tails: &Tails) -> Result<Prepared, ResumeError> {
    let owned = owned_partitions(settings.stream.partitions, settings.producers, slot);
    let counts = match settings.end {
        End::Events(events) => Some(layout.counts(events)),
        End::AfterUs(_) => None,
    };
    let share: f64 = owned.iter().map(|partition| layout.share(*partition)).sum();
    let mut streams = layout.streams(&owned).into_iter().peekable();
    let (mut tracks, mut idle) = (Vec::new(), Vec::new());
    for partition in owned {
        let stream = streams.next_if(|stream| stream.partition() == partition);
        let end_seq = counts.as_ref().map(|counts| counts[partition as usize]);
        let last = tails.get(&partition).copied().flatten();
        let first_seq = first_seq(partition, stream.as_ref(), last.map(|tail| tail.event), end_seq)?;
        match stream {
            Some(stream) => {
                tracks.push(PreparedTrack {
                    stream,
                    share: layout.share(partition),
                    first_seq,
                    end_seq,
                    last_sent_at_us: last.map(|tail| tail.sent_at_us.unwrap_or(tail.event.ts_us)),
                });
            }
            None => idle.push(LaneProgress::new(partition, 0, Some(0), None)),
        }
    }
    let events_left = counts.is_some().then(|| tracks.iter().map(PreparedTrack::left).sum());
    let target_rate = match settings.rate {
        Rate::PerSecond(rate) => Some(rate * share),
        Rate::Max => None,
    };
    Ok(Prepared {
        layout_digest: layout.digest(),
        target_rate,
        events_left,
        tracks,
        idle,
    })
}

impl PreparedTrack {
    fn left(&self) -> u64 {
        self.end_seq.map_or(0, |end| end.saturating_sub(self.first_seq))
    }
}

/// Deals the partitions over the clients and gives each its schedule.
pub fn assemble(
    settings: &Settings,
    prepared: Prepared,
    start: Start,
    clock: Clock,
    controls: &Arc<Controls>,
) -> Assembled {
    let partitions: Vec<u32> = prepared.tracks.iter().map(|lane| lane.stream.partition()).collect();
    let shares: Vec<(u32, f64)> = prepared
        .tracks
        .iter()
        .map(|lane| (lane.stream.partition(), lane.share))
        .collect();
    let share = |wanted: u32| {
        shares
            .iter()
            .find(|(partition, _)| *partition == wanted)
            .map_or(0.0, |(_, share)| *share)
    };
    let groups = deal(&partitions, share, settings.clients);
    let mut tracks = prepared.tracks;
    let mut workers = Vec::with_capacity(groups.len());
    for (index, group) in groups.into_iter().enumerate() {
        let (mine, others) = tracks
            .into_iter()
            .partition(|lane| group.contains(&lane.stream.partition()));
        tracks = others;
        workers.push(worker(settings, index, mine, start, clock, controls));
    }
    Assembled {
        workers,
        idle: prepared.idle,
    }
}

fn worker(
    settings: &Settings,
    index: usize,
    prepared: Vec<PreparedTrack>,
    start: Start,
    clock: Clock,
    controls: &Arc<Controls>,
) -> Worker {
    let lanes_of_client = prepared.len();
    let pace = pace(settings, start, lanes_of_client);
    let client_share: f64 = prepared.iter().map(|lane| lane.share).sum();
    let mut tracks = Vec::with_capacity(prepared.len());
    let mut booked = Vec::with_capacity(prepared.len());
    for lane in prepared {
        let schedule = schedule(settings, start, &lane, client_share);
        let shown = (pace == Pace::Open).then_some(schedule);
        let mut progress = LaneProgress::new(lane.stream.partition(), lane.first_seq, lane.end_seq, shown);
        progress.acks = ack_watch(&lane, shown);
        booked.push(progress);
        let end_seq = lane.end_seq.unwrap_or(u64::MAX);
        tracks.push(Track {
            stream: lane.stream,
            lane: Lane::new(schedule, lane.first_seq, end_seq),
        });
    }
    Worker {
        index,
        tracks,
        pace,
        records: Records::new(
            settings.stream.seed,
            settings.compressibility_percent,
            settings.message_size,
        ),
        connection: Connection {
            window: window(settings, lanes_of_client),
            ..connection(settings)
        },
        clock,
        controls: controls.clone(),
        progress: Arc::new(SharedProgress::new(Progress {
            lanes: booked,
            ..Progress::default()
        })),
    }
}

/// After a restart the first event has waited since it was due or, where the former process was behind or had no
/// schedule, since that one sent its last.
fn ack_watch(lane: &PreparedTrack, schedule: Option<Schedule>) -> AckWatch {
    let Some(last_us) = lane.last_sent_at_us else {
        return AckWatch::default();
    };
    let due_us = schedule.map(|schedule| schedule.due_at(lane.first_seq));
    AckWatch::waiting_since(due_us.map_or(last_us, |due_us| due_us.max(last_us)))
}

fn pace(settings: &Settings, start: Start, lanes: usize) -> Pace {
    let (Start::At(starts_at_us) | Start::Now(starts_at_us)) = start;
    match (settings.rate, settings.end) {
        (Rate::PerSecond(_), _) => Pace::Open,
        (Rate::Max, end) => {
            let ends_at_us = match end {
                End::AfterUs(length_us) => starts_at_us.saturating_add(length_us),
                End::Events(_) => i64::MAX,
            };
            Pace::Closed {
                at: 0,
                quantum: QUANTUM_PER_LANE * lanes as i64,
                starts_at_us,
                ends_at_us,
            }
        }
    }
}

fn schedule(settings: &Settings, start: Start, lane: &PreparedTrack, client_share: f64) -> Schedule {
    match (settings.rate, start) {
        (Rate::PerSecond(rate), Start::At(at_us)) => Schedule::new(at_us, 0, rate * lane.share / 1e6),
        (Rate::PerSecond(rate), Start::Now(at_us)) => Schedule::new(at_us, lane.first_seq, rate * lane.share / 1e6),
        (Rate::Max, _) => Schedule::new(0, lane.first_seq, lane.share / client_share),
    }
}

/// A closed loop needs no more under way than keeps the brokers busy: a longer queue would only be latency.
fn window(settings: &Settings, lanes: usize) -> u64 {
    match settings.rate {
        Rate::PerSecond(_) => settings.window,
        Rate::Max => settings
            .window
            .min(CLOSED_BATCHES_PER_LANE * settings.batch_records * lanes as u64),
    }
}

fn connection(settings: &Settings) -> Connection {
    Connection {
        config: settings.producer_config.clone(),
        topic: settings.topic.clone(),
        takeover: Takeover {
            config: settings.reader_config.clone(),
            topic: settings.topic.clone(),
        },
        batching: settings.batching,
        window: settings.window,
        gapless: settings.gapless,
        flush_timeout: Duration::from_micros(settings.flush_timeout_us),
    }
}
