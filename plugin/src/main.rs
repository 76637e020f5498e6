//! `kubectl eoslab`: runs a LoadTest, watches it, writes its report, compares two.
//!
//! Everything it does also works with plain kubectl; it adds one table that lives, one page, and one comparison.

mod args;
mod cluster;
mod comparison;
mod error;
mod manifest;
mod report;
mod run;
mod table;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use cluster::Cluster;
use error::Error;
use tokio::time::Instant;

/// How the process ends: 0 Pass, 1 Fail, 2 anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The verdict is Pass; nothing is worse.
    Pass = 0,
    /// The verdict is Fail; something is worse.
    Fail = 1,
    /// There is no verdict that says either.
    Other = 2,
}

impl Outcome {
    /// Of both: one that fails says most.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fail, _) | (_, Self::Fail) => Self::Fail,
            (Self::Other, _) | (_, Self::Other) => Self::Other,
            (Self::Pass, Self::Pass) => Self::Pass,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = run(Args::parse()).await.unwrap_or_else(|error| {
        eprintln!("kubectl eoslab: {error}");
        Outcome::Other
    });
    ExitCode::from(outcome as u8)
}

async fn run(args: Args) -> Result<Outcome, Error> {
    let cluster = || Cluster::connect(&args.connection);
    match &args.command {
        Command::Run(wanted) => run::run(&cluster().await?, wanted).await,
        Command::Watch(wanted) => {
            let deadline = Instant::now() + wanted.timeout.duration();
            watch::watch(&cluster().await?, &wanted.name, deadline).await
        }
        Command::Report(wanted) => report::write(&cluster().await?, wanted).await,
        Command::Compare(wanted) => comparison::compare(&args.connection, wanted).await,
    }
}
