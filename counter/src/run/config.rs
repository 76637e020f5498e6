//! The consumer's configuration: what makes restarts quick, and what exactness rests on.

use rdkafka::ClientConfig;

use eoslab_runtime::KafkaArgs;
use eoslab_runtime::kafka::{KafkaConfigError, client_config_with};
use eoslab_runtime::quota::STATISTICS_INTERVAL_MS;

use crate::args::{ConsumerArgs, Protocol};
use crate::ledger::Mode;

/// Name of this member where it has no Lease.
pub fn stand_alone_name(args: &ConsumerArgs, slot: u32) -> String {
    format!("{}-{slot}", args.group_id)
}

/// The configuration of the consumer of member `member`.
pub fn consumer_config(kafka: &KafkaArgs, args: &ConsumerArgs, member: &str) -> Result<ClientConfig, KafkaConfigError> {
    client_config_with(kafka, &properties(args, member))
}

fn properties(args: &ConsumerArgs, member: &str) -> Vec<(&'static str, String)> {
    // Exactly-once reads positions from the ledger alone: anything that would choose another one must be an error.
    let reset = match args.mode {
        Mode::ExactlyOnce => "error",
        Mode::AtLeastOnce => "earliest",
    };
    let mut properties = vec![
        ("client.id", member.to_owned()),
        ("statistics.interval.ms", STATISTICS_INTERVAL_MS.to_owned()),
        ("group.id", args.group_id.clone()),
        ("max.poll.interval.ms", "300000".to_owned()),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        ("auto.offset.reset", reset.to_owned()),
        // A full queue is looked at again after 10 ms and not after a second.
        ("fetch.queue.backoff.ms", "10".to_owned()),
        ("fetch.error.backoff.ms", "100".to_owned()),
        ("queued.min.messages", "100000".to_owned()),
        ("queued.max.messages.kbytes", "65536".to_owned()),
    ];
    if args.static_membership {
        properties.push(("group.instance.id", member.to_owned()));
    }
    properties.extend(group_properties(args));
    properties
}

/// What the protocols differ in: with `consumer`, session and heartbeat are the brokers' own, and the client refuses to
/// be told.
fn group_properties(args: &ConsumerArgs) -> Vec<(&'static str, String)> {
    match args.protocol {
        Protocol::Classic => {
            let heartbeat_ms = (args.session_timeout_ms / 4).clamp(100, 3_000);
            vec![
                ("group.protocol", "classic".to_owned()),
                ("partition.assignment.strategy", args.assignor.of_members().to_owned()),
                ("session.timeout.ms", args.session_timeout_ms.to_string()),
                ("heartbeat.interval.ms", heartbeat_ms.to_string()),
            ]
        }
        Protocol::Consumer => vec![
            ("group.protocol", "consumer".to_owned()),
            ("group.remote.assignor", args.assignor.of_coordinator().to_owned()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rdkafka::consumer::BaseConsumer;

    use super::*;
    use crate::args::{Command, CounterArgs, RunArgs};

    fn args(more: &[&str]) -> RunArgs {
        let base = [
            "counter",
            "run",
            "--bootstrap-servers=k:9092",
            "--redis-url=redis://a/",
            "--slot=2",
        ];
        let parsed = CounterArgs::try_parse_from(base.iter().chain(more)).expect("parses");
        match parsed.command {
            Command::Run(args) => *args,
            Command::Verify(_) => unreachable!("run was given"),
        }
    }

    fn config(args: &RunArgs, member: &str) -> Result<ClientConfig, KafkaConfigError> {
        consumer_config(&args.kafka, &args.consumer, member)
    }

    #[test]
    fn exactly_once_never_takes_a_position_from_kafka() {
        let config = config(&args(&[]), "lt-counter-2").expect("valid");
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("group.instance.id"), Some("lt-counter-2"));
        assert!(config.create::<BaseConsumer>().is_ok(), "librdkafka accepts it");
    }

    #[test]
    fn at_least_once_and_dynamic_membership_are_the_other_arms() {
        let args = args(&["--mode=at-least-once", "--static-membership=false", "--assignor=range"]);
        let config = config(&args, &stand_alone_name(&args.consumer, 2)).expect("valid");
        assert_eq!(config.get("auto.offset.reset"), Some("earliest"));
        assert_eq!(config.get("group.instance.id"), None);
        assert_eq!(config.get("partition.assignment.strategy"), Some("range"));
        assert_eq!(config.get("client.id"), Some("eoslab-counter-2"));
        assert!(config.create::<BaseConsumer>().is_ok(), "librdkafka accepts it");
    }

    #[test]
    fn the_consumer_protocol_leaves_sessions_and_assignments_to_the_brokers() {
        for (assignor, remote) in [("cooperative-sticky", "uniform"), ("range", "range")] {
            let args = args(&["--protocol=consumer", &format!("--assignor={assignor}")]);
            let config = config(&args, "lt-counter-2").expect("valid");
            assert_eq!(config.get("group.protocol"), Some("consumer"));
            assert_eq!(config.get("group.remote.assignor"), Some(remote));
            assert_eq!(config.get("group.instance.id"), Some("lt-counter-2"));
            // It refuses session.timeout.ms, heartbeat.interval.ms and partition.assignment.strategy.
            assert!(config.create::<BaseConsumer>().is_ok(), "librdkafka accepts it");
        }
    }
}
