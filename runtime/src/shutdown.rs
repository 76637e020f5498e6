//! The stop signal: SIGTERM and SIGINT as one cancellation token.

use std::io;

use tokio::signal::unix::{SignalKind, signal as on_signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A token that is cancelled by the first SIGTERM or SIGINT. Must be called within a tokio runtime.
pub fn signal() -> io::Result<CancellationToken> {
    let mut terminate = on_signal(SignalKind::terminate())?;
    let mut interrupt = on_signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(signal = name, "asked to stop");
        cancel.cancel();
    });
    Ok(token)
}
