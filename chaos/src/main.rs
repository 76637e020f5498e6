//! `chaos`: faults for eoslab, run inside the pod that is to suffer them.

use std::{path::Path, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use eoslab_chaos::signal::{self, Action};

/// Faults for eoslab's load pods and Kafka brokers.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Signal every process of this pod that runs a given executable.
    ///
    /// Example: kubectl exec baseline-counter-6d5f-x2x -- chaos signal --process counter --action KILL
    Signal {
        /// File name of the executable, e.g. counter, loadgen, java.
        #[arg(long)]
        process: String,
        /// What to do: KILL (crash), STOP (freeze), CONT (go on), TERM (ask to end).
        #[arg(long, value_enum, ignore_case = true)]
        action: Action,
        /// With STOP: go on after this many seconds.
        #[arg(long = "for-seconds", value_name = "SECONDS")]
        for_seconds: Option<u64>,
    },
}

fn main() -> ExitCode {
    let Command::Signal {
        process,
        action,
        for_seconds,
    } = Cli::parse().command;
    let pause = for_seconds.map(Duration::from_secs);
    match signal::send(Path::new("/proc"), &process, action, pause) {
        Ok(hit) => {
            for p in hit {
                println!("{action:?} sent to {} (pid {})", p.name, p.pid);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("chaos: {:#}", anyhow::Error::from(error));
            ExitCode::FAILURE
        }
    }
}
