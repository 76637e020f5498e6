//! A Redis that forgot the scripts, or was killed.

use std::time::Duration;

use eoslab_counter::ledger::Ledger;

use super::support::redis::RedisServer;
use super::{Fixture, batch};

#[test]
fn scripts_that_redis_forgot_are_loaded_again() {
    let mut fixture = Fixture::new();
    fixture.server.command("SCRIPT FLUSH").expect("redis runs");
    assert!(fixture.apply(batch(-1, 9, &[(0, 5)])).expect("applies").applied);
    fixture.server.command("SCRIPT FLUSH").expect("redis runs");
    assert_eq!(fixture.total(5, 0), (5, 9));
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
    assert_eq!(fixture.total(5, 0), (10, 19));
}
