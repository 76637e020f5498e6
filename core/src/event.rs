//! The event on the wire: a header of 32 bytes, then padding.

use thiserror::Error;

/// Length of an event's header in bytes; padding follows it up to the message size.
pub const HEADER_LEN: usize = 32;

/// One event: `amount` is added to the total of `account_id`.
///
/// On the wire four little-endian words of 8 bytes, in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Event {
    /// Account to add to; the Zipf rank of the account, from 1.
    pub account_id: u64,
    /// What is added.
    pub amount: i64,
    /// Intended send time, microseconds since the Unix epoch.
    pub ts_us: i64,
    /// Position in the partition's stream, dense from 0.
    pub seq: u64,
}

/// A payload or key that is no event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The payload cannot hold a header.
    #[error("payload of {len} bytes is shorter than the header of {HEADER_LEN} bytes")]
    PayloadTooShort {
        /// Length of the payload in bytes.
        len: usize,
    },
    /// The key is neither a plain nor a salted account.
    #[error("key of {len} bytes is neither 8 (account) nor 10 (account and salt)")]
    KeyLength {
        /// Length of the key in bytes.
        len: usize,
    },
}

impl DecodeError {
    /// A bounded name of the kind of error, for metric labels.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::PayloadTooShort { .. } => "payload_too_short",
            Self::KeyLength { .. } => "key_length",
        }
    }
}

impl Event {
    /// Writes the header into the first [`HEADER_LEN`] bytes of `out`; the rest is left as it is.
    ///
    /// # Panics
    /// When `out` is shorter than the header: message sizes are validated before a run starts.
    #[inline]
    pub fn encode(&self, out: &mut [u8]) {
        let header = &mut out[..HEADER_LEN];
        header[0..8].copy_from_slice(&self.account_id.to_le_bytes());
        header[8..16].copy_from_slice(&self.amount.to_le_bytes());
        header[16..24].copy_from_slice(&self.ts_us.to_le_bytes());
        header[24..32].copy_from_slice(&self.seq.to_le_bytes());
    }

    /// Reads the header at the front of `payload`; what follows it is padding and not looked at.
    #[inline]
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let short = DecodeError::PayloadTooShort { len: payload.len() };
        let header = payload.first_chunk::<HEADER_LEN>().ok_or(short)?;
        let (words, _) = header.as_chunks::<8>();
        Ok(Self {
            account_id: u64::from_le_bytes(words[0]),
            amount: i64::from_le_bytes(words[1]),
            ts_us: i64::from_le_bytes(words[2]),
            seq: u64::from_le_bytes(words[3]),
        })
    }
}
