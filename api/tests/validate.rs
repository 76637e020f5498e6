//! Semantic validation of Kafka, topic, stream and ledger: one test an error, and what a right spec becomes.

mod common;

use common::{mistake, spec_with, valid};
use eoslab_api::{Rate, RedisSource, RedisUrls, RunLength, SpecError};
use serde_json::json;

#[test]
fn the_least_that_a_user_must_write_is_valid() {
    let valid = valid(json!({}));
    assert_eq!(valid.rate, Rate::PerSecond(40_000.try_into().expect("not zero")));
    assert_eq!(valid.rate.to_string(), "40000");
    assert_eq!(valid.length, RunLength::Events(3_000_000));
    assert_eq!(valid.topic.as_str(), "events");
    assert_eq!(valid.zipf_exponent.value(), 1.1);
    assert_eq!(valid.bootstrap_servers.as_str(), "lab-kafka-bootstrap.kafka.svc:9092");
    let (name, key) = ("lab-redis".to_owned(), "url".to_owned());
    assert_eq!(valid.redis, RedisSource::Secret { name, key });
}

#[test]
fn a_closed_loop_that_ends_by_time_is_valid() {
    let valid = valid(json!({"producer": {"rate": "max", "events": null, "durationSeconds": 60}}));
    assert_eq!(valid.rate, Rate::Max);
    assert_eq!(valid.rate.to_string(), "max");
    assert_eq!(valid.rate.per_second(), None);
    assert_eq!(valid.length, RunLength::Seconds(60));
}

