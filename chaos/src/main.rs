//! `chaos`: the ChaosRun controller, and the signals that it has sent from within pods.

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use eoslab_chaos::args::ControllerArgs;
use eoslab_chaos::run::{Deps, run};
use eoslab_chaos::signal::{self, SignalArgs};
use eoslab_runtime::{exit, shutdown, telemetry};

/// Faults for eoslab's load pods, Kafka brokers and Redis.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reconcile ChaosRuns: inject faults into the pods of a LoadTest, heal, measure.
    Controller(ControllerArgs),
    /// Signal every process of this pod that runs a given executable.
    ///
    /// Example: kubectl exec baseline-counter-6d5f-x2x -- chaos signal --process counter --action KILL
    Signal(SignalArgs),
}

fn main() -> ExitCode {
    let cli: Cli = match exit::parse_args() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let ended = match cli.command {
        Command::Controller(args) => controller(args),
        Command::Signal(args) => signalled(&args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn signalled(args: &SignalArgs) -> anyhow::Result<()> {
    for process in signal::send(Path::new("/proc"), args)? {
        println!("{:?} sent to {} (pid {})", args.action, process.name, process.pid);
    }
    Ok(())
}

#[tokio::main]
async fn controller(args: ControllerArgs) -> anyhow::Result<()> {
    telemetry::init(&args.log)?;
    let shutdown = shutdown::signal().context("cannot listen for signals")?;
    let client = kube::Client::try_default()
        .await
        .context("cannot reach the Kubernetes API")?;
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .context("cannot listen for HTTP")?;
    let deps = Deps {
        client,
        namespaces: args.namespaces,
        own_namespace: args.own_namespace,
        listener,
    };
    run(deps, shutdown).await.context("the chaos controller has ended")
}
