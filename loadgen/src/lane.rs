//! The sending side of one partition: what is admitted, what is handed to the client, what is resolved.
//!
//! An event is *admitted* when it is due and the queue has room, which is what lateness is told by; what a stream can tell
//! again at any time needs no memory to wait in. It is *handed over* to the client in batches, which is its actual send,
//! and *resolved* by its delivery report.

use std::collections::VecDeque;

use eoslab_core::PartitionStream;

use crate::schedule::Schedule;

/// When admitted events are handed to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// At once: the client makes the batches, and has several of a partition in flight.
    ByClient,
    /// One batch of a partition at a time, when it is full or has lingered, and the previous one is resolved.
    ///
    /// This is what an idempotent librdkafka does anyway (it has one request of a partition in flight), but left to
    /// itself its broker threads spin for as long as records that have lingered wait behind one in flight: measured
    /// here, four times less throughput at ten times the CPU.
    OneAtATime {
        /// Records of a full batch, which does not linger.
        records: u64,
        /// Most records of one batch, when so many have gathered behind the previous one. Clients with five requests
        /// in flight carry five full batches in a round trip; this one carries as much in one.
        records_max: u64,
        /// How long the first record of a batch waits for more, microseconds.
        linger_us: u64,
    },
}

/// One partition on its way.
#[derive(Debug)]
pub struct Lane {
    schedule: Schedule,
    end_seq: u64,
    admitted_seq: u64,
    handed_seq: u64,
    unresolved: u64,
    /// Ends (exclusive) of what was admitted together, and when, for what is not handed over yet.
    admissions: VecDeque<(u64, u64)>,
}

impl Lane {
    /// Starts at `first_seq`; `end_seq` is `u64::MAX` where the run ends by time.
    pub fn new(schedule: Schedule, first_seq: u64, end_seq: u64) -> Self {
        let mut lane = Self {
            schedule,
            end_seq,
            admitted_seq: first_seq,
            handed_seq: first_seq,
            unresolved: 0,
            admissions: VecDeque::new(),
        };
        lane.take_up(first_seq);
        lane
    }

    /// Goes on at `seq`, with nothing under way.
    pub fn take_up(&mut self, seq: u64) {
        self.admitted_seq = seq;
        self.handed_seq = seq;
        self.unresolved = 0;
        self.admissions.clear();
    }

    /// When its events are due, on the axis of [`Pace`].
    pub fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Next seq to admit.
    pub fn admitted_seq(&self) -> u64 {
        self.admitted_seq
    }

    /// Next seq to hand over.
    pub fn handed_seq(&self) -> u64 {
        self.handed_seq
    }

    /// Events that are due and not admitted.
    pub fn due(&self, axis: i64) -> u64 {
        self.schedule
            .due_end(axis)
            .min(self.end_seq)
            .saturating_sub(self.admitted_seq)
    }

    /// Events that are admitted and not resolved.
    pub fn open(&self) -> u64 {
        self.admitted_seq - self.handed_seq + self.unresolved
    }

    /// Whether everything is admitted.
    pub fn is_admitted(&self) -> bool {
        self.admitted_seq >= self.end_seq
    }

    /// Admits the next `count` events at `at_us`, microseconds since the process started.
    pub fn admit(&mut self, count: u64, at_us: u64) {
        self.admitted_seq += count;
        match self.admissions.back_mut() {
            Some((end, last_at_us)) if *last_at_us == at_us => *end = self.admitted_seq,
            _ => self.admissions.push_back((self.admitted_seq, at_us)),
        }
    }

    /// Takes back what was admitted and not handed over; returns how many events.
    pub fn withdraw(&mut self) -> u64 {
        let withdrawn = self.admitted_seq - self.handed_seq;
        self.admitted_seq = self.handed_seq;
        self.admissions.clear();
        withdrawn
    }

