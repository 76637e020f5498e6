//! From flags to an exit code and a result file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use eoslab_core::Layout;
use eoslab_core::report::VerifyReport;
use eoslab_runtime::args::ArgsError;
use eoslab_runtime::{http, shutdown, telemetry};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Progress, RESULT_BYTES_MAX, VerifyError, fitting_json, line, verify_with};
use crate::args::{CounterArgsError, VerifyArgs, check_slots};
use crate::ledger::Ledger;

/// Where Kubernetes takes a container's last message from.
const TERMINATION_LOG: &str = "/dev/termination-log";

const EXACT: u8 = 0;
const NOT_EXACT: u8 = 1;
const UNKNOWN: u8 = 2;

/// The exit code of a verification that could not tell.
pub fn unknown() -> ExitCode {
    ExitCode::from(UNKNOWN)
}

/// Verifies as a process: prints progress, ends with one line, writes the result file.
pub fn main(args: VerifyArgs) -> ExitCode {
    if let Err(error) = telemetry::init(&args.log) {
        eprintln!("{error}");
        return unknown();
    }
    let result_file = args
        .result_file
        .clone()
        .or_else(|| Some(PathBuf::from(TERMINATION_LOG)).filter(|f| f.exists()));
    let verified = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| VerifyError::Io {
            what: "cannot start the runtime",
            source,
        })
        .and_then(|runtime| {
            let verified = runtime.block_on(run(args));
            runtime.shutdown_background();
            verified
        });
    let (code, text) = match &verified {
        Ok(report) => {
            println!("{}", line(report));
            (
                if report.is_exact() { EXACT } else { NOT_EXACT },
                fitting_json(report).unwrap_or_default(),
            )
        }
        Err(error) => {
            let message: String = error.to_string().chars().take(RESULT_BYTES_MAX / 8).collect();
            eprintln!("cannot verify: {message}");
            (UNKNOWN, json!({ "error": message }).to_string())
        }
    };
    match result_file.map_or(Ok(()), |file| write(&file, &text)) {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            eprintln!("cannot write the result file: {error}");
            ExitCode::from(UNKNOWN)
        }
    }
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(file, text)
}

async fn run(args: VerifyArgs) -> Result<VerifyReport, VerifyError> {
    let spec = args.validated()?;
    let stop = shutdown::signal().map_err(|source| VerifyError::Io {
        what: "cannot wait for signals",
        source,
    })?;
    let layout = Layout::new(&spec)
        .map_err(ArgsError::from)
        .map_err(CounterArgsError::from)?;
    check_slots(&layout)?;
    let counts = args.expected_counts(&layout)?;
    let ledger = Ledger::new(&args.redis.redis_url, &args.run_id)?;
    let progress = Progress::new(&counts, stop);
    let serving = CancellationToken::new();
    if let Some(address) = args.listen {
        let bound = TcpListener::bind(address).await;
        let listener = bound.map_err(|source| VerifyError::Io {
            what: "cannot listen on --listen",
            source,
        })?;
        tokio::spawn(http::serve(listener, http::router(progress.clone()), serving.clone()));
    }
    let shown: Arc<Progress> = progress.clone();
    let work =
        tokio::task::spawn_blocking(move || verify_with(&layout, &counts, &ledger, &args.run_id, args.threads, &shown));
    let verified = work.await.unwrap_or_else(|error| {
        Err(VerifyError::Io {
            what: "the verification failed",
            source: std::io::Error::other(error),
        })
    });
    serving.cancel();
    verified
}
