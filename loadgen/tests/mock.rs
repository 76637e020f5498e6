//! The whole pod against librdkafka's mock brokers: real client, real protocol, no broker process.

mod common;

use std::time::Duration;

use common::{Pod, TestResult, counts, read_log, settings};
use eoslab_core::report::ProducerState;
use eoslab_runtime::clock::system_now_us;
use eoslab_runtime::exit::Exit;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const TOPIC: &str = "events";

fn brokers(partitions: i32) -> Result<MockCluster<'static, DefaultProducerContext>, rdkafka::error::KafkaError> {
    let brokers = MockCluster::new(3)?;
    brokers.create_topic(TOPIC, partitions, 3)?;
    Ok(brokers)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_slots_send_every_event_once_and_on_time() -> TestResult {
    let brokers = brokers(6)?;
    let bootstrap = brokers.bootstrap_servers();
    let flags = [
        "--partitions",
        "6",
        "--events",
        "60000",
        "--rate",
        "20000",
        "--producers",
        "2",
        "--slot",
    ];
    let of = |slot| settings(&bootstrap, TOPIC, &[&flags[..], &[slot]].concat());
    let (first, second) = (Pod::start(of("0")).await?, Pod::start(of("1")).await?);
    let (one, two) = (first.done().await?, second.done().await?);
    assert_eq!(
        one.partitions.iter().map(|p| p.partition).collect::<Vec<_>>(),
        [0, 2, 4]
    );
    assert_eq!(one.layout_digest, two.layout_digest);
    assert_eq!(one.sent + two.sent, 60_000);
    let spec = of("0").stream;
    let counts = counts(&spec, 60_000);
    let log = read_log(&bootstrap, TOPIC, &spec, 256)?;
    assert!(log.is_dense(&counts), "{:?}", log.seqs);
    for produced in one.partitions.iter().chain(&two.partitions) {
        assert_eq!(produced.acked, log.tallies[&produced.partition]);
        assert_eq!(produced.end_seq, Some(counts[produced.partition as usize]));
        assert_eq!((produced.failed, produced.indeterminate), (0, 0));
    }
    assert_eq!(one.response.count(), one.sent);
    // With four fifths of the rate it would be 375 ms late halfway.
    assert!(one.lateness.quantile(0.5) < 200_000, "{}", one.lateness.quantile(0.5));
    assert_eq!((first.stop().await?, second.stop().await?), (Exit::Clean, Exit::Clean));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_producer_goes_on_where_the_log_ends() -> TestResult {
    let brokers = brokers(4)?;
    let bootstrap = brokers.bootstrap_servers();
    let start_at = system_now_us().to_string();
    // 20 s, so that the first three pods leave something to the last one. Of many more events of this size the mock
    // brokers would not keep the first.
    let flags = [
        "--partitions",
        "4",
        "--events",
        "50000",
        "--rate",
        "2500",
        "--slot",
        "0",
        "--clients",
        "2",
        "--start-at-us",
        &start_at,
    ];
    let of = || settings(&bootstrap, TOPIC, &flags);
    let mut sent = 0;
    for _ in 0..3 {
        let pod = Pod::start(of()).await?;
        let report = pod.wait("some events", |report| report.sent > 1500).await?;
        assert_eq!(report.partitions.iter().map(|p| p.first_seq).sum::<u64>(), sent);
        pod.stop().await?;
        let log = read_log(&bootstrap, TOPIC, &of().stream, 256)?;
        sent = log.len();
    }
    let pod = Pod::start(of()).await?;
    let mut restarted: Vec<u32> = pod.done().await?.ack_gaps.iter().map(|gap| gap.partition).collect();
    restarted.sort_unstable();
    restarted.dedup();
    assert_eq!(
        restarted,
        [0, 1, 2, 3],
        "the restart is a time without acknowledgements"
    );
    pod.stop().await?;
    let log = read_log(&bootstrap, TOPIC, &of().stream, 256)?;
    assert!(log.is_dense(&counts(&of().stream, 50_000)));
    // Once more: nothing is left to send.
    let again = Pod::start(of()).await?;
    assert_eq!(again.done().await?.sent, 0);
    again.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_client_shows_in_the_response_latency_and_not_in_the_service_latency() -> TestResult {
    let brokers = brokers(1)?;
    for broker in 1..=3 {
        brokers.broker_round_trip_time(broker, Duration::from_millis(100))?;
    }
    let bootstrap = brokers.bootstrap_servers();
    // 17 records fit the window, so about 170 a second leave; 400 a second are wanted.
    let flags = [
        "--partitions",
        "1",
        "--events",
        "400",
        "--rate",
        "400",
        "--slot",
        "0",
        "--message-size",
        "60000",
        "--queue-mib",
        "1",
        "--linger-ms",
        "0",
        "--compression",
        "none",
        "--batch-size",
        "1000000",
    ];
    let pod = Pod::start(settings(&bootstrap, TOPIC, &flags)).await?;
    let report = pod.done().await?;
    assert_eq!(report.response.count(), 400);
    let (response, service) = (report.response.quantile(0.9), report.service.quantile(0.9));
    assert!(response > 800_000, "response p90 {response} us");
    assert!(service < 600_000, "service p90 {service} us");
    assert!(report.lateness.quantile(0.9) > 500_000, "the wait for room is lateness");
    assert!(report.queue_full_us > 500_000, "{}", report.queue_full_us);
    pod.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_ends_by_time_and_keeps_partitions_in_proportion() -> TestResult {
    let brokers = brokers(4)?;
    let bootstrap = brokers.bootstrap_servers();
    let flags = [
        "--partitions",
        "4",
        "--rate",
        "max",
        "--duration-seconds",
        "5",
        "--slot",
        "0",
        "--compression",
        "none",
    ];
    let of = settings(&bootstrap, TOPIC, &flags);
    let spec = of.stream.clone();
    let layout = eoslab_core::Layout::new(&spec)?;
    let pod = Pod::start(of).await?;
    let report = pod.done().await?;
    assert_eq!(report.target_rate_per_second, None);
    assert!(report.response.is_empty() && report.lateness.is_empty());
    assert_eq!(report.service.count(), report.sent);
    assert!(report.sent > 10_000, "{}", report.sent);
    for produced in &report.partitions {
        assert_eq!(produced.end_seq, None);
        let share = produced.next_seq as f64 / report.sent as f64;
        assert!(
            (share - layout.share(produced.partition)).abs() < 0.05,
            "{} of {}",
            share,
            produced.partition
        );
    }
    pod.stop().await?;
    // The mock brokers keep only the last records.
    let log = read_log(&bootstrap, TOPIC, &spec, 256)?;
    for produced in &report.partitions {
        let seqs = &log.seqs[&produced.partition];
        assert!(
            seqs.iter()
                .copied()
                .eq(produced.next_seq - seqs.len() as u64..produced.next_seq)
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_send_is_taken_up_from_the_log_and_leaves_no_hole() -> TestResult {
    let brokers = brokers(2)?;
    let bootstrap = brokers.bootstrap_servers();
    let flags = [
        "--partitions",
        "2",
        "--events",
        "20000",
        "--rate",
        "5000",
        "--slot",
        "0",
    ];
    let of = || settings(&bootstrap, TOPIC, &flags);
    let pod = Pod::start(of()).await?;
    pod.wait("some events", |report| report.sent > 1000).await?;
    brokers.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
    );
    let report = pod.done().await?;
    assert!(report.client_rebuilds >= 1, "{}", report.client_rebuilds);
    let log = read_log(&bootstrap, TOPIC, &of().stream, 256)?;
    assert!(log.is_dense(&counts(&of().stream, 20_000)));
    for produced in &report.partitions {
        let booked = produced.acked.count + produced.failed + produced.indeterminate;
        assert_eq!(booked, produced.next_seq - produced.first_seq);
        assert_eq!(produced.failed, 0, "what failed was sent again");
    }
    let metrics = pod.get("/metrics").await?.1;
    let failed = metrics
        .lines()
        .find_map(|line| line.strip_prefix("eoslab_records_failed_total "));
    let failed: f64 = failed.ok_or("no such metric")?.parse()?;
    assert!(failed > 0.0, "a counter keeps what has failed: {metrics}");
    pod.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_idempotence_a_failed_send_stays_a_hole_and_is_reported() -> TestResult {
    for acks in ["all", "1", "0"] {
        let brokers = brokers(1)?;
        let bootstrap = brokers.bootstrap_servers();
        let flags = [
            "--partitions",
            "1",
            "--events",
            "12000",
            "--rate",
            "3000",
            "--slot",
            "0",
            "--idempotence",
            "false",
            "--acks",
            acks,
        ];
        let of = || settings(&bootstrap, TOPIC, &flags);
        let pod = Pod::start(of()).await?;
        pod.wait("some events", |report| report.sent > 600).await?;
        brokers.request_errors(
            RDKafkaApiKey::Produce,
            &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE],
        );
        let report = pod.done().await?;
        let produced = &report.partitions[0];
        let log = read_log(&bootstrap, TOPIC, &of().stream, 256)?;
        assert_eq!(produced.next_seq, 12_000);
        assert_eq!(report.client_rebuilds, 0);
        if acks != "0" {
            assert!(produced.failed > 0);
            assert_eq!(log.len() + produced.failed, 12_000);
            let range = produced.failed_ranges[0];
            assert!(!log.seqs[&0].contains(&range.first) && !log.seqs[&0].contains(&range.last));
        } else {
            // Nobody says what became of a record that asks for no acknowledgement: only the log does.
            assert_eq!(produced.acked.count, 12_000);
            assert!(log.len() <= 12_000);
        }
        pod.stop().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_sat_out_and_shows_as_latency() -> TestResult {
    let brokers = brokers(3)?;
    let bootstrap = brokers.bootstrap_servers();
    let flags = [
        "--partitions",
        "3",
        "--events",
        "24000",
        "--rate",
        "2000",
        "--slot",
        "0",
    ];
    let of = || settings(&bootstrap, TOPIC, &flags);
    let pod = Pod::start(of()).await?;
    pod.wait("some events", |report| report.sent > 500).await?;
    for broker in 1..=3 {
        brokers.broker_down(broker)?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for broker in 1..=3 {
        brokers.broker_up(broker)?;
    }
    let report = pod.done().await?;
    assert!(report.response.max() > 500_000, "{}", report.response.max());
    for partition in 0..3 {
        let own = report.ack_gaps.iter().filter(|gap| gap.partition == partition);
        let longest_us = own.map(|gap| gap.length_us).max();
        assert!(longest_us > Some(500_000), "{:?}", report.ack_gaps);
    }
    let log = read_log(&bootstrap, TOPIC, &of().stream, 256)?;
    assert!(log.is_dense(&counts(&of().stream, 24_000)), "{report:#?}");
    pod.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_up_is_not_measured() -> TestResult {
    let brokers = brokers(1)?;
    let bootstrap = brokers.bootstrap_servers();
    let start = system_now_us() + 1_000_000;
    let (start_at, measure_from) = (start.to_string(), (start + 500_000).to_string());
    let flags = [
        "--partitions",
        "1",
        "--events",
        "2000",
        "--rate",
        "2000",
        "--slot",
        "0",
        "--start-at-us",
        &start_at,
        "--measure-from-us",
        &measure_from,
    ];
    let pod = Pod::start(settings(&bootstrap, TOPIC, &flags)).await?;
    let report = pod.done().await?;
    assert_eq!(report.sent, 2000);
    for histogram in [&report.response, &report.service, &report.lateness] {
        assert_eq!(histogram.count(), 1000);
    }
    pod.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_tells_how_it_is() -> TestResult {
    let brokers = brokers(2)?;
    let bootstrap = brokers.bootstrap_servers();
    let later = (system_now_us() + 5_000_000).to_string();
    let flags = [
        "--partitions",
        "2",
        "--events",
        "100",
        "--rate",
        "1000",
        "--slot",
        "0",
        "--start-at-us",
        &later,
    ];
    let pod = Pod::start(settings(&bootstrap, TOPIC, &flags)).await?;
    assert_eq!(pod.get("/healthz").await?.0, 200);
    pod.wait("preparation", |report| report.state != ProducerState::Preparing)
        .await?;
    assert_eq!(pod.get("/readyz").await?.0, 200);
    assert_eq!(pod.report().await?.sent, 0, "nothing is sent before the start");
    pod.done().await?;
    let (status, text) = pod.get("/metrics").await?;
    assert_eq!(status, 200);
    for line in [
        "eoslab_records_sent_total 100",
        "eoslab_records_acked_total 100",
        "eoslab_records_failed_total 0",
        "eoslab_schedule_lag_seconds 0",
        "eoslab_in_flight_records 0",
        "eoslab_produce_target_rate 1000",
        "eoslab_produce_latency_seconds_count{basis=\"intended\"} 100",
        "eoslab_produce_latency_seconds_count{basis=\"actual\"} 100",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert_eq!(pod.get("/nothing").await?.0, 404);
    pod.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_another_run_is_refused() -> TestResult {
    let brokers = brokers(2)?;
    let bootstrap = brokers.bootstrap_servers();
    let run = |flags: &'static [&'static str]| {
        let all = [&["--partitions", "2", "--rate", "100000", "--slot", "0"], flags].concat();
        Pod::start(settings(&bootstrap, TOPIC, &all))
    };
    let pod = run(&["--events", "1000"]).await?;
    pod.done().await?;
    pod.stop().await?;
    let other_seed = run(&["--events", "1000", "--seed", "43"]).await?.ended().await?;
    assert!(other_seed.expect_err("another seed").to_string().contains("--seed"));
    let fewer = run(&["--events", "500"]).await?.ended().await?;
    assert!(fewer.expect_err("fewer events").to_string().contains("--events"));
    let too_few = Pod::start(settings(
        &bootstrap,
        TOPIC,
        &["--partitions", "3", "--rate", "10", "--events", "10", "--slot", "0"],
    ));
    let error = too_few
        .await?
        .ended()
        .await?
        .expect_err("another number of partitions")
        .to_string();
    assert!(
        error.contains("2 partitions") && error.contains("--partitions is 3"),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_fails_for_good_is_rebuilt_and_after_many_times_given_up() -> TestResult {
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    let flags = ["--partitions", "1", "--events", "500", "--rate", "5000", "--slot", "0"];
    let brokers = brokers(1)?;
    let bootstrap = brokers.bootstrap_servers();
    brokers.request_errors(RDKafkaApiKey::InitProducerId, &[refused, refused]);
    let pod = Pod::start(settings(&bootstrap, TOPIC, &flags)).await?;
    let report = pod.done().await?;
    assert!(report.client_rebuilds > 0);
    assert_eq!(report.partitions[0].acked.count, 500);
    pod.stop().await?;
    let more = ["--partitions", "1", "--events", "600", "--rate", "5000", "--slot", "0"];
    brokers.request_errors(RDKafkaApiKey::InitProducerId, &[refused; 100]);
    let pod = Pod::start(settings(&bootstrap, TOPIC, &more)).await?;
    assert_eq!(pod.ended().await??, Exit::FatalClient);
    Ok(())
}
