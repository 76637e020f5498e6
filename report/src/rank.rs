//! Whether two series of numbers differ by more than chance: the test of Mann and Whitney, on medians of blocks.
//!
//! Values that follow each other resemble each other, which would make any difference look certain. So each run is cut
//! into blocks, and one block counts as one value.

/// Fewest blocks that say anything.
pub(crate) const BLOCKS_MIN: usize = 8;
/// Most blocks of a run.
const BLOCKS_MAX: usize = 20;
/// Fewest values of a block.
const BLOCK_VALUES_MIN: usize = 3;

/// Medians of consecutive blocks of equal length.
pub(crate) fn blocks(values: &[f64]) -> Vec<f64> {
    let length = values.len().div_ceil(BLOCKS_MAX).max(BLOCK_VALUES_MIN);
    values.chunks_exact(length).map(median).collect()
}

/// The middle value; of an even number the mean of both. NaN without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => f64::NAN,
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The chance that two samples of one distribution differ at least so much, by the normal approximation with the
/// correction for ties (H. B. Mann, D. R. Whitney, 1947).
pub(crate) fn two_sided_p(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = a.iter().map(|value| (*value, true)).collect();
    all.extend(b.iter().map(|value| (*value, false)));
    all.sort_by(|one, two| one.0.total_cmp(&two.0));
    let (mut rank_sum, mut ties, mut below) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|one, two| one.0 == two.0) {
        let count = equal.len() as f64;
        let of_a = equal.iter().filter(|(_, is_of_a)| *is_of_a).count() as f64;
        rank_sum += of_a * (below + (count + 1.0) / 2.0);
        ties += count.powi(3) - count;
        below += count;
    }
    let (n_a, n_b, n) = (a.len() as f64, b.len() as f64, all.len() as f64);
    let u = rank_sum - n_a * (n_a + 1.0) / 2.0;
    let variance = n_a * n_b / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - n_a * n_b / 2.0).abs() - 0.5).max(0.0);
    libm::erfc(distance / (2.0 * variance).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values of scipy.stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=True).
    #[test]
    fn the_chance_is_what_another_implementation_says() {
        let near = |p: f64, wanted: f64| assert!((p - wanted).abs() < 1e-6, "{p} instead of {wanted}");
        near(
            two_sided_p(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]),
            SEPARATE,
        );
        near(
            two_sided_p(&[1.0, 2.0, 2.0, 3.0, 5.0], &[2.0, 3.0, 4.0, 4.0, 6.0]),
            TIED,
        );
        near(two_sided_p(&[1.0; 9], &[1.0; 9]), 1.0);
    }

    const SEPARATE: f64 = 0.012_185_780_355_344_818;
    const TIED: f64 = 0.241_844_304_049_463_1;

    #[test]
    fn a_block_is_one_value_however_many_it_holds() {
        assert_eq!(blocks(&[1.0, 9.0, 2.0, 5.0, 5.0, 5.0, 7.0]), [2.0, 5.0]);
        assert_eq!(blocks(&[1.0; 400]).len(), 20);
        assert_eq!(blocks(&[]), [0.0; 0]);
    }
}
