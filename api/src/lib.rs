//! What users write and read: the custom resources `LoadTest` and `ChaosRun`, their defaults, rules and validation.
//!
//! A LoadTest is checked twice. The API server applies the schema and the CEL rules of [`cel`], so most mistakes never
//! get into the cluster; the operator then calls [`LoadTestSpec::validate`], which repeats what its work depends on,
//! adds what CEL cannot say, and returns validated types.

pub mod cel;
pub mod chaos;
pub mod crd;
pub mod loadtest;
pub mod memory;
pub mod spec;
pub mod status;
mod terms;
pub mod validate;

pub use chaos::{ChaosRun, ChaosRunSpec, ChaosRunStatus};
pub use loadtest::{LoadTest, LoadTestSpec};
pub use spec::*;
pub use status::*;
pub use validate::*;

/// API group of every kind.
pub const GROUP: &str = "eoslab.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
