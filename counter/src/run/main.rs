//! From flags to an exit code.

use std::process::ExitCode;

use eoslab_runtime::exit::Exit;
use eoslab_runtime::{shutdown, telemetry};
use tokio::net::TcpListener;
use tracing::{error, info};

use super::{RunError, Summary, run};
use crate::args::RunArgs;

/// Runs the counter as a process.
pub fn main(args: RunArgs) -> ExitCode {
    if let Err(error) = telemetry::init(&args.log) {
        eprintln!("{error}");
        return Exit::Error.into();
    }
    let exit_at_end = args.exit_at_end;
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Io {
            what: "cannot start the runtime",
            source,
        })
        .and_then(|runtime| {
            let ended = runtime.block_on(serve(args));
            // A thread that is stuck must not keep the process.
            runtime.shutdown_background();
            ended
        });
    match ended {
        Ok(summary) => {
            if exit_at_end {
                println!("{}", serde_json::json!(summary));
            }
            Exit::Clean.into()
        }
        Err(error) => {
            error!(%error, "the counter ends");
            error.exit().into()
        }
    }
}

async fn serve(args: RunArgs) -> Result<Summary, RunError> {
    let stop = shutdown::signal().map_err(|source| RunError::Io {
        what: "cannot wait for signals",
        source,
    })?;
    let listener = TcpListener::bind(args.pod.listen)
        .await
        .map_err(|source| RunError::Io {
            what: "cannot listen on --listen",
            source,
        })?;
    if let Ok(address) = listener.local_addr() {
        info!(%address, "listening");
    }
    run(args, listener, stop).await
}
