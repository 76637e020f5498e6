//! The real `counter` binary as a member of a group whose coordinator hands out partitions (KIP-848). Needs
//! EOSLAB_TEST_KAFKA=<host:port>.

mod support;

use support::kafka::{Counter, KafkaRun, bootstrap, wait_until};
use support::redis::RedisServer;

fn redis() -> RedisServer {
    RedisServer::start_append_only().expect("redis-server is installed")
}

const BY_BROKERS: &str = "--protocol=consumer";

fn counts(counter: &Counter) -> bool {
    counter.get("/readyz").0 == 200 && counter.report().applied > 0
}

#[test]
fn partitions_move_and_are_counted_exactly() {
    let Some(kafka) = bootstrap() else { return };
    for assignor in ["--assignor=cooperative-sticky", "--assignor=range"] {
        let server = redis();
        let run = KafkaRun::new(&kafka, &server.url(), 4, 150_000);
        let producing = run.produce(10_000, 0);
        let first = run.counter(0, &[BY_BROKERS, assignor]);
        first.wait_ready();
        let mut second = run.counter(1, &[BY_BROKERS, assignor]);
        wait_until("both count", || counts(&first) && counts(&second));
        let before = first.report().rebalances;
        assert_eq!(second.terminate(), Some(0), "{}", second.log());
        // It gave its id back, but as a static member it keeps its partitions for a while.
        let second = run.counter(1, &[BY_BROKERS, assignor]);
        wait_until("it counts again", || counts(&second));
        assert_eq!(first.report().rebalances, before, "{}", first.log());
        producing.join().expect("everything is produced");
        run.wait_for_end();
        drop((first, second));
        run.assert_exact();
    }
}

#[test]
fn a_killed_dynamic_member_is_replaced_and_all_is_counted_exactly() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 4, 150_000);
    let flags = [BY_BROKERS, "--static-membership=false"];
    let producing = run.produce(10_000, 0);
    let (mut first, second) = (run.counter(0, &flags), run.counter(1, &flags));
    wait_until("both count", || counts(&first) && counts(&second));
    first.kill();
    let third = run.counter(0, &flags);
    third.wait_ready();
    producing.join().expect("everything is produced");
    // The dead member's partitions wait for the brokers' session timeout, 45 s by default.
    run.wait_for_end();
    drop((second, third));
    run.assert_exact();
}

#[test]
fn a_killed_static_member_waits_unready_for_its_own_id() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 3, 60_000);
    let producing = run.produce(5_000, 0);
    let mut killed = run.counter(0, &[BY_BROKERS]);
    run.wait_for_share(0.2);
    killed.kill();
    let mut counter = run.counter(0, &[BY_BROKERS]);
    wait_until("it says what it waits for", || {
        let (status, body) = counter.get("/readyz");
        status == 503 && body.contains("holds this member's id")
    });
    assert_eq!(counter.get("/healthz").0, 200, "the process is alive");
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
