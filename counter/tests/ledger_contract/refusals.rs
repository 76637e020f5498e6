//! What is refused, and that it changes nothing.

use eoslab_counter::ledger::LedgerError;
use redis::Commands;

use super::{Fixture, batch};

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
