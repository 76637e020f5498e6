//! The real `counter` binary as a member of a group whose coordinator hands out partitions (KIP-848). Needs
//! EOSLAB_TEST_KAFKA=<host:port>.

mod support;

use std::time::{Duration, Instant};

use support::kafka::{Counter, KafkaRun, bootstrap, wait_until};
use support::redis::RedisServer;

fn redis() -> RedisServer {
    RedisServer::start_append_only().expect("redis-server is installed")
}

const BY_BROKERS: &str = "--protocol=consumer";
/// A restart that takes less ends before the session does: 10 s after the last heartbeat, of which there is one each 1.5 s
/// (`group.consumer.session.timeout.ms` and `.heartbeat.interval.ms` of the brokers).
const WITHIN_SESSION: Duration = Duration::from_secs(8);

#[test]
fn partitions_that_the_uniform_assignor_moves_are_counted_exactly() {
    partitions_move("--assignor=cooperative-sticky");
}

#[test]
fn partitions_that_the_range_assignor_moves_are_counted_exactly() {
    partitions_move("--assignor=range");
}

fn partitions_move(assignor: &str) {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 4, 75_000);
    let producing = run.produce(2_500, 0);
    let first = run.counter(0, &[BY_BROKERS, assignor]);
    first.wait_ready();
    let second = restart_a_second(&first, || run.counter(1, &[BY_BROKERS, assignor]));
    producing.join().expect("everything is produced");
    run.wait_for_end();
    drop((first, second));
    run.assert_exact();
}

/// Starts a second member and restarts it, which moves no partition: it gives its id back, but as a static member it
/// keeps its partitions for its session. A restart that was slower than that is tried again, and so is one in which the
/// first member needed a new client, as a coordinator this slow moves partitions by itself.
fn restart_a_second(first: &Counter, start: impl Fn() -> Counter) -> Counter {
    let mut second = start();
    second.wait_ready();
    for _ in 0..3 {
        wait_until("each has two partitions", || first.holds(2) && second.holds(2));
        let clients_before = first.new_clients();
        let (before, asked_at) = (first.report().rebalances, Instant::now());
        assert_eq!(second.terminate(), Some(0), "{}", second.log());
        second = start();
        second.wait_ready();
        let took = asked_at.elapsed();
        wait_until("it has two partitions again", || second.holds(2));
        if took < WITHIN_SESSION && first.new_clients() == clients_before {
            assert_eq!(first.report().rebalances, before, "{}", first.log());
            return second;
        }
    }
    panic!("none of three restarts took less than {WITHIN_SESSION:?} beside a first member that kept its client");
}

#[test]
fn a_killed_dynamic_member_is_replaced_and_all_is_counted_exactly() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 4, 75_000);
    let flags = [BY_BROKERS, "--static-membership=false"];
    let producing = run.produce(2_500, 0);
    let (mut first, second) = (run.counter(0, &flags), run.counter(1, &flags));
    wait_until("each has two partitions", || first.holds(2) && second.holds(2));
    first.kill();
    let third = run.counter(0, &flags);
    third.wait_ready();
    producing.join().expect("everything is produced");
    // The dead member's partitions wait for the end of its session.
    run.wait_for_end();
    drop((second, third));
    run.assert_exact();
}

#[test]
fn a_killed_static_member_waits_unready_for_its_own_id() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 3, 24_000);
    let producing = run.produce(2_000, 0);
    let mut killed = run.counter(0, &[BY_BROKERS]);
    run.wait_for_share(0.2);
    // Its heir comes while it lives, and so is refused for as long as it takes to see that.
    let mut counter = run.counter(0, &[BY_BROKERS]);
    wait_until("it says what it waits for", || {
        let (status, body) = counter.get("/readyz");
        status == 503 && body.contains("holds this member's id")
    });
    assert_eq!(counter.get("/healthz").0, 200, "the process is alive");
    killed.kill();
    counter.wait_ready();
    producing.join().expect("everything is produced");
    run.wait_for_end();
    assert_eq!(counter.terminate(), Some(0), "{}", counter.log());
    assert_eq!(
        counter.log().matches("holds this member's id").count(),
        1,
        "{}",
        counter.log()
    );
    run.assert_exact();
}
