//! Latencies and lag, against what others measure.

use std::process::Command;
use std::time::{Duration, SystemTime};

use eoslab_tests::{LoadTest, TestNamespace, kafka_tool, kubectl, topic};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(600);

fn p99_ms(status: &Value, latency: &str) -> u64 {
    status["latency"][latency]["p99Us"].as_u64().unwrap_or(0) / 1000
}

/// Stops a broker's process for two seconds, which is less than its session with the controllers, from inside its
/// container.
fn stall_a_broker() -> Result<(), String> {
    let stall = "pid=$(pgrep -x java) && kill -STOP \"$pid\" && sleep 2; kill -CONT \"$pid\"";
    kubectl(&["-n", "kafka", "exec", "lab-broker-1", "--", "bash", "-c", stall])?;
    Ok(())
}

#[test]
fn a_broker_that_stalls_shows_in_the_response_latency_and_not_in_the_service_latency() -> Result<(), String> {
    let namespace = TestNamespace::create("stall");
    // A third of the partitions stands still for a tenth of the time, and no more than one batch of each is on its way:
    // that must stay below the hundredth part of all events also where a round trip takes 100 ms.
    let changes =
        json!({"producer": {"rate": 2000, "events": null, "durationSeconds": 24, "warmupSeconds": 2, "lingerMs": 5}});
    let run = LoadTest::apply("stalled", &namespace, changes)?;
    run.wait_for_phase("Running", LIMIT)?;
    std::thread::sleep(Duration::from_secs(1));
    stall_a_broker()?;
    let status = run.wait_for_end(LIMIT)?;
    let (response_ms, service_ms) = (p99_ms(&status, "response"), p99_ms(&status, "service"));
    assert!(response_ms > 400, "{response_ms}: {status:#}");
    assert!(
        service_ms < response_ms / 2,
        "{service_ms} of {response_ms}: {status:#}"
    );
    assert!(
        status["latency"]["service"]["maxUs"].as_u64() > Some(1_400_000),
        "the batch on its way: {status:#}"
    );
    Ok(())
}

fn us_since_epoch(time: &Value) -> Result<i64, String> {
    let text = time.as_str().unwrap_or_default();
    let output = Command::new("date")
        .args(["-d", text, "+%s%6N"])
        .output()
        .map_err(|e| e.to_string())?;
    let digits = String::from_utf8_lossy(&output.stdout);
    digits.trim().parse().map_err(|_| format!("{time} is no time"))
}

fn quantile(sorted: &[i64], q: f64) -> i64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

#[test]
fn another_consumer_with_its_own_arithmetic_sees_the_same_latencies() -> Result<(), String> {
    const EVENTS: u64 = 60_000;
    let namespace = TestNamespace::create("latency");
    // Events wait half a second for their batch to fill, so that what differs between the two consumers is little of it.
    let changes = json!({
        "producer": {"rate": 3000, "events": EVENTS, "warmupSeconds": 8, "lingerMs": 500},
        "counter": {"batchIntervalMs": 1},
    });
    let run = LoadTest::apply("seen", &namespace, changes)?;
    let status = run.wait_for("the events are on their way", LIMIT, |s| {
        s["measureStartTime"].is_string()
    })?;
    let measured_us = us_since_epoch(&status["measureStartTime"])?;
    let mut latencies_us = Vec::new();
    topic::follow(&format!("{}.seen", namespace.name), EVENTS, |record| {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if record.ts_us >= measured_us {
            latencies_us.push(now.as_micros() as i64 - record.ts_us);
        }
    })?;
    latencies_us.sort_unstable();
    let status = run.wait_for_end(LIMIT)?;
    assert!(status["latency"]["validity"].is_string(), "{status:#}");
    assert_eq!(
        status["latency"]["samples"].as_u64(),
        Some(latencies_us.len() as u64),
        "{status:#}"
    );
    for (name, q) in [("p50Us", 0.5), ("p99Us", 0.99)] {
        let (told, seen) = (
            status["latency"]["endToEnd"][name].as_i64().unwrap_or(0),
            quantile(&latencies_us, q),
        );
        eprintln!("{name}: status {told}, another consumer {seen}");
        // What the scheduler of a busy machine does to one and not to the other. A wrong basis (the actual send instead
        // of the intended one, the batch's time instead of the event's) shifts the median by hundreds of milliseconds.
        let tolerance_us = (seen / 10).max(60_000);
        assert!(
            (told - seen).abs() <= tolerance_us,
            "{name}: {told}, another consumer {seen}: {status:#}"
        );
    }
    Ok(())
}

/// The lag of a group by Kafka's own tool: the sum over its partitions.
fn lag_by_kafkas_tool(group: &str) -> Result<u64, String> {
    let table = kafka_tool(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        &["--describe", "--group", group],
    )?;
    let mut rows = table
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace());
    let column = rows
        .find_map(|mut fields| fields.position(|field| field == "LAG"))
        .ok_or_else(|| format!("no column LAG: {table}"))?;
    let lags = rows.map(|mut fields| fields.nth(column).and_then(|lag| lag.parse::<u64>().ok()));
    lags.sum::<Option<u64>>()
        .ok_or_else(|| format!("a partition without a lag: {table}"))
}

#[test]
fn the_lag_stays_while_every_counter_is_down_and_is_what_kafkas_own_tool_says() -> Result<(), String> {
    const EVENTS: u64 = 60_000;
    const RATE: u64 = 5000;
    let namespace = TestNamespace::create("lag");
    let run = LoadTest::apply(
        "frozen",
        &namespace,
        json!({"producer": {"rate": RATE, "events": EVENTS}}),
    )?;
    run.wait_for("counting", LIMIT, |s| s["counters"]["counted"].as_u64() > Some(1_000))?;
    let counters = run.ready_pods("counter")?;
    run.signal_all(&counters, "counter", "STOP", &["--for-seconds", "55"])?;
    let status = run.wait_for("all is sent", LIMIT, |s| s["correctness"]["inLog"] == EVENTS)?;
    let group = status["group"].as_str().ok_or("no group")?;
    let theirs = lag_by_kafkas_tool(group)?;
    let status = run.status()?;
    run.signal_all(&counters, "counter", "CONT", &[])?;
    let ours = status["lag"]["records"].as_u64().unwrap_or(0);
    eprintln!(
        "status {ours} events, {} ms; kafka's tool {theirs}",
        status["lag"]["millis"]
    );
    assert_eq!(
        ours,
        EVENTS - status["counters"]["counted"].as_u64().unwrap_or(0),
        "{status:#}"
    );
    assert!(ours > EVENTS / 3, "the counters were frozen: {status:#}");
    // Offsets are committed a moment after what they stand for is counted: the tool's lag is larger by that.
    assert!(
        (ours..=ours + 2 * RATE).contains(&theirs),
        "{ours}, kafka's tool {theirs}: {status:#}"
    );
    let age_ms = status["lag"]["millis"].as_u64().unwrap_or(0);
    assert!(
        age_ms > 1000 * ours / RATE,
        "the oldest has waited since before the last was sent: {status:#}"
    );
    let end = run.wait_for_end(LIMIT)?;
    assert_eq!(
        (&end["verdict"], &end["lag"]["records"]),
        (&json!("Pass"), &json!(0)),
        "{end:#}"
    );
    Ok(())
}
