//! Signals against real child processes.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use eoslab_chaos::signal::{Action, SignalArgs, SignalError, processes, send};

/// Waits for a condition, and fails with its name.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A copy of `sleep` under a name that nothing else on the machine has, so that no other process can be hit.
fn victim(name: &str) -> (tempdir::Dir, Child) {
    let dir = tempdir::Dir::new(name);
    let exe = dir.path().join(name);
    // By another process: what this one holds open for writing, another test's child may hold as well, and a program that
    // is open for writing cannot be started.
    let copied = Command::new("cp").arg("/bin/sleep").arg(&exe).status();
    assert!(copied.expect("cp exists on every Debian").success());
    let child = Command::new(&exe).arg("60").spawn().expect("the copy can be run");
    wait_until("the copy runs", || {
        let running = processes(Path::new("/proc")).expect("/proc is readable");
        running.iter().any(|p| p.name == name)
    });
    (dir, child)
}

fn state(child: &Child) -> char {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("the child was not reaped yet");
    let after_name = stat.rfind(')').expect("stat holds the name in brackets") + 2;
    stat[after_name..].chars().next().expect("stat goes on after the name")
}

fn args(process: &str, action: Action) -> SignalArgs {
    SignalArgs {
        process: process.to_owned(),
        action,
        for_seconds: None,
        after_seconds: None,
    }
}

#[test]
fn kill_ends_the_named_process_and_no_other() {
    let (_a, mut hit) = victim("eoslab-victim-a");
    let (_b, mut spared) = victim("eoslab-victim-b");
    send(Path::new("/proc"), &args("eoslab-victim-a", Action::Kill)).expect("the victim runs");
    assert_eq!(hit.wait().expect("the child is ours").signal(), Some(9));
    assert!(spared.try_wait().expect("the child is ours").is_none());
    spared.kill().expect("the child is ours");
    spared.wait().expect("the child is ours");
}

#[test]
fn a_freeze_heals_itself_after_the_command_has_ended() {
    let (_dir, mut child) = victim("eoslab-victim-c");
    let freeze = [
        "signal",
        "--process",
        "eoslab-victim-c",
        "--action",
        "STOP",
        "--for-seconds",
        "3",
    ];
    let done = Command::new(env!("CARGO_BIN_EXE_chaos")).args(freeze).status();
    assert!(done.expect("it can be run").success());
    // The command has ended; a signal takes effect when the kernel next looks.
    wait_until("it is frozen", || state(&child) == 'T');
    wait_until("it goes on", || state(&child) != 'T');
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
}

#[test]
fn an_unknown_name_says_what_runs() {
    let error = send(Path::new("/proc"), &args("no-such-executable", Action::Kill)).expect_err("nothing has that name");
    assert!(matches!(error, SignalError::NotFound { ref running, .. } if !running.is_empty()));
}

mod tempdir {
    use std::path::{Path, PathBuf};

    pub struct Dir(PathBuf);

    impl Dir {
        pub fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("the temporary folder is writable");
            Self(path)
        }

        pub fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            // A leftover in the temporary folder is not worth a failed test.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
