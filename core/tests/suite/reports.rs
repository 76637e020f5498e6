//! The reports on the wire: a committed JSON that is read and written as it is.

use eoslab_core::report::{
    AckGap, CounterReport, MalformedSample, Member, PartitionCounted, PartitionProduced, Pause, ProducerReport,
    ProducerState, SeqRange, VerifyReport, WrongAccount,
};
use eoslab_core::{LatencyHistogram, ResourceUse, Tally};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::golden::committed;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reports {
    producer: ProducerReport,
    counter: CounterReport,
    verify: VerifyReport,
    pause: Pause,
}

fn histogram(samples: &[u64]) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::default();
    samples.iter().for_each(|us| histogram.record(*us));
    histogram
}

fn member() -> Member {
    Member {
        run_id: "5f0c9a7e".to_owned(),
        slot: 1,
        incarnation: "baseline-producer-x/uid/1700000000000000".to_owned(),
        started_at_us: 1_700_000_000_000_000,
    }
}

fn tally(count: u64) -> Tally {
    Tally {
        count,
        sum: count as i64 * 500,
        digest: u64::MAX - count,
    }
}

fn usage() -> ResourceUse {
    ResourceUse {
        cpu_us: 12,
        periods: 17,
        throttled_periods: 18,
        node_busy_us: 19,
        node_total_us: 20,
        node_io_wait_us: 21,
        node_memory_percent: 22,
        node_stolen_us: 23,
    }
}

fn producer() -> ProducerReport {
    ProducerReport {
        member: member(),
        state: ProducerState::Sending,
        layout_digest: u64::MAX,
        target_rate_per_second: Some(50_000.5),
        sent: 100,
        queue_full_us: 2,
        client_rebuilds: 1,
        quota_us: 13,
        client_config: [("acks".to_owned(), "all".to_owned())].into(),
        usage: usage(),
        lateness: histogram(&[1, 2, 3]),
        response: histogram(&[1000, 4_000_000_000]),
        service: LatencyHistogram::default(),
        partitions: vec![PartitionProduced {
            partition: 3,
            first_seq: 10,
            next_seq: 100,
            end_seq: Some(1000),
            acked: tally(80),
            highest_acked_seq: Some(90),
            failed: 4,
            indeterminate: 2,
            failed_ranges: vec![SeqRange { first: 20, last: 23 }],
            indeterminate_ranges: vec![SeqRange { first: 40, last: 41 }],
        }],
        ack_gaps: vec![AckGap {
            partition: 3,
            ended_at_us: 1_700_000_000_700_000,
            length_us: 450_000,
        }],
    }
}

fn counter() -> CounterReport {
    CounterReport {
        member: member(),
        layout_digest: 7,
        applied: 60,
        batches: 6,
        in_flight_batches: 1,
        conflicts: 2,
        rewinds: 3,
        rebalances: 4,
        redis_us: 5,
        redis_calls: 14,
        idle_us: 15,
        quota_us: 16,
        client_config: [("group.id".to_owned(), "group".to_owned())].into(),
        usage: usage(),
        negative_latencies: 8,
        end_to_end: histogram(&[5000; 60]),
        partitions: vec![PartitionCounted {
            partition: 3,
            assigned: true,
            applied_offset: -1,
            applied_seq: -1,
            applied: 60,
            log_duplicates: 1,
            holes: 2,
            malformed: 3,
        }],
        malformed_samples: vec![MalformedSample {
            partition: 3,
            offset: 17,
            reason: "payload of 3 bytes".to_owned(),
        }],
    }
}

fn verify() -> VerifyReport {
    VerifyReport {
        run_id: "5f0c9a7e".to_owned(),
        layout_digest: 7,
        expected: tally(100),
        counted: tally(99),
        lost: 1,
        duplicated: 0,
        partitions_wrong: vec![3],
        accounts_compared: 10_000,
        accounts_wrong: 1,
        wrong_accounts: vec![WrongAccount {
            account_id: 5,
            partition: 3,
            expected: 700,
            counted: -1,
        }],
        elapsed_ms: 12,
    }
}

