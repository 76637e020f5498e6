//! The shared flags: defaults, environment, refusals that name the flag and the fix.

use clap::Parser;
use eoslab_runtime::args::{ArgsError, LogFormat};
use eoslab_runtime::slot::SlotSource;
use eoslab_runtime::{KafkaArgs, LogArgs, PodArgs, StreamArgs};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    pod: PodArgs,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    stream: StreamArgs,
    #[command(flatten)]
    logging: LogArgs,
}

fn parse(flags: &[&str]) -> Args {
    Args::try_parse_from(["pod", "--bootstrap-servers", "b:1"].iter().chain(flags)).expect("flags parse")
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let args = parse(&[]);
    assert_eq!(args.pod.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(
        (args.kafka.topic.as_str(), args.kafka.client_properties.as_str()),
        ("events", "")
    );
    assert_eq!(
        (args.stream.seed, args.stream.partitions, args.stream.accounts),
        (42, 12, 10_000_000)
    );
    assert_eq!(
        (args.stream.message_size, args.stream.compressibility_percent),
        (256, 50)
    );
    assert_eq!((args.stream.salted_accounts, args.stream.salts), (0, 1));
    assert!((args.stream.zipf_exponent - 1.1).abs() < 1e-12);
    assert_eq!(
        (args.logging.log.as_str(), args.logging.log_format),
        ("info", LogFormat::Text)
    );
    let spec = args.stream.validated().expect("defaults are valid");
    assert_eq!(spec.salting, None);
}

#[test]
fn every_flag_is_an_environment_variable() {
    use clap::CommandFactory;
    for argument in Args::command()
        .get_arguments()
        .filter(|argument| argument.get_id() != "help")
    {
        let flag = argument.get_long().expect("a long flag");
        let wanted = format!("EOSLAB_{}", flag.to_uppercase().replace('-', "_"));
        assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(wanted.as_str()));
        assert!(
            argument.get_help().is_some_and(|help| !help.to_string().is_empty()),
            "--{flag} has no help"
        );
    }
}

#[test]
fn a_slot_comes_from_one_place() {
    assert_eq!(parse(&["--slot", "2"]).pod.slot_source(), Ok(SlotSource::Fixed(2)));
    assert_eq!(parse(&[]).pod.slot_source(), Err(ArgsError::SlotSource));
    assert_eq!(
        parse(&["--slot", "2", "--slot-lease-prefix", "x"]).pod.slot_source(),
        Err(ArgsError::SlotSource)
    );
    let nameless = parse(&["--slot-lease-prefix", "lt-producer"])
        .pod
        .slot_source()
        .expect_err("who holds it?");
    assert!(nameless.to_string().contains("--pod-name") && nameless.to_string().contains("EOSLAB_POD_NAME"));
    let flags = [
        "--slot-lease-prefix",
        "lt-producer",
        "--pod-name",
        "p",
        "--pod-uid",
        "u",
        "--namespace",
        "n",
    ];
    let SlotSource::Lease {
        prefix,
        namespace,
        holder,
    } = parse(&flags).pod.slot_source().expect("complete")
    else {
        panic!("a lease");
    };
    assert_eq!(
        (prefix.as_str(), namespace.as_str(), holder.identity().as_str()),
        ("lt-producer", "n", "p/u")
    );
}

#[test]
fn an_incarnation_names_pod_and_start() {
    assert_eq!(
        parse(&["--pod-name", "p", "--pod-uid", "u"]).pod.incarnation(7),
        "p/u/7"
    );
    assert!(parse(&[]).pod.incarnation(7).starts_with("stand-alone/pid-"));
}

#[test]
fn streams_out_of_range_are_refused_by_flag() {
    for (flags, named) in [
        (["--message-size", "31"], "--message-size"),
        (["--message-size", "1048577"], "--message-size"),
        (["--compressibility-percent", "101"], "--compressibility-percent"),
        (["--salted-accounts", "3"], "--salts"),
        (["--partitions", "0"], "partitions"),
        (["--accounts", "0"], "accounts"),
        (["--zipf-exponent", "9"], "zipfExponent"),
    ] {
        let refused = match Args::try_parse_from(["pod", "--bootstrap-servers", "b:1"].iter().chain(&flags)) {
            Ok(args) => args.stream.validated().expect_err("refused").to_string(),
            Err(error) => error.to_string(),
        };
        let named = named.to_lowercase().replace("zipfexponent", "zipf");
        assert!(refused.to_lowercase().contains(&named), "{flags:?}: {refused}");
    }
}