#[test]
fn the_topic_keeps_events_until_they_are_counted() {
    let config = valid(json!({})).topic_config;
    let expected = [
        ("cleanup.policy", "delete"),
        ("min.insync.replicas", "2"),
        ("retention.bytes", "-1"),
        ("retention.ms", "-1"),
    ];
    assert!(config.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
}

#[test]
fn what_the_user_configures_wins() {
    let config =
        valid(json!({"topic": {"config": {"min.insync.replicas": "1", "segment.bytes": "1048576"}}})).topic_config;
    assert_eq!(config["min.insync.replicas"], "1");
    assert_eq!(config["segment.bytes"], "1048576");
}

#[test]
fn a_majority_of_the_copies_must_be_in_sync() {
    for (replicas, majority) in [(1, "1"), (2, "1"), (3, "2"), (4, "2"), (5, "3"), (7, "4")] {
        let config = valid(json!({"topic": {"replicationFactor": replicas}})).topic_config;
        assert_eq!(config["min.insync.replicas"], majority, "{replicas} copies");
    }
}

#[test]
fn the_largest_events_raise_the_topics_limit() {
    assert!(
        !valid(json!({"stream": {"messageSizeBytes": 4096}}))
            .topic_config
            .contains_key("max.message.bytes")
    );
    let config = valid(json!({"stream": {"messageSizeBytes": 1_048_576}})).topic_config;
    assert_eq!(config["max.message.bytes"], "1048832");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let wrong = spec_with(json!({"topic": {"name": "a b"}, "stream": {"zipfExponent": "x"}, "producer": {"rate": 0}}));
    let errors = wrong.spec.validate().expect_err("it is wrong");
    assert_eq!(errors.as_slice().len(), 3, "{errors}");
    assert!(errors.to_string().contains(" | "), "{errors}");
}

#[test]
fn parse_bootstrap_servers() {
    for address in [
        "a", "a:0", "a:65536", "a:+1", ":9092", "a..b:1", "-a:1", "[::g]:1", "[::1:1", "a:1,b",
    ] {
        let error = mistake(json!({"kafka": {"bootstrapServers": address}}));
        assert!(
            matches!(error, SpecError::ParseBootstrapServers { .. }),
            "{address}: {error}"
        );
    }
    let too_long = format!("{}:1", "a".repeat(64));
    mistake(json!({"kafka": {"bootstrapServers": too_long}}));
    for address in ["a:65535", "[::1]:1", "a.b-c.:9092", "10.1.2.3:9092,h_1:2"] {
        valid(json!({"kafka": {"bootstrapServers": address}}));
    }
}

#[test]
fn override_client_property() {
    let error = mistake(json!({"kafka": {"clientProperties": {"linger.ms": "0"}}}));
    assert!(matches!(error, SpecError::OverrideClientProperty { .. }), "{error}");
    let error = mistake(json!({"kafka": {"clientProperties": {"default.topic.acks": "0"}}}));
    assert!(matches!(error, SpecError::OverrideClientProperty { .. }), "{error}");
}

#[test]
fn expose_credential() {
    let error = mistake(json!({"kafka": {"clientProperties": {"ssl.key.pem": "x"}}}));
    assert!(matches!(error, SpecError::ExposeCredential { .. }), "{error}");
}

#[test]
fn parse_client_property() {
    for (key, value) in [("Debug", "all"), ("debug", "a\nb"), ("", "x"), (".debug", "x")] {
        let error = mistake(json!({"kafka": {"clientProperties": {key: value}}}));
        assert!(matches!(error, SpecError::ParseClientProperty { .. }), "{error}");
    }
}

#[test]
fn combine_protocol() {
    for key in eoslab_api::BROKER_PROPERTIES {
        let properties = json!({*key: "1000"});
        valid(json!({"kafka": {"clientProperties": properties}}));
        let error = mistake(json!({"counter": {"protocol": "consumer"}, "kafka": {"clientProperties": properties}}));
        assert_eq!(error, SpecError::CombineProtocol { key });
    }
}

#[test]
fn name_topic() {
    for name in ["", ".", "..", "a b", "a/b", "__x", &"a".repeat(250)] {
        let error = mistake(json!({"topic": {"name": name}}));
        assert!(matches!(error, SpecError::NameTopic { .. }), "{error}");
    }
}

#[test]
fn compact_topic() {
    let error = mistake(json!({"topic": {"config": {"cleanup.policy": "compact,delete"}}}));
    assert!(matches!(error, SpecError::CompactTopic { .. }), "{error}");
}

#[test]
fn require_replicas() {
    for value in ["0", "4", "two", ""] {
        let error = mistake(json!({"topic": {"config": {"min.insync.replicas": value}}}));
        assert!(matches!(error, SpecError::RequireReplicas { .. }), "{error}");
    }
}

#[test]
fn limit_message() {
    for value in ["511", "x", "-1"] {
        let error = mistake(json!({"topic": {"config": {"max.message.bytes": value}}}));
        assert_eq!(
            error,
            SpecError::LimitMessage {
                value: value.to_owned(),
                needed: 512
            }
        );
    }
    valid(json!({"topic": {"config": {"max.message.bytes": "512"}}}));
}

#[test]
fn parse_retention() {
    for key in ["retention.ms", "retention.bytes"] {
        let error = mistake(json!({"topic": {"config": {key: "1h"}}}));
        assert!(matches!(error, SpecError::ParseRetention { .. }), "{error}");
    }
}

#[test]
fn parse_zipf_exponent() {
    for value in ["", "x", "3.1", "-1", "1.", ".5", "1.1234567", "1e0", "10", "NaN", "+1"] {
        let error = mistake(json!({"stream": {"zipfExponent": value}}));
        assert!(matches!(error, SpecError::ParseZipfExponent { .. }), "{error}");
    }
    for (value, number) in [("0", 0.0), ("3.000000", 3.0), ("0.99", 0.99)] {
        assert_eq!(
            valid(json!({"stream": {"zipfExponent": value}})).zipf_exponent.value(),
            number
        );
    }
}

#[test]
fn salt_accounts() {
    let error = mistake(json!({"stream": {"accounts": 5, "salting": {"accounts": 6, "salts": 2}}}));
    assert_eq!(error, SpecError::SaltAccounts { salted: 6, accounts: 5 });
}

#[test]
fn fit_totals() {
    let one = json!({"topic": {"partitions": 1}, "stream": {"accounts": 60_000_001},
        "producer": {"replicas": 1}, "counter": {"replicas": 1}});
    assert!(matches!(mistake(one), SpecError::FitTotals { max: 60_000_000, .. }));
}

#[test]
fn choose_redis() {
    assert_eq!(
        mistake(json!({"ledger": {"redis": {"urlSecretRef": null}}})),
        SpecError::ChooseRedis
    );
    assert_eq!(
        mistake(json!({"ledger": {"redis": {"url": "redis://a"}}})),
        SpecError::ChooseRedis
    );
}

#[test]
fn expose_redis_password() {
    let error = mistake(json!({"ledger": {"redis": {"urlSecretRef": null, "url": "redis://:secret@a"}}}));
    assert_eq!(error, SpecError::ExposeRedisPassword);
    assert!(!error.to_string().contains("secret@"), "a password is not repeated");
}

#[test]
fn parse_redis_url() {
    for url in [
        "a:6379",
        "rediss://a",
        "redis://",
        "redis://a:0",
        "redis://a:x",
        "redis://a/x",
        "redis://a,",
        "redis://a b",
    ] {
        let error = mistake(json!({"ledger": {"redis": {"urlSecretRef": null, "url": url}}}));
        assert!(matches!(error, SpecError::ParseRedisUrl { .. }), "{url}: {error}");
    }
    for url in [
        "redis://a",
        "redis://a:6379/0",
        "redis://[::1]",
        "redis://[::1]:6379",
        "redis://a?protocol=resp3",
    ] {
        valid(json!({"ledger": {"redis": {"urlSecretRef": null, "url": url}}}));
    }
}

#[test]
fn urls_from_a_secret_may_hold_a_password_and_never_show_it() {
    let urls = RedisUrls::parse("redis://:pass-word@a:6379,redis://user:pass-word@b/1\n").expect("it is right");
    assert_eq!(urls.as_slice().len(), 2);
    assert_eq!(urls.joined(), "redis://:pass-word@a:6379,redis://user:pass-word@b/1");
    assert!(!format!("{urls:?}").contains("pass-word"));
    let wrong = RedisUrls::parse("redis://:pass-word@:6379").expect_err("no host");
    assert!(!wrong.to_string().contains("pass-word"));
    RedisUrls::parse(&vec!["redis://a"; 65].join(",")).expect_err("too many");
}
