//! Logging, set up once by `main`.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use crate::args::{LogArgs, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter cannot be understood.
    #[error("--log {0:?} is not a log filter: give a level such as info, or directives such as info,rdkafka=debug")]
    Filter(String, #[source] tracing_subscriber::filter::ParseError),
    /// Logging was set up before.
    #[error("logging is set up already")]
    SetUpTwice(#[source] TryInitError),
}

/// Sends log lines to stderr in the wanted format. librdkafka's own lines arrive through the `log` crate.
pub fn init(args: &LogArgs) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::try_new(&args.log).map_err(|source| TelemetryError::Filter(args.log.clone(), source))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match args.log_format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    }
    .map_err(TelemetryError::SetUpTwice)
}
