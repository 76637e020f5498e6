//! Harness of the end-to-end tests: a namespace for each test, `kubectl` as a user types it, and waiting with a limit.
//!
//! The tests need the embedded cluster with the operator installed (`make up install`) and find it by `KUBECONFIG`.
//! `EOSLAB_KEEP=1` keeps a test's namespace for a look.

mod chaosrun;
mod kubectl;
mod loadtest;
mod namespace;
mod plugin;
pub mod slow;
pub mod topic;

pub use chaosrun::{ChaosRun, UnderFaults, chaosrun, under_faults};
pub use kubectl::{Failure, kafka_tool, kubectl, kubectl_with_input, pod_ip};
pub use loadtest::{LoadTest, is_counted, merge, spec};
pub use namespace::TestNamespace;
pub use plugin::{Ended, ended, eoslab, eoslab_command};

use std::time::{Duration, Instant};

/// Polls `probe` every 200 ms until it gives a value.
///
/// # Errors
/// After `limit`, `what` and the last thing that `probe` said.
pub fn eventually<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let until = Instant::now() + limit;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(last) if Instant::now() > until => {
                return Err(format!("{what}: not seen within {limit:?}; last: {last}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}
