//! What was typed, and its checks.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use eoslab_core::{Layout, StreamSpec};
use eoslab_runtime::args::ArgsError;
use eoslab_runtime::{KafkaArgs, LogArgs, PodArgs, StreamArgs};

use crate::ledger::{LEDGER_BYTES, Mode, is_name};
use crate::run::BatchLimits;

/// Largest value of a Redis string, bytes.
const REDIS_STRING_MAX: u64 = 512 << 20;

/// Counts the events of a run exactly once, and proves it.
#[derive(Parser, Debug)]
#[command(name = "counter", version)]
pub struct CounterArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The two jobs of this program.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Consume the topic and keep exact totals per account in Redis.
    Run(Box<RunArgs>),
    /// Regenerate the streams and compare every account with Redis: exit 0 exact, 1 not, 2 could not be told.
    Verify(Box<VerifyArgs>),
}

/// Flags of `counter run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Who this pod is.
    #[command(flatten)]
    pub pod: PodArgs,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
    /// Which Kafka.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Which events.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Where the totals are.
    #[command(flatten)]
    pub redis: RedisArgs,
    /// How it takes part in the group.
    #[command(flatten)]
    pub consumer: ConsumerArgs,
    /// Most records of a partition that are applied as one batch.
    #[arg(long, env = "EOSLAB_BATCH_EVENTS", default_value_t = 5_000)]
    pub batch_events: u32,
    /// Longest time that a record waits for others to be applied with, ms.
    #[arg(long, env = "EOSLAB_BATCH_INTERVAL_MS", default_value_t = 20)]
    pub batch_interval_ms: u32,
    /// How often offsets are committed to the group, ms. Exactly-once never reads them; lag tools do.
    #[arg(long, env = "EOSLAB_COMMIT_INTERVAL_MS", default_value_t = 1_000)]
    pub commit_interval_ms: u32,
    /// A partition that waited this long between two batches, with events to apply, is noted as a pause, ms.
    #[arg(long, env = "EOSLAB_STALL_THRESHOLD_MS", default_value_t = 1_000)]
    pub stall_threshold_ms: u32,
    /// Latencies of events with an earlier intended time are not recorded, us since the Unix epoch. A Lease's
    /// annotation wins.
    #[arg(long, env = "EOSLAB_MEASURE_FROM_US", default_value_t = 0)]
    pub measure_from_us: i64,
    /// End when everything is applied that the topic held at the start, and print the rate as JSON. For benches.
    #[arg(long, env = "EOSLAB_EXIT_AT_END")]
    pub exit_at_end: bool,
}

/// How a counter takes part in its group.
#[derive(Args, Clone, Debug)]
pub struct ConsumerArgs {
    /// Consumer group.
    #[arg(long, env = "EOSLAB_GROUP_ID", default_value = "eoslab-counter")]
    pub group_id: String,
    /// What is promised about each event.
    #[arg(long, env = "EOSLAB_MODE", value_enum, default_value = "exactly-once")]
    pub mode: Mode,
    /// Who hands out partitions, and how membership is kept.
    #[arg(long, env = "EOSLAB_PROTOCOL", value_enum, default_value = "classic")]
    pub protocol: Protocol,
    /// How partitions are shared out among counters.
    #[arg(long, env = "EOSLAB_ASSIGNOR", value_enum, default_value = "cooperative-sticky")]
    pub assignor: Assignor,
    /// Come back after a restart as the same member of the group, without a rebalance.
    #[arg(long, env = "EOSLAB_STATIC_MEMBERSHIP", default_value_t = true, action = clap::ArgAction::Set)]
    pub static_membership: bool,
    /// Time without a heartbeat after which the group gives a member's partitions to others, ms. With --protocol
    /// consumer it is the brokers' own.
    #[arg(long, env = "EOSLAB_SESSION_TIMEOUT_MS", default_value_t = 10_000)]
    pub session_timeout_ms: u32,
}

/// Where the totals are.
#[derive(Args, Clone, Debug)]
pub struct RedisArgs {
    /// Redis URLs, comma separated: partition p is kept in number p mod n.
    #[arg(
        long,
        env = "EOSLAB_REDIS_URL",
        value_delimiter = ',',
        required = true,
        hide_env_values = true
    )]
    pub redis_url: Vec<String>,
}

/// The group's protocol, `group.protocol` to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// The members' leader hands out partitions, and the whole group synchronizes at each change.
    Classic,
    /// The group's coordinator hands out partitions, to each member at its own pace (KIP-848).
    Consumer,
}

/// How partitions are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Assignor {
    /// Moves only the partitions that have to move.
    CooperativeSticky,
    /// Takes all partitions from all members at every change: the arm to compare with.
    Range,
}

