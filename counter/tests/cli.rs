//! Exit codes and results of the binary as a process.

mod support;

use std::process::{Command, Output};

use eoslab_counter::ledger::{Mode, Writer};
use serde_json::Value;
use support::kafka::wait_until;
use support::redis::RedisServer;
use support::{Run, first_batch};

fn counter(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_counter"))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn code(arguments: &[&str]) -> Option<i32> {
    counter(arguments).status.code()
}

/// Runs `counter verify`: its exit code, its last line and its result file.
fn verify(run: &Run) -> (Option<i32>, String, Value) {
    let file = std::env::temp_dir().join(format!("{}-verdict", run.id));
    let counts: Vec<String> = run.counts.iter().map(u64::to_string).collect();
    let flags = [
        "verify".to_owned(),
        format!("--redis-url={}", run.url),
        format!("--run-id={}", run.id),
        format!("--partitions={}", run.counts.len()),
        "--accounts=500".to_owned(),
        format!("--counts={}", counts.join(",")),
        format!("--result-file={}", file.display()),
    ];
    let output = counter(&flags.each_ref().map(String::as_str));
    let text = std::fs::read_to_string(&file).expect("a result is written");
    let _ = std::fs::remove_file(&file);
    let line = String::from_utf8_lossy(&output.stdout)
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned();
    (output.status.code(), line, serde_json::from_str(&text).expect("json"))
}

fn says(result: &Value, what: &str) -> bool {
    result["error"].as_str().is_some_and(|error| error.contains(what))
}

#[test]
fn wrong_flags_are_an_error_and_never_a_verdict() {
    assert_eq!(code(&["run", "--nonsense"]), Some(1));
    assert_eq!(code(&["verify", "--nonsense"]), Some(2));
    assert_eq!(
        code(&["verify", "--redis-url=redis://127.0.0.1:1/"]),
        Some(2),
        "neither counts nor events"
    );
    assert_eq!(code(&["verify", "--help"]), Some(0));
    assert_eq!(code(&["run", "--help"]), Some(0));
    let run = [
        "run",
        "--bootstrap-servers=k:1",
        "--redis-url=redis://127.0.0.1:1/",
        "--listen=127.0.0.1:0",
    ];
    assert_eq!(code(&[&run[..], &["--batch-events=0", "--slot=0"]].concat()), Some(1));
    let tls = counter(&[
        "run",
        "--bootstrap-servers=k:1",
        "--redis-url=rediss://u:secret@h/",
        "--listen=127.0.0.1:0",
        "--slot=0",
    ]);
    let said = String::from_utf8_lossy(&tls.stderr).into_owned();
    assert!(
        tls.status.code() == Some(1) && said.contains("TLS") && !said.contains("secret"),
        "{said}"
    );
}

#[test]
fn a_verification_tells_its_verdict_by_exit_code_line_and_file() {
    let server = RedisServer::start().expect("redis-server is installed");
    let run = Run::new(&server.url(), 3, 3_000);
    let (code, line, result) = verify(&run);
    assert_eq!((code, &result["lost"]), (Some(1), &serde_json::json!(3_000)));
    assert!(
        line.starts_with("NOT EXACT: 3000 events expected, 0 counted; 3000 lost"),
        "{line}"
    );

    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    let (code, line, result) = verify(&run);
    assert_eq!(
        (code, &result["accountsWrong"], &result["runId"]),
        (Some(0), &0.into(), &run.id.clone().into())
    );
    assert!(line.starts_with("exact: 3000 events, 500 accounts compared"), "{line}");

    let key = format!("eoslab:{{{}/0}}:totals", run.id);
    server.command(&format!("SET {key} short")).expect("redis runs");
    let (code, _, result) = verify(&run);
    assert_eq!(code, Some(2));
    assert!(says(&result, "partition 0"), "{result}");
}

#[test]
fn a_ledger_that_moves_while_it_is_read_has_no_verdict() {
    let server = RedisServer::start().expect("redis-server is installed");
    let run = Run::new(&server.url(), 1, 1_000);
    let mut ledger = run.ledger();
    let writer = Writer {
        mode: Mode::AtLeastOnce,
        member: "m-0".into(),
        stall_us: 1_000_000_000,
    };
    let event = first_batch(&run.layout, 0, 0);
    // Nearly always the first one does.
    wait_until("a verification meets the counting", || {
        let (code, _, result) = std::thread::scope(|scope| {
            let verified = scope.spawn(|| verify(&run));
            while !verified.is_finished() {
                let applied = ledger.apply(&writer, std::slice::from_ref(&event)).remove(0);
                assert!(applied.expect("applies").applied);
            }
            verified.join().expect("it ends")
        });
        code == Some(2) && says(&result, "partition 0 was still being counted")
    });
}
