//! What a batch changes, all of it in one step.

use eoslab_core::Tally;
use eoslab_counter::ledger::{Batch, DELTAS_MAX, Ledger, LedgerError, Mode};

use super::support::new_run;
use super::support::redis::RedisServer;
use super::{Fixture, SLOTS, batch, writer};

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

    assert_eq!(fixture.total(5, 7), (8, 12));
    assert_eq!(fixture.total(5, SLOTS - 1), (i64::MAX, 12), "exact beyond 2^53");
    let stored = fixture.ledger.read_totals(5, 0, 1_000_000).expect("reads").len();
    assert_eq!(stored, SLOTS as usize, "allocated as a whole");
    assert_eq!(fixture.total(6, 0), (0, -1), "another partition");
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
    assert_eq!(fixture.total(5, 0), (5, 30));
}

#[test]
fn as_many_accounts_as_are_allowed_fit_one_call() {
    let mut fixture = Fixture::new();
    let of = |distinct: usize| (0..distinct as u32).map(|slot| (slot * 3, 1)).collect::<Vec<_>>();
    assert!(fixture.apply(batch(-1, 9, &of(DELTAS_MAX))).expect("applies").applied);
    assert_eq!(fixture.total(5, 3 * (DELTAS_MAX as u32 - 1)), (1, 9));
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
    assert_eq!(fixture.total(5, 0), (10, 9));
}
