//! A reused buffer of encoded records, filled from a stream.

use eoslab_core::{Draw, Event, HEADER_LEN, Key, Padding, PartitionStream};

/// Wanted size of a full batch in bytes: enough records to share the cost of handing them over, few enough to stay in
/// the second-level cache.
const BATCH_BYTES: usize = 64 * 1024;
/// Fewest and most records in a batch.
const BATCH_RECORDS: (usize, usize) = (16, 512);

/// Encoded records of one partition, ready to be handed over.
pub struct Records {
    padding: Padding,
    message_size: usize,
    capacity: usize,
    draws: Vec<Draw>,
    keys: Vec<Key>,
    payloads: Vec<u8>,
}

/// One encoded record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub payload: &'a [u8],
}

impl Records {
    /// An empty buffer for records with values of `message_size` bytes, at least [`HEADER_LEN`].
    pub fn new(seed: u64, compressibility_percent: u8, message_size: usize) -> Self {
        let capacity = (BATCH_BYTES / message_size.max(1)).clamp(BATCH_RECORDS.0, BATCH_RECORDS.1);
        let nothing = Draw {
            account_id: 0,
            amount: 0,
            salt: None,
            slot: 0,
        };
        Self {
            padding: Padding::new(seed, compressibility_percent),
            message_size: message_size.max(HEADER_LEN),
            capacity,
            draws: vec![nothing; capacity],
            keys: Vec::with_capacity(capacity),
            payloads: vec![0; capacity * message_size.max(HEADER_LEN)],
        }
    }

    /// Most records that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Replaces the contents with the events from `first_seq` on, `count` or [`Self::capacity`] of them, whichever is
    /// less, with these timestamps, of which there are as many.
    pub fn fill(&mut self, stream: &PartitionStream, first_seq: u64, count: usize, ts_us: impl Iterator<Item = i64>) {
        let draws = &mut self.draws[..count.min(self.capacity)];
        stream.fill(first_seq, draws);
        self.keys.clear();
        let payloads = self.payloads.chunks_exact_mut(self.message_size);
        for (((draw, payload), ts_us), seq) in draws.iter().zip(payloads).zip(ts_us).zip(first_seq..) {
            self.keys.push(Key::new(draw.account_id, draw.salt));
            Event {
                account_id: draw.account_id,
                amount: draw.amount,
                ts_us,
                seq,
            }
            .encode(payload);
            self.padding.fill(seq, &mut payload[HEADER_LEN..]);
        }
    }

    /// The records in their order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let payloads = self.payloads.chunks_exact(self.message_size);
        self.keys.iter().zip(payloads).map(|(key, payload)| Record {
            key: key.as_bytes(),
            payload,
        })
    }
}
