//! Latency histograms: merged, clipped, sent and read.

use eoslab_core::LatencyHistogram;
use proptest::prelude::*;

const HOUR_US: u64 = 3_600_000_000;

fn histogram(samples: &[u64]) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::default();
    samples.iter().for_each(|us| histogram.record(*us));
    histogram
}

fn samples() -> impl Strategy<Value = Vec<u64>> {
    let sample = prop_oneof![0..10u64, 0..100_000u64, 0..HOUR_US, any::<u64>()];
    proptest::collection::vec(sample, 0..200)
}

proptest! {
    #[test]
    fn a_merge_is_the_histogram_of_the_union(one in samples(), two in samples()) {
        let mut merged = histogram(&one);
        merged.merge(&histogram(&two));
        let union = [one, two].concat();
        prop_assert_eq!(&merged, &histogram(&union));
        prop_assert_eq!(merged.count(), union.len() as u64);
        prop_assert_eq!(merged.clipped(), union.iter().filter(|us| **us > HOUR_US).count() as u64);
    }

    #[test]
    fn quantiles_are_exact_to_a_thousandth(mut samples in samples(), q in 0.0..=1.0f64) {
        prop_assume!(!samples.is_empty());
        let found = histogram(&samples).quantile(q);
        samples.iter_mut().for_each(|us| *us = (*us).min(HOUR_US));
        samples.sort_unstable();
        let rank = ((q * samples.len() as f64).ceil() as usize).max(1);
        let exact = samples[rank - 1];
        // One rank of tolerance for the rounding of q itself.
        let next = samples[rank.min(samples.len() - 1)];
        prop_assert!(found >= exact && found <= next + next / 1000 + 1, "found {}, exact {}", found, exact);
    }

    #[test]
    fn json_keeps_everything(samples in samples()) {
        let histogram = histogram(&samples);
        let json = serde_json::to_string(&histogram).expect("a histogram can be written");
        let read: LatencyHistogram = serde_json::from_str(&json).expect("what was written can be read");
        prop_assert_eq!(&read, &histogram);
        prop_assert_eq!(read.quantile(0.99), histogram.quantile(0.99));
    }

    #[test]
    fn any_text_is_read_or_refused(v2 in "[A-Za-z0-9+/]{0,64}={0,2}") {
        let json = serde_json::json!({"v2": v2, "clipped": 0});
        let _ = serde_json::from_value::<LatencyHistogram>(json);
    }
}

#[test]
fn an_empty_histogram_is_empty_everywhere() -> Result<(), serde_json::Error> {
    let empty = LatencyHistogram::default();
    assert_eq!(
        (empty.count(), empty.max(), empty.quantile(0.5), empty.clipped()),
        (0, 0, 0, 0)
    );
    let json = serde_json::to_string(&empty)?;
    assert!(json.len() < 100, "{json}");
    assert_eq!(serde_json::from_str::<LatencyHistogram>(&json)?, empty);
    Ok(())
}

#[test]
fn what_is_too_long_counts_as_an_hour_and_as_clipped() {
    let histogram = histogram(&[1, HOUR_US, HOUR_US + 1, u64::MAX]);
    assert_eq!(
        (histogram.count(), histogram.clipped(), histogram.max()),
        (4, 2, HOUR_US)
    );
}

#[test]
fn histograms_that_differ_in_one_sample_differ() {
    assert_ne!(histogram(&[5, 7]), histogram(&[5, 8]));
    assert_ne!(histogram(&[5]), histogram(&[5, 5]));
    assert_ne!(histogram(&[HOUR_US]), histogram(&[HOUR_US + 1]), "clipped or not");
    assert_ne!(histogram(&[]), histogram(&[0]));
}

/// The twin: averaging the 99th percentiles of two members instead of merging their histograms.
#[test]
fn averaged_percentiles_are_not_the_percentile() {
    let (fast, slow) = (histogram(&vec![100; 9_900]), histogram(&vec![1_000_000; 100]));
    let averaged = (fast.quantile(0.99) + slow.quantile(0.99)) / 2;
    let mut merged = fast;
    merged.merge(&slow);
    assert_eq!(merged.quantile(0.99), 100);
    assert!(averaged > 400_000, "{averaged}");
}

#[test]
fn damaged_blobs_are_refused() {
    for json in [
        r#"{"v2":"!","clipped":0}"#,
        r#"{"v2":"AAAA","clipped":0}"#,
        r#"{"v2":"","clipped":0}"#,
        r#"{"clipped":0}"#,
    ] {
        assert!(serde_json::from_str::<LatencyHistogram>(json).is_err(), "{json}");
    }
}

#[test]
fn a_dense_histogram_stays_small_on_the_wire() -> Result<(), serde_json::Error> {
    let dense = histogram(&(0..200_000).map(|i| i * 17).collect::<Vec<_>>());
    assert!(serde_json::to_string(&dense)?.len() < 32 * 1024);
    Ok(())
}
