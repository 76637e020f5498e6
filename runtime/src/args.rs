//! The arguments that all load pods take. Every flag is also an environment variable, `EOSLAB_<FLAG>`.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};
use eoslab_core::{HEADER_LEN, Salting, StreamError, StreamSpec};
use thiserror::Error;

use crate::slot::{Holder, SlotSource};

/// Largest message that a stream may have, as `spec.stream.messageSizeBytes`. A topic needs more than that as its
/// `max.message.bytes`; the operator sets it.
pub const MESSAGE_SIZE_MAX: u32 = 1 << 20;

/// Arguments that do not fit together; every message names the flag and the fix.
#[derive(Debug, Error, PartialEq)]
pub enum ArgsError {
    /// Neither or both of the two ways to get a slot.
    #[error("give exactly one of --slot <n> (stand-alone) and --slot-lease-prefix <loadtest>-<role> (in Kubernetes)")]
    SlotSource,
    /// A Lease needs the identity of the pod that holds it.
    #[error("--slot-lease-prefix needs {0}: set it from the downward API (EOSLAB_{1})")]
    HolderIdentity(&'static str, &'static str),
    /// A message that cannot hold the header, or is larger than any that the operator asks for.
    #[error("--message-size {0} is out of range: give {HEADER_LEN} to {MESSAGE_SIZE_MAX} bytes")]
    MessageSize(u32),
    /// A share of compressible bytes beyond all bytes.
    #[error("--compressibility-percent {0} is out of range: give 0 to 100")]
    Compressibility(u8),
    /// Salting without any account, or into one key.
    #[error("--salted-accounts {accounts} needs --salts of at least 2, not {salts}; or set --salted-accounts 0")]
    Salts {
        /// Accounts to salt.
        accounts: u32,
        /// Keys for each of them.
        salts: u16,
    },
    /// The stream's own checks.
    #[error("the stream arguments do not fit together: {0}")]
    Stream(#[from] StreamError),
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line for each entry.
    #[default]
    Text,
    /// One JSON object for each entry.
    Json,
}

/// What is logged, and how.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Log filter: a level (error, warn, info, debug, trace) or directives such as `info,rdkafka=debug`.
    #[arg(long, env = "EOSLAB_LOG", default_value = "info")]
    pub log: String,
    /// Format of log lines.
    #[arg(long, env = "EOSLAB_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// Who this pod is and where it listens.
#[derive(Args, Clone, Debug)]
pub struct PodArgs {
    /// Address of /healthz, /readyz, /metrics and /report; port 0 takes a free one.
    #[arg(long, env = "EOSLAB_LISTEN", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)))]
    pub listen: SocketAddr,
    /// Identity of the run: the UID of the LoadTest.
    #[arg(long, env = "EOSLAB_RUN_ID", default_value = "stand-alone")]
    pub run_id: String,
    /// Namespace of the pod and its Leases.
    #[arg(long, env = "EOSLAB_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Name of this pod (metadata.name).
    #[arg(long, env = "EOSLAB_POD_NAME", default_value = "")]
    pub pod_name: String,
    /// UID of this pod (metadata.uid).
    #[arg(long, env = "EOSLAB_POD_UID", default_value = "")]
    pub pod_uid: String,
    /// Fixed slot, from 0, for use without Kubernetes; instead of --slot-lease-prefix.
    #[arg(long, env = "EOSLAB_SLOT")]
    pub slot: Option<u32>,
    /// Claim the first free Lease `<prefix>-0`, `<prefix>-1`, ... as slot; instead of --slot.
    #[arg(long, env = "EOSLAB_SLOT_LEASE_PREFIX")]
    pub slot_lease_prefix: Option<String>,
}

impl PodArgs {
    /// How this pod gets its slot.
    pub fn slot_source(&self) -> Result<SlotSource, ArgsError> {
        match (self.slot, self.slot_lease_prefix.as_deref()) {
            (Some(index), None) => Ok(SlotSource::Fixed(index)),
            (None, Some(prefix)) if !prefix.is_empty() => self.lease_source(prefix),
            _ => Err(ArgsError::SlotSource),
        }
    }

