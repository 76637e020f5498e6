//! The real `counter` binary against a real Kafka and a real Redis, through what a deployment goes through.
//! Needs EOSLAB_TEST_KAFKA=<host:port>.

mod support;

use std::time::Duration;

use eoslab_core::Layout;
use eoslab_counter::ledger::{Mode, Writer};
use support::kafka::{Counter, KafkaRun, bootstrap, wait_until};
use support::redis::RedisServer;
use support::{first_batch, spec};

fn redis() -> RedisServer {
    RedisServer::start_append_only().expect("redis-server is installed")
}

#[test]
fn killed_twice_between_malformed_records_it_counts_exactly() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 3, 100_000);
    let producing = run.produce(5_000, 500);
    // Early, so that the third one finds events to count on a slow machine, too.
    for share in [0.1, 0.3] {
        let mut counter = run.counter(0, &[]);
        run.wait_for_share(share);
        counter.kill();
    }
    let mut counter = run.counter(0, &[]);
    producing.join().expect("everything is produced");
    run.wait_for_end();
    counter.wait_ready();

    let entries = run.ledger().read(&[0, 1, 2]).expect("reads");
    let garbage: u64 = run.counts.iter().map(|count| count / 500).sum();
    // The records behind the last event may still be on their way.
    let malformed: u64 = entries.iter().map(|entry| entry.malformed).sum();
    assert!((garbage - 3..=garbage).contains(&malformed), "{malformed} of {garbage}");
    assert!(
        entries
            .iter()
            .all(|entry| entry.holes == 0 && entry.log_duplicates == 0),
        "{entries:?}"
    );
    assert_it_answers(&counter);
    assert_eq!(counter.terminate(), Some(0), "{}", counter.log());
    run.assert_exact();
}

/// What a counter tells that has just counted the last event.
fn assert_it_answers(counter: &Counter) {
    let (status, body) = counter.get("/count/1");
    let count: serde_json::Value = serde_json::from_str(&body).expect("json");
    assert!(
        status == 200 && count["account_id"] == 1 && count["total"].as_i64() > Some(0),
        "{body}"
    );
    assert_eq!(count["as_of_offset"], count["parts"][0]["as_of_offset"]);
    assert_eq!(
        (
            counter.get("/count/nobody").0,
            counter.get("/count/501").0,
            counter.get("/count/0").0
        ),
        (400, 404, 404)
    );
    // Its numbers are up to 100 ms older than the ledger.
    wait_until("the metrics have come to the end", || {
        let metrics = counter.get("/metrics").1;
        metrics.contains("eoslab_records_applied_total") && metrics.contains("eoslab_consumer_lag{partition=\"0\"} 0\n")
    });
    let report = counter.report();
    assert!(report.applied > 0 && report.end_to_end.count() == report.applied && !report.malformed_samples.is_empty());
}

#[test]
fn partitions_that_move_between_members_are_counted_exactly() {
    partitions_move("--assignor=cooperative-sticky");
}

#[test]
fn partitions_that_an_eager_assignor_moves_are_counted_exactly() {
    partitions_move("--assignor=range");
}

fn partitions_move(assignor: &str) {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 4, 75_000);
    let producing = run.produce(2_500, 0);
    let mut first = run.counter(0, &[assignor]);
    first.wait_ready();
    let second = run.counter(1, &[assignor]);
    second.wait_ready();
    wait_until("both count", || {
        first.report().applied > 0 && second.report().applied > 0
    });
    first.kill();
    // Its partitions move when its session ends.
    wait_until("the other has taken all over", || second.holds(4));
    let first = run.counter(0, &[assignor]);
    first.wait_ready();
    producing.join().expect("everything is produced");
    run.wait_for_end();
    // Its report is up to 100 ms older than the first one's readiness.
    wait_until("the moves are reported", || second.report().rebalances >= 3);
    let pauses = run.ledger().pauses(&[0, 1, 2, 3], 100).expect("reads");
    let longest = pauses.iter().map(|pause| pause.length_us).max();
    assert!(
        longest > Some(3_000_000),
        "the dead member's partitions waited for its session: {pauses:?}"
    );
    drop((first, second));
    run.assert_exact();
}

#[test]
fn a_static_member_that_restarts_in_time_causes_no_rebalance() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 4, 50_000);
    let producing = run.produce(2_500, 0);
    // So long that it does not end on a slow machine: then nothing but the restart could move partitions.
    let session = ["--session-timeout-ms=30000"];
    let (mut first, second) = (run.counter(0, &session), run.counter(1, &session));
    wait_until("each has two partitions", || first.holds(2) && second.holds(2));
    let before = second.report().rebalances;
    assert_eq!(first.terminate(), Some(0), "{}", first.log());
    let first = run.counter(0, &session);
    wait_until("it has its partitions again", || first.holds(2));
    assert_eq!(second.report().rebalances, before, "{}", second.log());
    producing.join().expect("everything is produced");
    run.wait_for_end();
    drop((first, second));
    run.assert_exact();
}

#[test]
fn a_redis_that_lost_its_tail_is_counted_up_again_exactly() {
    let Some(kafka) = bootstrap() else { return };
    let mut server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 3, 50_000);
    let producing = run.produce(3_000, 0);
    let mut counter = run.counter(0, &[]);
    run.wait_for_share(0.3);
    server.kill().expect("kills");
    server.truncate_log(20_000).expect("cuts");
    std::thread::sleep(Duration::from_secs(1));
    server.restart().expect("starts");
    run.wait_for_share(0.6);
    assert!(counter.report().rewinds > 0, "{}", counter.log());
    // Out for so long that partitions are paused, and the member is not ready.
    server.kill().expect("kills");
    wait_until("it says that it is not ready", || counter.get("/readyz").0 == 503);
    server.restart().expect("starts");
    counter.wait_ready();
    producing.join().expect("everything is produced");
    run.wait_for_end();
    assert_eq!(counter.terminate(), Some(0), "{}", counter.log());
    run.assert_exact();
}

