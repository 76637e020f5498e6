//! What every eoslab load pod shares: arguments, telemetry, the stop signal, the member slot (a Lease), the HTTP
//! server, metrics, and the Kafka client configuration with the reading of a log's tail.
//!
//! Nothing here knows the custom resources; the Lease's annotations are the only channel from the operator.

pub mod args;
pub mod clock;
pub mod exit;
pub mod http;
pub mod kafka;
pub mod metrics;
pub mod metrics_table;
pub mod quota;
pub mod shutdown;
pub mod slot;
pub mod tail;
pub mod telemetry;
pub mod usage;

use std::pin::Pin;

pub use args::{KafkaArgs, LogArgs, PodArgs, StreamArgs};

/// An `async` function whose code is made in this crate. What it calls of Kubernetes and HTTP would otherwise be made once
/// more in each program that awaits it, and optimized there, though no event goes through it.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
