//! Padding of a stated compressibility.

use crate::mix::{fold, nth};

/// Bytes after which the pattern of constant and random bytes starts again; 2 bytes are 1 percent.
const GRAIN: usize = 200;
/// Length of the pool in bytes: whole grains, 1 MiB.
const POOL_LEN: usize = 5243 * GRAIN;

/// Padding of a stated compressibility: of every 200 bytes, the first `2 × percent` are zero and the others random.
///
/// The percentage is thus the share of the padding that carries no information. An ideal compressor leaves `100 -
/// percent` percent, for neither matches nor skewed bytes are to be found in the random part. The codecs of Kafka leave
/// a little more, as coding a run of zeros costs bytes: Zstandard about 1 point, gzip 1.5, LZ4 up to 4, Snappy up to
/// 6.5 (measured by the tests). Below 4 % the runs are too short for any of them; 0 cannot be compressed.
///
/// Paddings are successive pieces of a pool of 1 MiB, taken by seq. A repeat is therefore a pool away in the stream of
/// its partition: beyond the windows of LZ4, Snappy and gzip, and beyond a batch of Kafka's default largest size.
#[derive(Clone, Debug)]
pub struct Padding {
    pool: Box<[u8]>,
}

impl Padding {
    /// Makes the pool; a percentage above 100 counts as 100.
    pub fn new(seed: u64, compressibility_percent: u8) -> Self {
        let zeros = GRAIN * usize::from(compressibility_percent.min(100)) / 100;
        let key = fold(seed, u64::from_le_bytes(*b"padding\0"));
        let mut pool = vec![0; POOL_LEN].into_boxed_slice();
        for (index, word) in pool.chunks_mut(8).enumerate() {
            word.copy_from_slice(&nth(key, index as u64).to_le_bytes());
        }
        pool.chunks_mut(GRAIN).for_each(|grain| grain[..zeros].fill(0));
        Self { pool }
    }

    /// Fills `out`, the padding of the event at `seq`. Fill paddings of one length with one `Padding`: the places that
    /// they take of the pool follow from their length.
    #[inline]
    pub fn fill(&self, seq: u64, out: &mut [u8]) {
        let start = (seq.wrapping_mul(out.len() as u64) % POOL_LEN as u64) as usize;
        match self.pool.get(start..start + out.len()) {
            Some(piece) => out.copy_from_slice(piece),
            None => self.fill_around(start, out),
        }
    }

    #[cold]
    fn fill_around(&self, start: usize, out: &mut [u8]) {
        let (first, rest) = out.split_at_mut(out.len().min(POOL_LEN - start));
        first.copy_from_slice(&self.pool[start..start + first.len()]);
        rest.chunks_mut(POOL_LEN)
            .for_each(|piece| piece.copy_from_slice(&self.pool[..piece.len()]));
    }
}
