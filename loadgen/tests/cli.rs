//! The command line: help, refusals that name the flag and the fix, exit codes.

use std::process::{Command, Output};

/// Enough to run, but for the flags of the test.
const BASE: [&str; 6] = ["--bootstrap-servers", "127.0.0.1:1", "--slot", "0", "--rate", "100"];

fn loadgen(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.env_clear().args(flags).output().expect("loadgen runs")
}

fn refusal(flags: &[&str]) -> String {
    let output = loadgen(flags);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{flags:?}: {text}");
    text
}

#[test]
fn help_explains_units_and_defaults() {
    let output = loadgen(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "--rate <N|max>",
        "Events a second of the WHOLE run",
        "--linger-ms",
        "milliseconds",
        "[default: 65536]",
        "[env: EOSLAB_DELIVERY_TIMEOUT_MS=]",
        "0 = never give up",
        "microseconds since the Unix epoch",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn flags_that_do_not_fit_together_are_refused_by_name() {
    let with = |flags: &[&str]| refusal(&[&BASE[..], flags].concat());
    for (flags, named, fix) in [
        (
            &["--events", "1", "--producers", "13"][..],
            "--producers 13",
            "fewer producers",
        ),
        (&["--events", "1", "--producers", "0"], "--producers 0", "give 1 to"),
        (&["--events", "1", "--duration-seconds", "1"], "--events", "exactly one"),
        (&[], "--duration-seconds", "exactly one"),
        (&["--events", "0"], "--events 0", "give 1 to"),
        (
            &["--events", "1", "--idempotence", "true", "--acks", "1"],
            "--idempotence true",
            "--acks all",
        ),
        (&["--events", "1", "--mode", "closed"], "--mode closed", "--rate max"),
        (
            &["--events", "1", "--message-size", "8"],
            "--message-size 8",
            "give 32 to",
        ),
        (
            &["--events", "1", "--client-properties", "acks=0"],
            "--client-properties",
            "--acks",
        ),
        (
            &["--events", "1", "--client-properties", "no.such=1"],
            "--client-properties",
            "no.such",
        ),
        (
            &["--events", "1", "--delivery-timeout-ms", "5"],
            "--delivery-timeout-ms 5",
            "give 6 to",
        ),
        (&["--events", "1", "--clients", "65"], "--clients 65", "give 1 to 64"),
        (&["--events", "1", "--queue-mib", "0"], "--queue-mib 0", "give 1 to"),
        (
            &["--events", "1", "--salted-accounts", "5"],
            "--salted-accounts 5",
            "--salts",
        ),
        (
            &["--events", "1", "--slot-lease-prefix", "x"],
            "--slot-lease-prefix",
            "exactly one",
        ),
        (&["--events", "1", "--log", "a=b=c"], "--log", "such as info"),
    ] {
        let text = with(flags);
        assert!(text.contains(named) && text.contains(fix), "{flags:?}: {text}");
    }
}

#[test]
fn a_slot_beyond_the_producers_is_refused() {
    let text = refusal(&[
        "--bootstrap-servers",
        "b:1",
        "--slot",
        "2",
        "--producers",
        "2",
        "--rate",
        "1",
        "--events",
        "1",
    ]);
    assert!(text.contains("--slot 2") && text.contains("--producers 2"), "{text}");
}

#[test]
fn values_that_do_not_parse_are_refused() {
    for rate in ["0", "-1", "fast", "inf", "NaN", "1e12"] {
        let text = refusal(&[
            "--bootstrap-servers",
            "b:1",
            "--slot",
            "0",
            "--events",
            "1",
            &format!("--rate={rate}"),
        ]);
        assert!(text.contains("--rate") && text.contains("or max"), "{rate}: {text}");
    }
    let text = refusal(&[&BASE[..], &["--events", "1", "--acks", "2"]].concat());
    assert!(text.contains("--acks") && text.contains("all"), "{text}");
    assert!(refusal(&["--slot", "0"]).contains("--bootstrap-servers"));
    assert!(refusal(&["--no-such-flag"]).contains("--no-such-flag"));
}

#[test]
fn secrets_in_client_properties_are_never_shown() {
    let text = refusal(
        &[
            &BASE[..],
            &["--events", "1", "--client-properties", "sasl.password:hunter2"],
        ]
        .concat(),
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn an_address_that_is_taken_is_an_error() -> std::io::Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let text = refusal(&[&BASE[..], &["--events", "1", "--accounts", "10", "--listen", &address]].concat());
    assert!(text.contains("--listen") && text.contains(&address), "{text}");
    Ok(())
}
