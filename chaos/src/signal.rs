//! Finds processes by the name of their executable and signals them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::ValueEnum;
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

/// What to do to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Action {
    /// Crash: the process ends at once and says goodbye to nobody.
    Kill,
    /// Freeze, until CONT or until `--for` has passed.
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

/// Sends `action` to every process whose executable is named `name`; returns them.
///
/// With `pause`, a [`Action::Stop`] is followed by [`Action::Cont`] after that time, so the fault heals itself even
/// when whoever asked for it is gone.
///
/// # Errors
/// [`SignalError::NotFound`] when nothing runs under that name, [`SignalError::Refused`] when the kernel refuses.
pub fn send(proc: &Path, name: &str, action: Action, pause: Option<Duration>) -> Result<Vec<Process>, SignalError> {
    let all = processes(proc)?;
    let targets: Vec<Process> = all.iter().filter(|p| p.name == name).cloned().collect();
    if targets.is_empty() {
        return Err(SignalError::NotFound {
            name: name.to_owned(),
            running: all.into_iter().map(|p| p.name).collect(),
        });
    }
    signal_all(&targets, action)?;
    if let (Action::Stop, Some(pause)) = (action, pause) {
        thread::sleep(pause);
        signal_all(&targets, Action::Cont)?;
    }
    Ok(targets)
}

fn signal_all(targets: &[Process], action: Action) -> Result<(), SignalError> {
    targets.iter().try_for_each(|p| {
        signal::kill(Pid::from_raw(p.pid), Signal::from(action))
            .map_err(|source| SignalError::Refused { pid: p.pid, source })
    })
}