impl Assignor {
    /// The member's assignor of the classic protocol.
    pub fn of_members(self) -> &'static str {
        match self {
            Self::CooperativeSticky => "cooperative-sticky",
            Self::Range => "range",
        }
    }

    /// The coordinator's assignor that comes closest.
    pub fn of_coordinator(self) -> &'static str {
        match self {
            Self::CooperativeSticky => "uniform",
            Self::Range => "range",
        }
    }
}

/// Flags of `counter verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
    /// Which events.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Where the totals are.
    #[command(flatten)]
    pub redis: RedisArgs,
    /// Identity of the run: the UID of the LoadTest.
    #[arg(long, env = "EOSLAB_RUN_ID", default_value = "stand-alone")]
    pub run_id: String,
    /// Number of events of each partition, comma separated; or --events.
    #[arg(long, env = "EOSLAB_COUNTS", value_delimiter = ',', conflicts_with = "events")]
    pub counts: Option<Vec<u64>>,
    /// Number of events of the run; each partition holds its share of them.
    #[arg(long, env = "EOSLAB_EVENTS")]
    pub events: Option<u64>,
    /// Partitions verified at a time; 0 takes the number of processors.
    #[arg(long, env = "EOSLAB_THREADS", default_value_t = 0)]
    pub threads: usize,
    /// Address of /healthz, /metrics and /report while it works; none by default.
    #[arg(long, env = "EOSLAB_LISTEN")]
    pub listen: Option<std::net::SocketAddr>,
    /// Where the result is written as JSON of less than 4,096 bytes; /dev/termination-log where that exists.
    #[arg(long, env = "EOSLAB_RESULT_FILE")]
    pub result_file: Option<PathBuf>,
}

/// Flags that cannot be used; every message names the flag and the fix.
#[derive(Debug, thiserror::Error)]
pub enum CounterArgsError {
    /// The shared flags' own checks.
    #[error(transparent)]
    Shared(#[from] ArgsError),
    /// A number outside its range.
    #[error("--{flag} {value} is out of range: give {low} to {high}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: u64,
        /// Smallest value.
        low: u64,
        /// Largest value.
        high: u64,
    },
    /// A text that is empty or that Redis's keys or Kafka cannot take.
    #[error("--{flag} {value:?} cannot be used: give 1 to 128 letters, digits, '-', '_' and '.'")]
    Name {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: String,
    },
    /// A partition's totals exceed one Redis string.
    #[error(
        "partition {partition} has {slots} accounts, more than the 67,108,848 of one Redis string: use more --partitions"
    )]
    Slots {
        /// The partition.
        partition: u32,
        /// Its accounts.
        slots: u32,
    },
    /// Not as many counts as partitions.
    #[error("--counts has {counts} numbers, but there are {partitions} --partitions")]
    Counts {
        /// Numbers given.
        counts: usize,
        /// Partitions of the stream.
        partitions: u32,
    },
    /// Nothing says how many events there should be.
    #[error("give --counts or --events")]
    NoCounts,
    /// Events in a partition without accounts.
    #[error("--counts gives {count} events to partition {partition}, where no account lives")]
    EmptyPartition {
        /// The partition.
        partition: u32,
        /// Its count.
        count: u64,
    },
}

impl RunArgs {
    /// Checks all values that need nothing but themselves; returns the stream.
    pub fn validated(&self) -> Result<StreamSpec, CounterArgsError> {
        within("batch-events", self.batch_events, 1, 100_000)?;
        within("batch-interval-ms", self.batch_interval_ms, 1, 10_000)?;
        within("commit-interval-ms", self.commit_interval_ms, 10, 3_600_000)?;
        within("session-timeout-ms", self.consumer.session_timeout_ms, 1_000, 300_000)?;
        within("stall-threshold-ms", self.stall_threshold_ms, 1, 3_600_000)?;
        named("group-id", &self.consumer.group_id)?;
        named("run-id", &self.pod.run_id)?;
        Ok(self.stream.validated()?)
    }

    /// When a batch is closed.
    pub fn limits(&self) -> BatchLimits {
        BatchLimits {
            events: self.batch_events,
            interval: Duration::from_millis(u64::from(self.batch_interval_ms)),
        }
    }
}

impl VerifyArgs {
    /// Checks all values that need nothing but themselves; returns the stream.
    pub fn validated(&self) -> Result<StreamSpec, CounterArgsError> {
        named("run-id", &self.run_id)?;
        within("threads", u32::try_from(self.threads).unwrap_or(u32::MAX), 0, 1_024)?;
        Ok(self.stream.validated()?)
    }

