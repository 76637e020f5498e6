//! What the tests of this crate share: a real Redis, a log in memory, and members that read it through the engine.

#![allow(dead_code)]

pub mod kafka;
pub mod proxy;
pub mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eoslab_core::report::VerifyReport;
use eoslab_core::{Event, Key, Layout, StreamSpec, Tally};
use eoslab_counter::count::{Checker, RecordView};
use eoslab_counter::ledger::{Batch, Ledger, Mode, Writer};
use eoslab_counter::run::{BatchLimits, Engine, Flushed, Which};
use tokio_util::sync::CancellationToken;

/// Message size of the tests.
pub const MESSAGE_SIZE: usize = 64;

/// A run of its own for each caller, so that tests may share a Redis.
pub fn new_run() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The first batch of a partition: one event, which `offset` ends.
pub fn first_batch(layout: &Layout, partition: u32, offset: i64) -> Batch<'static> {
    Batch {
        partition,
        expected_offset: -1,
        offset,
        seq: offset,
        ts_us: 1,
        first_waiting_us: 1,
        slots: layout.slots(partition),
        tally: Tally {
            count: 1,
            sum: 1,
            digest: 1,
        },
        log_duplicates: 0,
        holes: 0,
        malformed: 0,
        deltas: &[(0, 1)],
    }
}

/// A small stream.
pub fn spec(partitions: u32) -> StreamSpec {
    StreamSpec {
        seed: 42,
        partitions,
        accounts: 500,
        zipf_exponent: 1.1,
        salting: None,
    }
}

/// A record of the log.
#[derive(Clone, Debug)]
pub struct Record {
    pub offset: i64,
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Record {
    pub fn event(offset: i64, salt: Option<u16>, event: Event) -> Self {
        let mut payload = vec![0; MESSAGE_SIZE];
        event.encode(&mut payload);
        Self {
            offset,
            key: Key::new(event.account_id, salt).as_bytes().to_vec(),
            payload,
        }
    }

    pub fn garbage(offset: i64) -> Self {
        Self {
            offset,
            key: vec![1, 2, 3],
            payload: vec![7; 9],
        }
    }
}

/// Partitions full of records, dense in seqs and, unless a test says otherwise, in offsets.
pub struct Log {
    pub partitions: Vec<Vec<Record>>,
}

impl Log {
    pub fn new(layout: &Layout, counts: &[u64]) -> Self {
        let partition = |(partition, &count): (u32, &u64)| {
            let stream = layout.stream(partition);
            let record = |seq: u64| {
                let draw = stream.as_ref().expect("a partition with events has accounts").draw(seq);
                let ts_us = 1_700_000_000_000_000 + seq as i64;
                let event = Event {
                    account_id: draw.account_id,
                    amount: draw.amount,
                    ts_us,
                    seq,
                };
                Record::event(seq as i64, draw.salt, event)
            };
            (0..count).map(record).collect()
        };
        Self {
            partitions: (0..).zip(counts).map(partition).collect(),
        }
    }
}

/// A run with its layout, log and ledger.
pub struct Run {
    pub id: String,
    pub url: String,
    pub layout: Layout,
    pub checker: Arc<Checker>,
    pub counts: Vec<u64>,
    pub log: Log,
}

impl Run {
    pub fn new(url: &str, partitions: u32, events: u64) -> Self {
        Self::of(url, &spec(partitions), events)
    }

    pub fn of(url: &str, spec: &StreamSpec, events: u64) -> Self {
        let layout = Layout::new(spec).expect("a valid spec");
        let counts = layout.counts(events);
        let checker = Arc::new(Checker::new(&layout, MESSAGE_SIZE));
        let log = Log::new(&layout, &counts);
        Self {
            id: new_run(),
            url: url.to_owned(),
            layout,
            checker,
            counts,
            log,
        }
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::connect(&[&self.url], &self.id).expect("redis runs")
    }

    pub fn all(&self) -> Vec<u32> {
        (0..self.layout.spec().partitions).collect()
    }

    pub fn member(&self, name: &str, mode: Mode) -> Member<'_> {
        self.member_on(name, mode, self.ledger())
    }