    fn lease_source(&self, prefix: &str) -> Result<SlotSource, ArgsError> {
        for (value, flag, env) in [
            (&self.pod_name, "--pod-name", "POD_NAME"),
            (&self.pod_uid, "--pod-uid", "POD_UID"),
            (&self.namespace, "--namespace", "NAMESPACE"),
        ] {
            if value.is_empty() {
                return Err(ArgsError::HolderIdentity(flag, env));
            }
        }
        Ok(SlotSource::Lease {
            prefix: prefix.to_owned(),
            namespace: self.namespace.clone(),
            holder: Holder {
                pod_name: self.pod_name.clone(),
                pod_uid: self.pod_uid.clone(),
            },
        })
    }

    /// Identity of this process, `<pod name>/<pod uid>/<process start, us>`: changes with every restart.
    pub fn incarnation(&self, started_at_us: i64) -> String {
        let name = if self.pod_name.is_empty() {
            "stand-alone"
        } else {
            &self.pod_name
        };
        let uid = if self.pod_uid.is_empty() {
            format!("pid-{}", std::process::id())
        } else {
            self.pod_uid.clone()
        };
        format!("{name}/{uid}/{started_at_us}")
    }
}

/// Which Kafka, and which topic.
#[derive(Args, Clone, Debug)]
pub struct KafkaArgs {
    /// Bootstrap brokers, `host:port` comma separated.
    #[arg(long, env = "EOSLAB_BOOTSTRAP_SERVERS")]
    pub bootstrap_servers: String,
    /// Topic of the events.
    #[arg(long, env = "EOSLAB_TOPIC", default_value = "events")]
    pub topic: String,
    /// More librdkafka properties, `key=value` comma separated (`\,` for a comma within a value). Properties that
    /// eoslab sets from its own flags are refused.
    #[arg(long, env = "EOSLAB_CLIENT_PROPERTIES", default_value = "", hide_env_values = true)]
    pub client_properties: String,
}

/// The deterministic stream of events; all members of a run are given the same values.
#[derive(Args, Clone, Debug)]
pub struct StreamArgs {
    /// Seed of the stream.
    #[arg(long, env = "EOSLAB_SEED", default_value_t = 42)]
    pub seed: u64,
    /// Partitions of the topic; must be what the topic has.
    #[arg(long, env = "EOSLAB_PARTITIONS", default_value_t = 12)]
    pub partitions: u32,
    /// Accounts that the events are spread over.
    #[arg(long, env = "EOSLAB_ACCOUNTS", default_value_t = 10_000_000)]
    pub accounts: u32,
    /// Exponent of the Zipf distribution of accounts; 0 is uniform.
    #[arg(long, env = "EOSLAB_ZIPF_EXPONENT", default_value_t = 1.1)]
    pub zipf_exponent: f64,
    /// Size of a message's value in bytes: the header of 32 bytes and padding.
    #[arg(long, env = "EOSLAB_MESSAGE_SIZE", default_value_t = 256)]
    pub message_size: u32,
    /// Share of the padding that compresses away, in percent.
    #[arg(long, env = "EOSLAB_COMPRESSIBILITY_PERCENT", default_value_t = 50)]
    pub compressibility_percent: u8,
    /// Number of the hottest accounts that are spread over several keys; 0 for none.
    #[arg(long, env = "EOSLAB_SALTED_ACCOUNTS", default_value_t = 0)]
    pub salted_accounts: u32,
    /// Keys that each salted account is spread over.
    #[arg(long, env = "EOSLAB_SALTS", default_value_t = 1)]
    pub salts: u16,
}

impl StreamArgs {
    /// The stream as core knows it.
    pub fn spec(&self) -> StreamSpec {
        StreamSpec {
            seed: self.seed,
            partitions: self.partitions,
            accounts: self.accounts,
            zipf_exponent: self.zipf_exponent,
            salting: (self.salted_accounts > 0).then_some(Salting {
                accounts: self.salted_accounts,
                salts: self.salts,
            }),
        }
    }

    /// Checks all values, and returns the stream as core knows it.
    pub fn validated(&self) -> Result<StreamSpec, ArgsError> {
        if (self.message_size as usize) < HEADER_LEN || self.message_size > MESSAGE_SIZE_MAX {
            return Err(ArgsError::MessageSize(self.message_size));
        }
        if self.compressibility_percent > 100 {
            return Err(ArgsError::Compressibility(self.compressibility_percent));
        }
        if self.salted_accounts > 0 && self.salts < 2 {
            return Err(ArgsError::Salts {
                accounts: self.salted_accounts,
                salts: self.salts,
            });
        }
        let spec = self.spec();
        spec.validate()?;
        Ok(spec)
    }
}
