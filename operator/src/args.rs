//! The command line of the operator. Every flag is also an environment variable.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{ArgAction, Parser, ValueEnum};
use eoslab_runtime::LogArgs;

use crate::build::Image;

/// When nodes pull the image of the load pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PullPolicy {
    /// Always.
    #[value(name = "Always")]
    Always,
    /// Where it is missing.
    #[default]
    #[value(name = "IfNotPresent")]
    IfNotPresent,
    /// Never: it must be there.
    #[value(name = "Never")]
    Never,
}

/// The LoadTest controller of eoslab.
#[derive(Clone, Debug, Parser)]
#[command(name = "operator", version, about)]
pub struct Args {
    /// Namespaces whose LoadTests are run, comma separated; empty for all.
    #[arg(long, env = "EOSLAB_WATCH_NAMESPACES", default_value = "")]
    pub watch_namespaces: String,
    /// Image of the load pods of LoadTests that name none: this operator's own.
    #[arg(long, env = "EOSLAB_IMAGE")]
    pub image: String,
    /// When nodes pull that image.
    #[arg(long, env = "EOSLAB_IMAGE_PULL_POLICY", value_enum, default_value = "IfNotPresent")]
    pub image_pull_policy: PullPolicy,
    /// Whether to export kafka_consumergroup_lag; `false` where an exporter gives it already.
    #[arg(long, env = "EOSLAB_CONSUMERGROUP_LAG", action = ArgAction::Set, default_value_t = true)]
    pub consumergroup_lag: bool,
    /// Address of /healthz, /readyz, /metrics and /targets; port 0 takes a free one.
    #[arg(long, env = "EOSLAB_LISTEN", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)))]
    pub listen: SocketAddr,
    /// Log.
    #[command(flatten)]
    pub log: LogArgs,
}

impl Args {
    /// The namespaces; none for all.
    pub fn namespaces(&self) -> Vec<String> {
        let names = self.watch_namespaces.split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// The image of the load pods.
    pub fn image(&self) -> Image {
        let policy = self.image_pull_policy.to_possible_value();
        Image {
            name: self.image.clone(),
            pull_policy: policy.map_or_else(String::new, |policy| policy.get_name().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["operator", "--image", "eoslab:1"], args].concat())
    }

    #[test]
    fn no_namespaces_means_all() -> Result<(), clap::Error> {
        assert_eq!(parse(&[])?.namespaces(), Vec::<String>::new());
        assert_eq!(parse(&["--watch-namespaces", "a, b,"])?.namespaces(), ["a", "b"]);
        assert_eq!(parse(&["--image-pull-policy", "Never"])?.image().pull_policy, "Never");
        assert_eq!(parse(&[])?.image().pull_policy, "IfNotPresent");
        Ok(())
    }
}
