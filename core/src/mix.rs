//! The 64-bit mix that the streams, the padding and the digests are made of.

/// Weyl increment: the odd integer nearest to 2^64 divided by the golden ratio.
pub(crate) const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64-bit words whose every output bit depends on every input bit (splitmix64's finaliser).
///
/// Frozen: streams and digests of finished runs depend on it.
#[inline(always)]
pub(crate) const fn mix64(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Word `index` of the random sequence that starts at `key`.
#[inline(always)]
pub(crate) const fn nth(key: u64, index: u64) -> u64 {
    mix64(key.wrapping_add(index.wrapping_mul(GAMMA)))
}

/// Folds `word` into an order-sensitive digest.
pub(crate) const fn fold(digest: u64, word: u64) -> u64 {
    mix64(digest.wrapping_mul(GAMMA) ^ mix64(word.wrapping_add(GAMMA)))
}

/// A number below `bound`, evenly spread, from the high half of a random word.
#[inline(always)]
pub(crate) const fn below(word: u64, bound: u32) -> u32 {
    (((word >> 32) * bound as u64) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_flips_half_the_bits() {
        for bit in 0..64 {
            let words = (0..1000).map(|index| nth(1, index));
            let changed: u32 = words
                .map(|word| (mix64(word) ^ mix64(word ^ (1 << bit))).count_ones())
                .sum();
            assert!(
                (31_000..33_000).contains(&changed),
                "bit {bit} changes {changed} of 64,000 bits"
            );
        }
    }
}
