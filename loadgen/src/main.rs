//! `loadgen`: parses, sets up, runs, and maps to an exit code.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use eoslab_loadgen::args::Args;
use eoslab_loadgen::pod;
use eoslab_loadgen::settings::Settings;
use eoslab_runtime::exit::{Exit, parse_args};
use eoslab_runtime::{shutdown, telemetry};
use tokio::net::TcpListener;
use tracing::error;

/// How long background tasks (a request to a dead broker, say) may hold up the exit.
const EXIT_PATIENCE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let args: Args = match parse_args() {
        Ok(args) => args,
        Err(exit) => return exit.into(),
    };
    let logging = args.logging.clone();
    let settings = match args.settings() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Error.into();
        }
    };
    if let Err(error) = telemetry::init(&logging) {
        eprintln!("error: {error}");
        return Exit::Error.into();
    }
    match start(settings) {
        Ok(exit) => exit.into(),
        Err(error) => {
            error!("{error:#}");
            Exit::Error.into()
        }
    }
}

fn start(settings: Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let exit = runtime.block_on(async {
        let shutdown = shutdown::signal()?;
        let address = settings.pod.listen;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on --listen {address}"))?;
        Ok(pod::run(settings, listener, shutdown).await?)
    });
    runtime.shutdown_timeout(EXIT_PATIENCE);
    exit
}
