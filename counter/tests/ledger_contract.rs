//! `apply.lua` and `total.lua` against a real Redis: what they change, and above all what they do not.

mod support;

use std::time::Duration;

use eoslab_core::Tally;
use eoslab_counter::ledger::{ApplyReply, Batch, DELTAS_MAX, Ledger, LedgerError, Mode, Writer};
use redis::Commands;
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
        call.arg(include_str!("../src/ledger/apply.lua"))
            .arg(keys.len())
            .arg(keys)
            .arg(arguments);
        call.query(&mut self.raw())
    }
}

#[test]
fn a_batch_is_added_with_everything_that_belongs_to_it() {
    let mut fixture = Fixture::new();
    let reply = fixture
        .apply(batch(-1, 9, &[(0, 5), (7, -2), (SLOTS - 1, i64::MAX)]))
        .expect("applies");
    assert_eq!(
        (reply.applied, reply.offset, reply.seq, reply.mine),
        (true, 9, 18, true)
    );
    fixture.apply(batch(9, 12, &[(7, 10)])).expect("applies");

    let entry = fixture.ledger.read(&[5]).expect("reads").remove(0);
    assert_eq!(
        (entry.offset, entry.seq, entry.ts_us, entry.member.as_str()),
        (12, 24, 1012, "m-0")
    );
    assert_eq!((entry.log_duplicates, entry.holes, entry.malformed), (2, 4, 6));
    let mut tally = batch(-1, 9, &[(0, 5), (7, -2), (1, i64::MAX)]).tally;
    tally += batch(9, 12, &[(7, 10)]).tally;
    assert_eq!(entry.tally, tally);
    assert!(
        (entry.at_us - eoslab_runtime::clock::system_now_us()).abs() < 60_000_000,
        "by redis's clock"
    );

    assert_eq!(fixture.ledger.total(5, 7).expect("reads"), (8, 12));
    assert_eq!(
        fixture.ledger.total(5, SLOTS - 1).expect("reads"),
        (i64::MAX, 12),
        "exact beyond 2^53"
    );
    let stored = fixture.ledger.read_totals(5, 0, 1_000_000).expect("reads").len();
    assert_eq!(stored, SLOTS as usize, "allocated as a whole");
    assert_eq!(fixture.ledger.total(6, 0).expect("reads"), (0, -1), "another partition");
}

#[test]
fn a_refused_batch_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.apply(batch(-1, 9, &[(0, 5)])).expect("applies");
    let before = fixture.stored();
    // stale zombie, ahead of the ledger (redis lost its tail), and the same batch again
    for (expected, offset) in [(-1, 4), (5, 20), (8, 30), (99, 120), (-1, 9)] {
        let reply = fixture.apply(batch(expected, offset, &[(0, 100)])).expect("answers");
        assert_eq!(
            (reply.applied, reply.offset, reply.seq),
            (false, 9, 18),
            "{expected} {offset}"
        );
    }
    assert_eq!(fixture.stored(), before);
}

#[test]
fn a_batch_without_events_moves_the_offset_and_nothing_else() {
    let mut fixture = Fixture::new();
    fixture.apply(batch(-1, 9, &[(0, 5)])).expect("applies");
    let nothing = Batch {
        seq: 18,
        tally: Tally::default(),
        ..batch(9, 30, &[])
    };
    assert_eq!(fixture.apply(nothing).expect("applies").seq, 18);
    let entry = fixture.ledger.read(&[5]).expect("reads").remove(0);
    assert_eq!(
        (entry.offset, entry.seq, entry.ts_us, entry.tally.count),
        (30, 18, 1009, 1)
    );
    assert_eq!(fixture.ledger.total(5, 0).expect("reads"), (5, 30));
}

#[test]
fn as_many_accounts_as_are_allowed_fit_one_call() {
    let mut fixture = Fixture::new();
    let of = |distinct: usize| (0..distinct as u32).map(|slot| (slot * 3, 1)).collect::<Vec<_>>();
    assert!(fixture.apply(batch(-1, 9, &of(DELTAS_MAX))).expect("applies").applied);
    assert_eq!(
        fixture.ledger.total(5, 3 * (DELTAS_MAX as u32 - 1)).expect("reads"),
        (1, 9)
    );
    let before = fixture.stored();
    let error = fixture.apply(batch(9, 19, &of(DELTAS_MAX + 10))).expect_err("too many");
    assert!(
        matches!(&error, LedgerError::Rejected { code, .. } if code == "EOSLABARGS"),
        "{error}"
    );
    assert_eq!(fixture.stored(), before);
}

