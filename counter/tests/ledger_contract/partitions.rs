//! Several partitions, on one Redis and on several.

use eoslab_counter::ledger::{Batch, Ledger, Mode};

use super::support::new_run;
use super::support::redis::RedisServer;
use super::{Fixture, batch, writer};

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
