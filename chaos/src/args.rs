//! The command line of the controller. Every flag is also an environment variable.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use eoslab_runtime::LogArgs;

/// Reconciles ChaosRuns.
#[derive(Args, Clone, Debug)]
pub struct ControllerArgs {
    /// Namespaces in which ChaosRuns are run and faults injected, comma separated.
    #[arg(long, env = "EOSLAB_CHAOS_NAMESPACES", value_delimiter = ',', required = true)]
    pub namespaces: Vec<String>,
    /// Namespace of this pod, and of the operator.
    #[arg(long, env = "POD_NAMESPACE", default_value = "eoslab-system")]
    pub own_namespace: String,
    /// Address of /healthz, /readyz and /metrics; port 0 takes a free one.
    #[arg(long, env = "EOSLAB_LISTEN", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)))]
    pub listen: SocketAddr,
    /// Log.
    #[command(flatten)]
    pub log: LogArgs,
}