#[test]
fn a_batch_is_one_command_in_the_append_only_file() {
    let server = RedisServer::start_append_only().expect("redis-server is installed");
    let mut ledger = Ledger::connect(&[server.url()], &new_run()).expect("redis runs");
    for offset in 0..3 {
        let deltas: Vec<(u32, i64)> = (0..500).map(|slot| (slot, 1)).collect();
        let results = ledger.apply(&writer(Mode::ExactlyOnce, "m-0"), &[batch(offset - 1, offset, &deltas)]);
        assert!(results.into_iter().all(|result| result.is_ok()));
    }
    let log = server.log().expect("reads");
    let count = |what: &[u8]| log.windows(what.len()).filter(|window| *window == what).count();
    assert_eq!((count(b"\r\nBITFIELD\r\n"), count(b"\r\nMULTI\r\n")), (3, 0));
}

#[test]
fn wrong_arguments_are_refused_before_any_write() {
    let fixture = Fixture::new();
    let good = || {
        let mut arguments: Vec<Vec<u8>> = vec![b"cas".to_vec(), vec![0; 8]];
        arguments.extend(
            "SET i64 #0 10 INCRBY i64 #16 5"
                .split(' ')
                .map(|part| part.as_bytes().to_vec()),
        );
        arguments
    };
    let with = |index: usize, value: &str| {
        let mut arguments = good();
        arguments[index] = value.as_bytes().to_vec();
        arguments
    };
    let cut = |length: usize| good()[..length].to_vec();
    let many = [&good()[..2], &vec![good()[6..].to_vec(); 1_995].concat()].concat();
    let wrong: [(&str, Vec<Vec<u8>>); 13] = [
        ("no arguments", vec![]),
        ("no operations", cut(2)),
        ("a cut operation", cut(9)),
        ("too many operations", many),
        ("a mode", with(0, "set")),
        ("an expected offset as text", with(1, "-1")),
        ("an unknown operation", with(2, "DEL")),
        ("a type", with(7, "i65")),
        ("a word", with(8, "#x")),
        ("a word beyond redis's limit", with(8, "#99999999999")),
        ("a number", with(9, "1.5")),
        ("no number", with(9, "")),
        ("a number beyond 64 bits", with(9, "9223372036854775808")),
    ];
    let keys = [fixture.key("totals")];
    for (what, arguments) in wrong {
        let error = fixture.eval(&keys, &arguments).expect_err(what);
        let exists: bool = fixture.raw().exists(&keys[0]).expect("reads");
        assert!(!exists, "{what}: {error}");
    }
    assert!(fixture.eval(&[], &good()).is_err());
    assert!(
        fixture
            .eval(&[keys[0].clone(), fixture.key("pauses")], &good())
            .is_err()
    );
    fixture.eval(&keys, &good()).expect("the unchanged arguments are fine");
}

#[test]
fn a_key_that_holds_no_ledger_is_refused_before_any_write() {
    for other in ["list", "short text"] {
        let mut fixture = Fixture::new();
        let (key, mut raw) = (fixture.key("totals"), fixture.raw());
        let () = match other {
            "list" => raw.rpush(&key, 1).expect("writes"),
            _ => raw.set(&key, "1").expect("writes"),
        };
        let before = fixture.stored();
        let error = fixture.apply(batch(-1, 9, &[(0, 5)])).expect_err("refused");
        assert!(
            matches!(error, LedgerError::Rejected { .. }) && !error.is_transient(),
            "{error}"
        );
        assert_eq!(fixture.stored(), before, "{other}");
        assert!(fixture.ledger.read(&[5]).is_err());
    }
}

#[test]
fn out_of_memory_refuses_the_whole_batch() {
    let mut fixture = Fixture::new();
    fixture.apply(batch(-1, 9, &[(0, 5)])).expect("applies");
    let before = fixture.stored();
    fixture.server.command("CONFIG SET maxmemory 1").expect("redis runs");
    let error = fixture.apply(batch(9, 19, &[(0, 5)])).expect_err("refused");
    assert!(
        error.is_transient() && matches!(error, LedgerError::Refused { .. }),
        "{error}"
    );
    assert_eq!(fixture.stored(), before);
    fixture.server.command("CONFIG SET maxmemory 0").expect("redis runs");
    assert!(fixture.apply(batch(9, 19, &[(0, 5)])).expect("applies").applied);
}

