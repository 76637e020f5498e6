//! Whether a number that was looked at again and again grows: tested, not looked at.

/// Fewest samples that a growth is told from.
pub const SAMPLES_MIN: usize = 8;
/// Standard normal quantile above which an increase is no chance: one time in 1000 it is, of independent samples.
const Z_MIN: f64 = 3.09;

/// The growth a second of a number, from `(at_us, value)` in the order of time; 0 where it may be chance.
///
/// Whether it grows at all is the Mann-Kendall test, one-sided (Mann 1945, Kendall 1975); how fast is the Theil-Sen
/// slope, the median of the slopes of all pairs (Sen 1968). Neither assumes a distribution, and one stall among the
/// samples moves neither much. The test takes the samples to be independent; where each is close to the one before, a
/// growth is found by chance more often, so callers also ask for how much it grows.
pub fn growth_per_second(samples: &[(i64, u64)]) -> f64 {
    if samples.len() < SAMPLES_MIN {
        return 0.0;
    }
    let pairs = samples.iter().enumerate();
    let pairs = pairs.flat_map(|(index, first)| samples[index + 1..].iter().map(move |second| (first, second)));
    let mut slopes: Vec<f64> = pairs
        .filter(|(first, second)| second.0 > first.0)
        .map(|(first, second)| (second.1 as f64 - first.1 as f64) * 1e6 / (second.0 - first.0) as f64)
        .collect();
    if slopes.is_empty() || z(samples.len(), &slopes) < Z_MIN {
        return 0.0;
    }
    let middle = slopes.len() / 2;
    let (_, median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
    median.max(0.0)
}

/// How far the number of pairs that rise exceeds that of pairs that fall, in standard deviations.
fn z(samples: usize, slopes: &[f64]) -> f64 {
    let rising = slopes.iter().filter(|slope| **slope > 0.0).count() as f64;
    let falling = slopes.iter().filter(|slope| **slope < 0.0).count() as f64;
    let n = samples as f64;
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    (rising - falling - 1.0) / deviation
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn each_second(values: &[u64]) -> Vec<(i64, u64)> {
        (0..)
            .map(|second| second * 1_000_000)
            .zip(values.iter().copied())
            .collect()
    }

    #[test]
    fn what_grows_is_told_from_what_does_not() {
        let rising: Vec<u64> = (0..15).map(|second| second * 100).collect();
        let mut stalled = vec![40; 15];
        stalled[7] = 9000;
        stalled[8] = 5000;
        let falling: Vec<u64> = (0..15).rev().map(|second| second * 100).collect();
        let table = [
            ("rising", rising.clone(), 100.0),
            ("one stall", stalled, 0.0),
            ("falling", falling, 0.0),
            ("flat", vec![7; 15], 0.0),
            ("too few", rising[..SAMPLES_MIN - 1].to_vec(), 0.0),
            ("none", vec![], 0.0),
        ];
        for (name, values, growth) in table {
            assert_eq!(growth_per_second(&each_second(&values)), growth, "{name}");
        }
    }

    #[test]
    fn samples_of_one_moment_are_no_growth() {
        assert_eq!(growth_per_second(&[(5, 1); 20]), 0.0);
    }

    proptest! {
        /// Noise of any kind around a growth that is larger than it.
        #[test]
        fn noise_hides_no_growth(noise in prop::collection::vec(0_u64..200, 12..60)) {
            let values: Vec<u64> = noise.iter().zip(0..).map(|(noise, second)| second * 100 + noise).collect();
            let growth = growth_per_second(&each_second(&values));
            prop_assert!((70.0..130.0).contains(&growth), "{growth}");
        }
    }

    /// Of 2000 series without growth, few are taken for one: as many as the level of the test says.
    #[test]
    fn chance_is_seldom_taken_for_growth() {
        let random = |number: u64| eoslab_core::digest_mix(0, number, 0, 0) % 1000;
        let wrong = (0..2000).filter(|series| {
            let values: Vec<u64> = (0..15).map(|sample| random(series * 15 + sample)).collect();
            growth_per_second(&each_second(&values)) > 0.0
        });
        assert!(wrong.count() <= 10);
    }
}