#[test]
fn at_least_once_counts_twice_when_it_is_killed() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 3, 25_000);
    let producing = run.produce(2_500, 0);
    let flags = ["--mode=at-least-once", "--commit-interval-ms=3000"];
    for share in [0.3, 0.6] {
        let mut counter = run.counter(0, &flags);
        run.wait_for_share(share);
        counter.kill();
    }
    let mut counter = run.counter(0, &flags);
    producing.join().expect("everything is produced");
    run.wait_for_end();
    assert_eq!(counter.terminate(), Some(0), "{}", counter.log());
    let (code, report) = run.verify();
    assert!(
        code == 1 && report.duplicated > 0 && report.lost == 0,
        "exit {code}: {report:?}"
    );
}

#[test]
fn without_a_kill_at_least_once_is_exact_and_commits_what_it_counted() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 3, 60_000);
    run.produce(1_000_000, 0).join().expect("everything is produced");
    for _ in 0..2 {
        let mut counter = run.counter(
            0,
            &["--mode=at-least-once", "--static-membership=false", "--exit-at-end"],
        );
        assert_eq!(counter.wait(), Some(0), "{}", counter.log());
    }
    run.assert_exact();
}

#[test]
fn a_second_process_of_the_same_name_fences_the_first() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 2, 20_000);
    let producing = run.produce(2_000, 0);
    let mut first = run.counter(0, &[]);
    first.wait_ready();
    let second = run.counter(0, &[]);
    assert_eq!(first.wait(), Some(4), "{}", first.log());
    producing.join().expect("everything is produced");
    run.wait_for_end();
    drop(second);
    run.assert_exact();
}

#[test]
fn a_ledger_beyond_the_end_of_the_log_is_an_alarm() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 2, 1_000);
    run.produce(1_000_000, 0).join().expect("everything is produced");
    let batch = first_batch(&run.layout, 1, 999_999);
    let writer = Writer {
        mode: Mode::ExactlyOnce,
        member: "before".into(),
        stall_us: 1,
    };
    assert!(
        run.ledger()
            .apply(&writer, &[batch])
            .remove(0)
            .expect("applies")
            .applied
    );
    let mut counter = run.counter(0, &[]);
    assert_eq!(counter.wait(), Some(4), "{}", counter.log());
    assert!(
        counter.log().contains("partition 1 is to be read from offset 1000000"),
        "{}",
        counter.log()
    );
}

#[test]
fn a_topic_with_more_partitions_than_the_run_is_refused() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let mut run = KafkaRun::new(&kafka, &server.url(), 3, 0);
    run.layout = Layout::new(&spec(2)).expect("a valid spec");
    let mut counter = run.counter(0, &[]);
    assert_eq!(counter.wait(), Some(1), "{}", counter.log());
    assert!(
        counter.log().contains("has a partition 2, but --partitions is 2"),
        "{}",
        counter.log()
    );
}

#[test]
fn a_run_to_the_end_of_the_topic_ends() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 3, 60_000);
    run.produce(1_000_000, 0).join().expect("everything is produced");
    let mut counter = run.counter(0, &["--exit-at-end"]);
    assert_eq!(counter.wait(), Some(0), "{}", counter.log());
    run.assert_exact();
}

#[test]
fn members_that_come_and_go_while_redis_is_out_count_exactly() {
    members_come_and_go_while_redis_is_out(&[]);
}

/// All partitions are taken away while they are paused, and come back.
#[test]
fn members_of_an_eager_assignor_that_come_and_go_while_redis_is_out_count_exactly() {
    members_come_and_go_while_redis_is_out(&["--assignor=range"]);
}

fn members_come_and_go_while_redis_is_out(more: &[&str]) {
    let Some(kafka) = bootstrap() else { return };
    let mut server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 4, 62_500);
    let producing = run.produce(2_500, 0);
    let (first, mut second) = (run.counter(0, more), run.counter(1, more));
    run.wait_for_share(0.1);
    second.wait_ready();
    server.kill().expect("kills");
    second.kill();
    // When the dead member's session ends, its partitions are assigned while nobody can say where to start.
    wait_until("an assignment waits", || {
        first.log().contains("an assignment waits for redis")
    });
    let third = run.counter(2, more);
    wait_until("the third one waits as well", || {
        third.get("/readyz").1.contains("redis does not answer yet")
    });
    server.restart().expect("starts");
    third.wait_ready();
    first.wait_ready();
    producing.join().expect("everything is produced");
    run.wait_for_end();
    drop((first, third));
    run.assert_exact();
}

#[test]
fn a_member_stopped_beyond_its_session_wakes_up_as_a_harmless_zombie() {
    let Some(kafka) = bootstrap() else { return };
    let server = redis();
    let run = KafkaRun::new(&kafka, &server.url(), 4, 62_500);
    let producing = run.produce(2_500, 0);
    let (zombie, other) = (run.counter(0, &[]), run.counter(1, &[]));
    wait_until("both count", || {
        [&zombie, &other]
            .iter()
            .all(|c| c.get("/readyz").0 == 200 && c.report().applied > 0)
    });
    zombie.signal("STOP");
    wait_until("the other has taken all over", || other.holds(4));
    std::thread::sleep(Duration::from_secs(2));
    zombie.signal("CONT");
    producing.join().expect("everything is produced");
    run.wait_for_end();
    drop((zombie, other));
    run.assert_exact();
}