#[test]
fn a_redis_that_would_evict_is_refused_at_the_start() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.ledger.check_eviction().expect("noeviction"),
        Vec::<String>::new()
    );
    fixture
        .server
        .command("CONFIG SET maxmemory-policy allkeys-lru")
        .expect("redis runs");
    assert_eq!(fixture.ledger.check_eviction().expect("no limit").len(), 1);
    fixture
        .server
        .command("CONFIG SET maxmemory 100000000")
        .expect("redis runs");
    assert!(matches!(
        fixture.ledger.check_eviction(),
        Err(LedgerError::Evicts { .. })
    ));
}

#[test]
fn scripts_that_redis_forgot_are_loaded_again() {
    let mut fixture = Fixture::new();
    fixture.server.command("SCRIPT FLUSH").expect("redis runs");
    assert!(fixture.apply(batch(-1, 9, &[(0, 5)])).expect("applies").applied);
    fixture.server.command("SCRIPT FLUSH").expect("redis runs");
    assert_eq!(fixture.ledger.total(5, 0).expect("reads"), (5, 9));
}

#[test]
fn several_partitions_go_in_one_round_trip_and_stand_each_for_itself() {
    let mut fixture = Fixture::new();
    fixture.apply(batch(-1, 9, &[(0, 5)])).expect("applies");
    let of = |partition, expected| Batch {
        partition,
        ..batch(expected, 19, &[(1, 7)])
    };
    let results = fixture
        .ledger
        .apply(&writer(Mode::ExactlyOnce, "m-0"), &[of(4, -1), of(5, -1), of(6, -1)]);
    let applied: Vec<bool> = results
        .into_iter()
        .map(|result| result.expect("answers").applied)
        .collect();
    assert_eq!(applied, [true, false, true]);
    let offsets: Vec<i64> = fixture
        .ledger
        .read(&[6, 5, 4, 3])
        .expect("reads")
        .iter()
        .map(|e| e.offset)
        .collect();
    assert_eq!(offsets, [19, 9, 19, -1]);
    fixture.ledger.delete(&[4, 5]).expect("deletes");
    let offsets: Vec<i64> = fixture
        .ledger
        .read(&[4, 5, 6])
        .expect("reads")
        .iter()
        .map(|e| e.offset)
        .collect();
    assert_eq!(offsets, [-1, -1, 19]);
}

#[test]
fn partitions_are_spread_over_several_redis() {
    let servers = [(); 3].map(|()| RedisServer::start().expect("redis-server is installed"));
    let urls: Vec<String> = servers.iter().map(RedisServer::url).collect();
    let mut ledger = Ledger::connect(&urls, &new_run()).expect("redis runs");
    let batches: Vec<_> = (0..12)
        .map(|partition| Batch {
            partition,
            ..batch(-1, 9, &[(1, 7)])
        })
        .collect();
    let results = ledger.apply(&writer(Mode::ExactlyOnce, "m-0"), &batches);
    assert!(results.into_iter().all(|result| result.expect("answers").applied));
    for server in &servers {
        assert_eq!(
            server.command("DBSIZE").expect("redis runs").trim(),
            ":8",
            "4 ledgers with totals and 4 names"
        );
    }
    assert_eq!(ledger.read(&(0..12).collect::<Vec<_>>()).expect("reads").len(), 12);
}

