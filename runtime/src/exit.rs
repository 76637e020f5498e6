//! Exit codes of the load pods.

use std::process::ExitCode;

use clap::Parser;

/// How a load pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Stopped as asked.
    Clean,
    /// Bad flags, or an error that the pod cannot go on from.
    Error,
    /// The slot's Lease was lost or could not be renewed in time.
    LostLease,
    /// The Kafka client failed for good.
    FatalClient,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Error => 1,
            Self::LostLease => 3,
            Self::FatalClient => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Parses the command line; prints help, the version or what is wrong, and then returns how the process is to end.
pub fn parse_args<A: Parser>() -> Result<A, Exit> {
    A::try_parse().map_err(|error| {
        let exit = if error.use_stderr() { Exit::Error } else { Exit::Clean };
        // Nothing is left to do when the terminal is gone.
        let _ = error.print();
        exit
    })
}