fn reports() -> Reports {
    let pause = Pause {
        partition: 3,
        ended_at_us: 1_700_000_000_500_000,
        length_us: 500_000,
        member_before: "baseline-counter-0".to_owned(),
        member_after: "baseline-counter-1".to_owned(),
    };
    Reports {
        producer: producer(),
        counter: counter(),
        verify: verify(),
        pause,
    }
}

/// The JSON with the blobs of histograms cut out: their deflate may differ from version to version.
fn without_blobs(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("v2");
            fields
                .values_mut()
                .for_each(|field| *field = without_blobs(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_blobs(item.take())),
        _ => {}
    }
    value
}

fn golden() -> String {
    let made = serde_json::to_string_pretty(&reports()).expect("reports can be written") + "\n";
    committed("reports.json", &made)
}

#[test]
fn golden_reports_are_read() -> Result<(), serde_json::Error> {
    assert_eq!(serde_json::from_str::<Reports>(&golden())?, reports());
    Ok(())
}

#[test]
fn golden_reports_are_written() -> Result<(), serde_json::Error> {
    let written = serde_json::to_value(reports())?;
    assert_eq!(without_blobs(written), without_blobs(serde_json::from_str(&golden())?));
    Ok(())
}

/// The twins: any field of the golden reports renamed, one at a time, is missed.
#[test]
fn golden_reports_with_a_field_renamed_are_refused() {
    let golden = golden();
    let names: std::collections::BTreeSet<&str> = golden
        .split('"')
        .filter(|name| golden.contains(&format!("\"{name}\":")))
        // Keys of a map are no fields.
        .filter(|name| !["acks", "group.id"].contains(name))
        .collect();
    assert!(names.len() > 50, "{names:?}");
    let optional = ["targetRatePerSecond", "endSeq", "highestAckedSeq", "ackGaps"];
    for name in names {
        let renamed = golden.replace(&format!("\"{name}\":"), &format!("\"{name}x\":"));
        let read = serde_json::from_str::<Reports>(&renamed);
        assert_ne!(read.ok(), Some(reports()), "{name}");
        assert!(
            optional.contains(&name) || serde_json::from_str::<Reports>(&renamed).is_err(),
            "{name}"
        );
    }
}

#[test]
fn empty_reports_survive_json() -> Result<(), serde_json::Error> {
    let json = serde_json::to_string(&ProducerReport::default())?;
    assert!(json.len() < 1000, "{json}");
    assert_eq!(
        serde_json::from_str::<ProducerReport>(&json)?,
        ProducerReport::default()
    );
    let json = serde_json::to_string(&CounterReport::default())?;
    assert_eq!(serde_json::from_str::<CounterReport>(&json)?, CounterReport::default());
    let json = serde_json::to_string(&VerifyReport::default())?;
    assert_eq!(serde_json::from_str::<VerifyReport>(&json)?, VerifyReport::default());
    Ok(())
}

#[test]
fn states_are_written_in_pascal_case() -> Result<(), serde_json::Error> {
    let states = [
        ProducerState::Preparing,
        ProducerState::Waiting,
        ProducerState::Sending,
        ProducerState::Done,
    ];
    assert_eq!(
        serde_json::to_string(&states)?,
        r#"["Preparing","Waiting","Sending","Done"]"#
    );
    Ok(())
}

#[test]
fn only_a_flawless_verification_is_exact() {
    let exact = VerifyReport {
        expected: tally(5),
        counted: tally(5),
        accounts_compared: 9,
        ..VerifyReport::default()
    };
    assert!(exact.is_exact());
    let flaws: [fn(&mut VerifyReport); 5] = [
        |report| report.accounts_wrong = 1,
        |report| report.partitions_wrong = vec![0],
        |report| report.lost = 1,
        |report| report.duplicated = 1,
        |report| report.counted.digest ^= 1,
    ];
    for flaw in flaws {
        let mut report = exact.clone();
        flaw(&mut report);
        assert!(!report.is_exact(), "{report:?}");
    }
}