#[test]
fn a_pause_is_noted_when_the_partition_moves_or_stalls_while_events_wait() {
    let mut fixture = Fixture::new();
    let now_us = eoslab_runtime::clock::system_now_us;
    assert_eq!(
        fixture.apply(batch(-1, 9, &[(0, 1)])).expect("applies").pause_us,
        0,
        "the first apply ends nothing"
    );
    assert_eq!(
        fixture.apply(batch(9, 10, &[(0, 1)])).expect("applies").pause_us,
        0,
        "neither moved nor stalled"
    );
    std::thread::sleep(Duration::from_millis(120));
    let moved = fixture
        .apply_as(Mode::ExactlyOnce, "m-1", batch(10, 11, &[(0, 1)]))
        .expect("applies");
    assert!((100_000..60_000_000).contains(&moved.pause_us), "{moved:?}");
    let idle = Batch {
        first_waiting_us: now_us() + 10_000_000,
        ..batch(11, 12, &[(0, 1)])
    };
    assert_eq!(
        fixture
            .apply_as(Mode::ExactlyOnce, "m-0", idle)
            .expect("applies")
            .pause_us,
        0,
        "nothing waited"
    );
    std::thread::sleep(Duration::from_millis(60));
    let stall = Writer {
        stall_us: 50_000,
        ..writer(Mode::ExactlyOnce, "m-0")
    };
    let stalled = fixture
        .ledger
        .apply(&stall, &[batch(12, 13, &[(0, 1)])])
        .remove(0)
        .expect("applies");
    assert!(stalled.pause_us >= 50_000);

    let pauses = fixture.ledger.pauses(&[4, 5], 10).expect("reads");
    let seen: Vec<_> = pauses
        .iter()
        .map(|p| (p.partition, p.member_before.as_str(), p.member_after.as_str()))
        .collect();
    assert_eq!(seen, [(5, "m-0", "m-0"), (5, "m-0", "m-1")], "newest first");
    assert_eq!(
        (pauses[0].length_us, pauses[1].length_us),
        (stalled.pause_us, moved.pause_us)
    );
    assert!((pauses[1].ended_at_us - now_us()).abs() < 60_000_000);
    assert_eq!(fixture.ledger.pauses(&[5], 1).expect("reads").len(), 1);
}

#[test]
fn names_and_pauses_that_could_not_be_noted_are_noted_with_the_next_batch() {
    let mut fixture = Fixture::new();
    let key = fixture.key("pauses");
    let () = fixture.raw().set(&key, "in the way").expect("writes");
    fixture.apply(batch(-1, 9, &[(0, 1)])).expect("applies");
    let moved = fixture
        .apply_as(Mode::ExactlyOnce, "m-1", batch(9, 10, &[(0, 1)]))
        .expect("applied all the same");
    assert!(moved.pause_us > 0);
    let () = fixture.raw().del(&key).expect("writes");
    fixture
        .apply_as(Mode::ExactlyOnce, "m-1", batch(10, 11, &[(0, 1)]))
        .expect("applies");
    let pauses = fixture.ledger.pauses(&[5], 10).expect("reads");
    assert_eq!(
        (pauses.len(), pauses[0].length_us, pauses[0].member_after.as_str()),
        (1, moved.pause_us, "m-1")
    );
}

#[test]
fn the_list_of_pauses_is_bounded() {
    let mut fixture = Fixture::new();
    let always = Writer {
        stall_us: 0,
        ..writer(Mode::ExactlyOnce, "m-0")
    };
    for offset in 0..1_100 {
        let results = fixture.ledger.apply(&always, &[batch(offset - 1, offset, &[(0, 1)])]);
        assert!(results.into_iter().all(|result| result.is_ok()));
    }
    assert_eq!(fixture.ledger.pauses(&[5], u32::MAX >> 1).expect("reads").len(), 1_000);
}

#[test]
fn at_least_once_adds_whatever_is_stored() {
    let mut fixture = Fixture::new();
    for _ in 0..2 {
        assert!(
            fixture
                .apply_as(Mode::AtLeastOnce, "m-0", batch(-1, 9, &[(0, 5)]))
                .expect("applies")
                .applied
        );
    }
    assert_eq!(fixture.ledger.total(5, 0).expect("reads"), (10, 9));
}

#[test]
fn a_killed_redis_is_transient_and_found_again() {
    let mut fixture = Fixture {
        server: RedisServer::start_append_only().expect("installed"),
        ..Fixture::new()
    };
    fixture.ledger = Ledger::connect(&[fixture.server.url()], &fixture.run).expect("redis runs");
    fixture.apply(batch(-1, 9, &[(0, 5)])).expect("applies");
    fixture.server.kill().expect("kills");
    let lost = fixture.apply(batch(9, 19, &[(0, 5)])).expect_err("redis is dead");
    assert!(lost.is_transient() && lost.is_ambiguous(), "{lost}");
    let refused = fixture.apply(batch(9, 19, &[(0, 5)])).expect_err("redis is dead");
    assert!(refused.is_transient() && !refused.is_ambiguous(), "{refused}");
    fixture.server.restart().expect("starts");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let reply = loop {
        match fixture.apply(batch(9, 19, &[(0, 5)])) {
            Ok(reply) => break reply,
            Err(error) => assert!(error.is_transient() && std::time::Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(reply.applied);
    assert_eq!(fixture.ledger.total(5, 0).expect("reads"), (10, 19));
}
