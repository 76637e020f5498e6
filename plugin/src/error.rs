//! What can go wrong, in words that say what to do.

use std::path::PathBuf;

/// Why the plugin cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No kubeconfig that could be used.
    #[error("no cluster is configured ({0}); set KUBECONFIG, or give --kubeconfig and --context")]
    Config(String),
    /// Nobody answers.
    #[error("the cluster does not answer ({0}); is it up, and is KUBECONFIG or --context the right one?")]
    Unreachable(String),
    /// The API refuses.
    #[error("cannot {what}: {message}")]
    Refused {
        /// What was to be done.
        what: String,
        /// Its HTTP status.
        code: u16,
        /// What the API says.
        message: String,
    },
    /// The CRDs are missing.
    #[error(
        "this cluster knows no {0}: install eoslab first, with its CRDs (helm install eoslab charts/eoslab), or \
         choose another cluster by --context"
    )]
    NotInstalled(&'static str),
    /// No such object.
    #[error("there is no LoadTest {name} in namespace {namespace}{others}")]
    NoSuchLoadTest {
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
        /// What is there instead, as the rest of the sentence.
        others: String,
    },
    /// It has no report.
    #[error(
        "LoadTest {0} has no report yet: one is written once events are sent and every 20 seconds; of a search, at its end"
    )]
    NoReport(String),
    /// A report of another version, or none at all.
    #[error("{from} is no report that this version can read: {message}")]
    Unreadable {
        /// Where it came from.
        from: String,
        /// What is wrong.
        message: String,
    },
    /// A file.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// What was to be applied.
    #[error("{path}, document {document}: {message}", path = path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The document in it, from 1.
        document: usize,
        /// What is wrong.
        message: String,
    },
    /// There is no object of a file any more.
    #[error("{0} {1} is gone")]
    Gone(&'static str, String),
    /// A run of this name is over.
    #[error("{0} {1} is over already; give --replace to delete it and run it again, or change its name")]
    IsOver(&'static str, String),
    /// It took too long.
    #[error("{0} {1} has no verdict yet, and the time is up; it goes on (kubectl get loadtests,chaosruns)")]
    Timeout(&'static str, String),
    /// Its finalizer stays.
    #[error(
        "{0} {1} is still being deleted, and the time is up: its controller removes what it made first; does that run?"
    )]
    StillThere(&'static str, String),
    /// The terminal.
    #[error("cannot write to the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

impl Error {
    /// Whether the same may work a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }
}
