//! Record keys and the partition that every Kafka client gives them.

use crate::DecodeError;

const PLAIN_LEN: usize = 8;
const SALTED_LEN: usize = 10;

/// The key of a record: the account, and for a salted account one of its salts.
///
/// On the wire the account as 8 bytes little-endian, followed by the salt as 2 bytes little-endian if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    bytes: [u8; SALTED_LEN],
    len: u8,
}

impl Key {
    /// The key of an account, or of one salt of a salted account.
    #[inline]
    pub fn new(account_id: u64, salt: Option<u16>) -> Self {
        let mut bytes = [0; SALTED_LEN];
        bytes[..PLAIN_LEN].copy_from_slice(&account_id.to_le_bytes());
        bytes[PLAIN_LEN..].copy_from_slice(&salt.unwrap_or(0).to_le_bytes());
        let len = if salt.is_some() { SALTED_LEN } else { PLAIN_LEN };
        Self { bytes, len: len as u8 }
    }

    /// The key as it is sent.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Reads the account and its salt from a record's key.
    #[inline]
    pub fn decode(key: &[u8]) -> Result<(u64, Option<u16>), DecodeError> {
        match (key.first_chunk::<PLAIN_LEN>(), key.get(PLAIN_LEN..)) {
            (Some(account), Some([])) => Ok((u64::from_le_bytes(*account), None)),
            (Some(account), Some(&[low, high])) => {
                Ok((u64::from_le_bytes(*account), Some(u16::from_le_bytes([low, high]))))
            }
            _ => Err(DecodeError::KeyLength { len: key.len() }),
        }
    }

    /// The partition of this key in a topic of `partitions`; see [`partition_of`].
    #[inline]
    pub fn partition(&self, partitions: u32) -> u32 {
        // Two calls of a known length: each compiles to straight code without a loop.
        let hash = match self.len as usize {
            PLAIN_LEN => murmur2(&self.bytes[..PLAIN_LEN]),
            _ => murmur2(&self.bytes[..]),
        };
        positive(hash) % partitions
    }
}

/// The partition that the Java client's default partitioner gives to a record with this key.
///
/// # Panics
/// When `partitions` is 0.
#[inline]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    positive(murmur2(key)) % partitions
}

/// The Java client takes the remainder of a signed number, with the sign bit cleared (not negated) before.
const fn positive(hash: u32) -> u32 {
    hash & 0x7fff_ffff
}

/// MurmurHash2 of 32 bits with the Java client's seed, bit for bit what `Utils.murmur2` computes.
#[inline(always)]
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    let (words, tail) = data.as_chunks::<4>();
    let mut hash = SEED ^ data.len() as u32;
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        let word = (word ^ (word >> 24)).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ word;
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |rest, byte| (rest << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}