    pub fn member_on(&self, name: &str, mode: Mode, ledger: Ledger) -> Member<'_> {
        let writer = Writer {
            mode,
            member: name.to_owned(),
            stall_us: 1_000_000_000,
        };
        let limits = BatchLimits {
            events: 50,
            interval: Duration::from_secs(3600),
        };
        let engine = Engine::new(writer, limits, ledger, self.checker.clone());
        Member {
            run: self,
            engine,
            next: vec![0; self.log.partitions.len()],
        }
    }

    /// What the oracle says.
    pub fn verify(&self) -> VerifyReport {
        let verified = eoslab_counter::verify::verify(
            &self.layout,
            &self.counts,
            &self.ledger(),
            &self.id,
            2,
            CancellationToken::new(),
        );
        verified.expect("the ledger can be read")
    }
}

/// A counter without Kafka: its engine, and where it reads each partition.
pub struct Member<'a> {
    pub run: &'a Run,
    pub engine: Engine,
    next: Vec<i64>,
}

impl Member<'_> {
    /// Takes partitions over from the ledger.
    pub fn assign(&mut self, partitions: &[u32]) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let seeks = loop {
            match self.engine.assign(partitions) {
                Ok(seeks) => break seeks,
                Err(error) => assert!(error.is_transient() && Instant::now() < deadline, "{error}"),
            }
        };
        for seek in seeks {
            self.next[seek.partition as usize] = seek.offset;
        }
    }

    /// Reads partitions on from these offsets, as from the group's committed ones.
    pub fn read_from(&mut self, partition: u32, offset: i64) {
        self.next[partition as usize] = offset;
    }

    /// Reads up to `most` records of a partition; returns how many there were.
    pub fn read(&mut self, partition: u32, most: usize) -> usize {
        let mut read = 0;
        while read < most {
            let records = &self.run.log.partitions[partition as usize];
            let at = records.partition_point(|record| record.offset < self.next[partition as usize]);
            let Some(record) = records.get(at) else { break };
            self.next[partition as usize] = record.offset + 1;
            let view = RecordView {
                partition,
                offset: record.offset,
                key: Some(&record.key),
                payload: Some(&record.payload),
                timestamp_us: Some(1_700_000_000_000_000),
            };
            if let Some(seek) = self.engine.take(&view, Instant::now()) {
                self.next[partition as usize] = seek.offset;
            }
            read += 1;
        }
        read
    }

    /// Applies everything, and goes where the ledger says.
    pub fn flush(&mut self) -> Flushed {
        let flushed = self.engine.flush(Which::All);
        for seek in &flushed.seeks {
            self.next[seek.partition as usize] = seek.offset;
        }
        flushed
    }

    /// Applies everything, however often Redis has to be asked; returns whether it is to be read from elsewhere.
    pub fn flush_patiently(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut moved = false;
        loop {
            let flushed = self.flush();
            moved |= !flushed.seeks.is_empty();
            let Some(failed) = flushed.failed else { return moved };
            assert!(failed.is_transient() && Instant::now() < deadline, "{failed}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks Redis what it still has, and goes where the ledger says.
    pub fn check_patiently(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let checked = self.engine.check();
            for seek in &checked.seeks {
                self.next[seek.partition as usize] = seek.offset;
            }
            let Some(failed) = checked.failed else { return };
            assert!(failed.is_transient() && Instant::now() < deadline, "{failed}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// [`Self::drain`] after an outage, which only the next call of Redis notices.
    pub fn drain_patiently(&mut self) {
        self.drain_by(Self::flush_patiently);
    }

    /// Reads and applies everything that the member holds.
    pub fn drain(&mut self) {
        self.drain_by(|member| {
            let flushed = member.flush();
            assert!(flushed.failed.is_none(), "{:?}", flushed.failed);
            !flushed.seeks.is_empty()
        });
    }

    /// `flush` says whether it is to be read from elsewhere.
    fn drain_by(&mut self, flush: impl Fn(&mut Self) -> bool) {
        loop {
            let held = self.engine.held();
            let read: usize = held.into_iter().map(|partition| self.read(partition, 200)).sum();
            if !flush(self) && read == 0 {
                return;
            }
        }
    }
}