    /// How many events are to be handed over now; with `flush` those that still linger as well.
    pub fn ready(&self, batching: Batching, now_us: u64, flush: bool) -> u64 {
        let waiting = self.admitted_seq - self.handed_seq;
        match batching {
            Batching::ByClient => waiting,
            Batching::OneAtATime { .. } if self.unresolved > 0 || waiting == 0 => 0,
            Batching::OneAtATime {
                records, records_max, ..
            } if waiting >= records => waiting.min(records_max),
            Batching::OneAtATime { linger_us, .. } => {
                let lingered = self
                    .admissions
                    .front()
                    .is_some_and(|(_, at_us)| now_us >= at_us + linger_us);
                if lingered || flush { waiting } else { 0 }
            }
        }
    }

    /// When events that linger will be ready, microseconds since the process started; `None` if nothing lingers.
    pub fn ready_at_us(&self, batching: Batching) -> Option<u64> {
        let Batching::OneAtATime { linger_us, .. } = batching else {
            return None;
        };
        let (_, at_us) = self.admissions.front().filter(|_| self.unresolved == 0)?;
        Some(at_us + linger_us)
    }

    /// When each of the next `count` events to hand over was admitted, in their order.
    pub fn admitted_at_us(&self, count: usize) -> impl Iterator<Item = u64> {
        let mut seq = self.handed_seq;
        let runs = self.admissions.iter().map(move |(end, at_us)| {
            let run = (*end - seq) as usize;
            seq = *end;
            std::iter::repeat_n(*at_us, run)
        });
        runs.flatten().take(count)
    }

    /// The next `count` events were handed over.
    pub fn hand_over(&mut self, count: u64) {
        self.handed_seq += count;
        self.unresolved += count;
        while self.admissions.front().is_some_and(|(end, _)| *end <= self.handed_seq) {
            self.admissions.pop_front();
        }
    }

    /// The outcome of `count` events is known.
    pub fn resolve(&mut self, count: u64) {
        self.unresolved = self.unresolved.saturating_sub(count);
    }
}

/// One partition with what it holds.
pub struct Track {
    /// What it holds.
    pub stream: PartitionStream,
    /// Where it stands.
    pub lane: Lane,
}

/// What moves the lanes' schedules on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Time does: the axis is microseconds since the Unix epoch.
    Open,
    /// Progress does: the axis counts the events of all lanes, and moves on by a quantum as soon as no lane is behind.
    Closed {
        /// Where the axis is.
        at: i64,
        /// By how much it moves on.
        quantum: i64,
        /// When the run starts, microseconds since the Unix epoch.
        starts_at_us: i64,
        /// When the run ends, microseconds since the Unix epoch.
        ends_at_us: i64,
    },
}

impl Pace {
    /// Where the axis is at `now_us`.
    pub fn axis(&self, now_us: i64) -> i64 {
        match *self {
            Self::Open => now_us,
            Self::Closed { starts_at_us, .. } if now_us < starts_at_us => i64::MIN,
            Self::Closed { at, .. } => at,
        }
    }

    /// When the next event of a lane is due, microseconds since the Unix epoch.
    pub fn next_due_us(&self, lane: &Lane) -> i64 {
        match *self {
            _ if lane.is_admitted() => i64::MAX,
            Self::Open => lane.schedule.due_at(lane.admitted_seq),
            Self::Closed { starts_at_us, .. } => starts_at_us,
        }
    }

    /// Moves a closed loop that has started on; `false` if nothing moves before time does.
    pub fn advance(&mut self, now_us: i64) -> bool {
        match self {
            Self::Closed {
                at,
                quantum,
                starts_at_us,
                ..
            } if now_us >= *starts_at_us => {
                *at = at.saturating_add(*quantum);
                true
            }
            _ => false,
        }
    }