    /// How many events each partition should hold.
    pub fn expected_counts(&self, layout: &Layout) -> Result<Vec<u64>, CounterArgsError> {
        let partitions = layout.spec().partitions;
        let counts = match (&self.counts, self.events) {
            (Some(counts), _) => counts.clone(),
            (None, Some(events)) => layout.counts(events),
            (None, None) => return Err(CounterArgsError::NoCounts),
        };
        if counts.len() != partitions as usize {
            return Err(CounterArgsError::Counts {
                counts: counts.len(),
                partitions,
            });
        }
        for (partition, &count) in (0..partitions).zip(&counts) {
            if count > 0 && layout.slots(partition) == 0 {
                return Err(CounterArgsError::EmptyPartition { partition, count });
            }
        }
        Ok(counts)
    }
}

/// Checks that the totals of every partition fit one Redis string.
pub fn check_slots(layout: &Layout) -> Result<(), CounterArgsError> {
    for partition in 0..layout.spec().partitions {
        let slots = layout.slots(partition);
        if LEDGER_BYTES as u64 + u64::from(slots) * 8 > REDIS_STRING_MAX {
            return Err(CounterArgsError::Slots { partition, slots });
        }
    }
    Ok(())
}

fn within(flag: &'static str, value: u32, low: u64, high: u64) -> Result<(), CounterArgsError> {
    let value = u64::from(value);
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(CounterArgsError::Range { flag, value, low, high })
    }
}

fn named(flag: &'static str, value: &str) -> Result<(), CounterArgsError> {
    if is_name(value) {
        Ok(())
    } else {
        Err(CounterArgsError::Name {
            flag,
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(more: &[&str]) -> RunArgs {
        let base = [
            "counter",
            "run",
            "--bootstrap-servers=k:9092",
            "--redis-url=redis://a/,redis://b/",
            "--slot=0",
        ];
        let parsed = CounterArgs::try_parse_from(base.iter().chain(more)).expect("parses");
        match parsed.command {
            Command::Run(args) => *args,
            Command::Verify(_) => unreachable!("run was given"),
        }
    }

    fn verify(more: &[&str]) -> VerifyArgs {
        let base = [
            "counter",
            "verify",
            "--redis-url=redis://a/",
            "--partitions=3",
            "--accounts=100",
        ];
        let parsed = CounterArgs::try_parse_from(base.iter().chain(more)).expect("parses");
        match parsed.command {
            Command::Verify(args) => *args,
            Command::Run(_) => unreachable!("verify was given"),
        }
    }

    #[test]
    fn the_defaults_are_valid() {
        let args = run(&[]);
        assert!(args.validated().is_ok());
        assert_eq!((args.redis.redis_url.len(), args.consumer.mode), (2, Mode::ExactlyOnce));
        let other = run(&["--mode=at-least-once", "--static-membership=false"]).consumer;
        assert_eq!((other.mode, other.static_membership), (Mode::AtLeastOnce, false));
    }

    #[test]
    fn every_bad_value_is_named_with_its_range() {
        for (bad, part) in [
            ("--batch-events=0", "--batch-events 0"),
            ("--batch-events=100001", "1 to 100000"),
            ("--batch-interval-ms=0", "--batch-interval-ms"),
            ("--commit-interval-ms=1", "--commit-interval-ms"),
            ("--session-timeout-ms=10", "--session-timeout-ms"),
            ("--stall-threshold-ms=0", "--stall-threshold-ms"),
            ("--group-id=a b", "--group-id"),
            ("--run-id=a}b", "--run-id"),
            ("--partitions=0", "partitions"),
        ] {
            let message = run(&[bad]).validated().expect_err(bad).to_string();
            assert!(message.contains(part), "{bad}: {message}");
        }
    }

    #[test]
    fn the_counts_of_a_verification_fit_the_layout() {
        let layout = Layout::new(&verify(&[]).validated().expect("valid")).expect("valid");
        let counts = verify(&["--events=1000"]).expected_counts(&layout).expect("shares");
        assert_eq!(counts.iter().sum::<u64>(), 1000);
        assert_eq!(
            verify(&["--counts=1,2,3"]).expected_counts(&layout).expect("as given"),
            [1, 2, 3]
        );
        let wrong = verify(&["--counts=1,2"]).expected_counts(&layout);
        assert!(matches!(
            wrong,
            Err(CounterArgsError::Counts {
                counts: 2,
                partitions: 3
            })
        ));
        assert!(matches!(
            verify(&[]).expected_counts(&layout),
            Err(CounterArgsError::NoCounts)
        ));
    }
}
