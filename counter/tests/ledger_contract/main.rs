//! `apply.lua` against a real Redis: what it changes, and above all what it does not.

mod applying;
mod partitions;
mod pauses;
mod recovery;
mod refusals;
#[path = "../support/mod.rs"]
mod support;

use eoslab_core::Tally;
use eoslab_counter::ledger::{ApplyReply, Batch, Ledger, LedgerError, Mode, Writer};
use support::new_run;
use support::redis::RedisServer;

const SLOTS: u32 = 8_000;

fn writer(mode: Mode, member: &str) -> Writer {
    Writer {
        mode,
        member: member.into(),
        stall_us: 60_000_000,
    }
}

fn batch(expected: i64, offset: i64, deltas: &[(u32, i64)]) -> Batch<'_> {
    let tally = Tally {
        count: deltas.len() as u64,
        sum: deltas.len() as i64,
        digest: (offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    };
    Batch {
        partition: 5,
        expected_offset: expected,
        offset,
        seq: offset * 2,
        ts_us: 1_000 + offset,
        first_waiting_us: 1,
        slots: SLOTS,
        tally,
        log_duplicates: 1,
        holes: 2,
        malformed: 3,
        deltas,
    }
}

struct Fixture {
    server: RedisServer,
    run: String,
    ledger: Ledger,
}

impl Fixture {
    fn new() -> Self {
        let server = RedisServer::start().expect("redis-server is installed");
        let run = new_run();
        let ledger = Ledger::connect(&[server.url()], &run).expect("redis runs");
        Self { server, run, ledger }
    }

    fn raw(&self) -> redis::Connection {
        redis::Client::open(self.server.url())
            .and_then(|client| client.get_connection())
            .expect("redis runs")
    }

    fn key(&self, kind: &str) -> String {
        format!("eoslab:{{{}/5}}:{kind}", self.run)
    }

    fn apply_as(&mut self, mode: Mode, member: &str, batch: Batch<'_>) -> Result<ApplyReply, LedgerError> {
        self.ledger
            .apply(&writer(mode, member), &[batch])
            .pop()
            .expect("one result")
    }

    fn apply(&mut self, batch: Batch<'_>) -> Result<ApplyReply, LedgerError> {
        self.apply_as(Mode::ExactlyOnce, "m-0", batch)
    }

    /// An account's total and the offset up to which it is exact.
    fn total(&mut self, partition: u32, slot: u32) -> (i64, i64) {
        self.ledger.totals(&[(partition, slot)]).expect("reads")[0]
    }

    /// Everything that is stored for the partition, byte for byte.
    fn stored(&self) -> Vec<Option<Vec<u8>>> {
        let mut raw = self.raw();
        let dump = |kind| {
            redis::cmd("DUMP")
                .arg(self.key(kind))
                .query(&mut raw)
                .expect("redis runs")
        };
        ["totals", "members", "pauses"].map(dump).to_vec()
    }

    /// Evaluates the shipped script with arguments of the test's own.
    fn eval(&self, keys: &[String], arguments: &[Vec<u8>]) -> Result<redis::Value, redis::RedisError> {
        let mut call = redis::cmd("EVAL");
        call.arg(include_str!("../../src/ledger/apply.lua"))
            .arg(keys.len())
            .arg(keys)
            .arg(arguments);
        call.query(&mut self.raw())
    }
}