    /// Whether the run's time is over.
    pub fn is_over(&self, now_us: i64) -> bool {
        matches!(*self, Self::Closed { ends_at_us, .. } if now_us >= ends_at_us)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GATED: Batching = Batching::OneAtATime {
        records: 10,
        records_max: 12,
        linger_us: 5000,
    };

    fn lane() -> Lane {
        // One event each millisecond from 0 on.
        Lane::new(Schedule::new(0, 0, 1.0 / 1000.0), 0, 1000)
    }

    #[test]
    fn what_is_due_is_admitted_once() {
        let mut lane = lane();
        assert_eq!(lane.due(2999), 3);
        lane.admit(2, 7);
        assert_eq!((lane.due(2999), lane.open()), (1, 2));
        assert_eq!(lane.due(i64::MAX), 998, "not beyond the end");
    }

    #[test]
    fn a_batch_waits_until_it_lingered_or_is_full() {
        let mut lane = lane();
        lane.admit(3, 1000);
        lane.admit(2, 2000);
        assert_eq!(
            (lane.ready(GATED, 5999, false), lane.ready_at_us(GATED)),
            (0, Some(6000))
        );
        assert_eq!(lane.ready(GATED, 6000, false), 5);
        assert_eq!(lane.ready(GATED, 0, true), 5, "flushed");
        lane.admit(6, 2500);
        assert_eq!(lane.ready(GATED, 2500, false), 11, "full");
        lane.admit(9, 2500);
        assert_eq!(lane.ready(GATED, 2500, false), 12, "the most that one batch takes");
        assert_eq!(lane.ready(Batching::ByClient, 2500, false), 20);
    }

    #[test]
    fn a_batch_waits_until_the_previous_one_is_resolved() {
        let mut lane = lane();
        lane.admit(15, 0);
        lane.hand_over(10);
        assert_eq!((lane.ready(GATED, 99_999, true), lane.ready_at_us(GATED)), (0, None));
        assert_eq!(lane.ready(Batching::ByClient, 0, false), 5);
        lane.resolve(9);
        assert_eq!(lane.ready(GATED, 99_999, false), 0);
        lane.resolve(1);
        assert_eq!((lane.ready(GATED, 5000, false), lane.open()), (5, 5));
    }

    #[test]
    fn each_event_keeps_the_time_of_its_admission() {
        let mut lane = lane();
        lane.admit(3, 100);
        lane.admit(1, 100);
        lane.admit(2, 200);
        assert_eq!(lane.admitted_at_us(5).collect::<Vec<_>>(), [100, 100, 100, 100, 200]);
        lane.hand_over(3);
        assert_eq!(lane.admitted_at_us(9).collect::<Vec<_>>(), [100, 200, 200]);
        assert_eq!((lane.withdraw(), lane.open(), lane.admitted_seq()), (3, 3, 3));
        lane.take_up(1);
        assert_eq!((lane.admitted_seq(), lane.handed_seq(), lane.open()), (1, 1, 0));
        assert_eq!(lane.admitted_at_us(1).next(), None);
    }

    #[test]
    fn a_closed_loop_moves_between_its_start_and_its_end() {
        let mut pace = Pace::Closed {
            at: 0,
            quantum: 100,
            starts_at_us: 1000,
            ends_at_us: 2000,
        };
        assert_eq!(
            (pace.axis(999), pace.advance(999), pace.axis(1000)),
            (i64::MIN, false, 0)
        );
        assert!(pace.advance(1000));
        assert_eq!(
            (pace.axis(1500), pace.is_over(1999), pace.is_over(2000)),
            (100, false, true)
        );
        assert_eq!(pace.next_due_us(&lane()), 1000);
    }

    proptest! {
        /// Time passes, batches resolve late or get lost with the client, the producer is restarted from what the log
        /// has: nothing is skipped, nothing is handed over twice that the log has.
        #[test]
        fn every_seq_reaches_the_log_once_whatever_happens(
            steps in prop::collection::vec((0_u64..9000, 0_u8..5, 0_u64..20), 1..200),
        ) {
            let (mut lane, mut now, mut log) = (lane(), 0_u64, Vec::new());
            for (wait, action, amount) in steps {
                now += wait;
                let due = lane.due(now as i64);
                lane.admit(due, now);
                let count = lane.ready(GATED, now, false);
                match action {
                    0..=2 => {
                        log.extend(lane.handed_seq()..lane.handed_seq() + count);
                        lane.hand_over(count);
                    }
                    3 => lane.resolve(amount),
                    _ => {
                        // A part of the batch reached the log before the producer died.
                        log.extend(lane.handed_seq()..lane.handed_seq() + count.min(amount));
                        lane = Lane::new(lane.schedule(), log.len() as u64, 1000);
                    }
                }
            }
            prop_assert!(log.iter().copied().eq(0..log.len() as u64));
        }
    }
}
