//! Finds processes by the name of their executable and signals them.

use std::{
    env, fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use clap::{Args, ValueEnum};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

/// What is signalled, and how.
#[derive(Args, Clone, Debug)]
pub struct SignalArgs {
    /// File name of the executable, e.g. counter, loadgen, java.
    #[arg(long)]
    pub process: String,
    /// What to do: KILL (crash), STOP (freeze), CONT (go on), TERM (ask to end).
    #[arg(long, value_enum, ignore_case = true)]
    pub action: Action,
    /// With STOP: go on after this many seconds, also when whoever asked for it is gone by then.
    #[arg(long = "for-seconds", value_name = "SECONDS")]
    pub for_seconds: Option<u64>,
    /// Wait so many seconds first.
    #[arg(long = "after-seconds", value_name = "SECONDS")]
    pub after_seconds: Option<u64>,
}

/// What to do to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Action {
    /// Crash: the process ends at once and says goodbye to nobody.
    Kill,
    /// Freeze, until CONT or until `--for-seconds` have passed.
    Stop,
    /// Let a frozen process go on.
    Cont,
    /// Ask the process to end.
    Term,
}

impl From<Action> for Signal {
    fn from(action: Action) -> Self {
        match action {
            Action::Kill => Signal::SIGKILL,
            Action::Stop => Signal::SIGSTOP,
            Action::Cont => Signal::SIGCONT,
            Action::Term => Signal::SIGTERM,
        }
    }
}

/// Why no signal could be sent.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// `/proc` could not be listed.
    #[error("cannot list processes in {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No process runs that executable, or none that this user may see.
    #[error("no process runs an executable named `{name}`; running here: {}", running.join(", "))]
    NotFound {
        /// The wanted name.
        name: String,
        /// Names of the executables that do run.
        running: Vec<String>,
    },
    /// What lets a frozen process go on could not be started; nothing was frozen.
    #[error("cannot start what lets the process go on")]
    Heal(#[source] io::Error),
    /// The kernel refused the signal.
    #[error("cannot signal process {pid}: the sender must run as the same user")]
    Refused {
        /// The process.
        pid: i32,
        /// What the kernel said.
        source: nix::Error,
    },
}

/// A running process: its id and the file name of its executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id in this PID namespace.
    pub pid: i32,
    /// File name of the executable, without directories.
    pub name: String,
}

/// Processes whose executable this user may see, the calling one left out.
///
/// # Errors
/// [`SignalError::List`] when `proc` cannot be read.
pub fn processes(proc: &Path) -> Result<Vec<Process>, SignalError> {
    let list = |source| SignalError::List {
        path: proc.to_owned(),
        source,
    };
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir(proc).map_err(list)? {
        let entry = entry.map_err(list)?;
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
            continue;
        };
        // A process that ended meanwhile, or one of another user, has no readable link.
        let Ok(exe) = fs::read_link(entry.path().join("exe")) else {
            continue;
        };
        let Some(name) = exe.file_name().and_then(|n| n.to_str()) else {
            continue;
        };
        if pid.unsigned_abs() != own {
            found.push(Process {
                pid,
                // The kernel marks a replaced file.
                name: name.trim_end_matches(" (deleted)").to_owned(),
            });
        }
    }
    found.sort_by_key(|p| p.pid);
    Ok(found)
}

/// Signals every process whose executable is so named; returns them.
///
/// A process that is frozen for some seconds is woken by a process of its own, which is started first: whatever
/// happens to this one, to the connection that it was run over, or to the controller, the fault heals.
///
/// # Errors
/// [`SignalError::NotFound`] when nothing runs under that name, [`SignalError::Refused`] when the kernel refuses.
pub fn send(proc: &Path, args: &SignalArgs) -> Result<Vec<Process>, SignalError> {
    if let Some(seconds) = args.after_seconds {
        thread::sleep(Duration::from_secs(seconds));
    }
    let all = processes(proc)?;
    let targets: Vec<Process> = all.iter().filter(|p| p.name == args.process).cloned().collect();
    if targets.is_empty() {
        return Err(SignalError::NotFound {
            name: args.process.clone(),
            running: all.into_iter().map(|p| p.name).collect(),
        });
    }
    if let (Action::Stop, Some(seconds)) = (args.action, args.for_seconds) {
        wake_later(&args.process, seconds).map_err(SignalError::Heal)?;
    }
    signal_all(&targets, args.action)?;
    Ok(targets)
}

fn wake_later(process: &str, seconds: u64) -> io::Result<()> {
    Command::new(env::current_exe()?)
        .args(["signal", "--process", process, "--action", "CONT"])
        .args(["--after-seconds", &seconds.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A group of its own: it outlives the one that it was started from.
        .process_group(0)
        .spawn()
        .map(drop)
}

fn signal_all(targets: &[Process], action: Action) -> Result<(), SignalError> {
    targets.iter().try_for_each(|p| {
        signal::kill(Pid::from_raw(p.pid), Signal::from(action))
            .map_err(|source| SignalError::Refused { pid: p.pid, source })
    })
}
