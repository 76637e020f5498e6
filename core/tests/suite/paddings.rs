//! Padding: as compressible as stated, to the codecs of Kafka, and repeated only a pool away.

use std::collections::HashSet;
use std::io::Write;

use eoslab_core::Padding;

/// A Kafka batch as the default producer cuts it, in bytes.
const BATCH_LEN: usize = 65_536;
/// The largest batch of a broker with default settings.
const LARGEST_BATCH_LEN: usize = 1_000_000;
/// Padding lengths of the messages of 256 B and of 4 KiB, and two awkward ones.
const LENS: [usize; 4] = [224, 4064, 1, 333];

type Codec = fn(&[u8]) -> Vec<u8>;

/// Name, what it may leave beyond the stated share (in points), and the codec.
const CODECS: [(&str, f64, Codec); 4] = [
    ("lz4", 4.0, |bytes| lz4_flex::block::compress(bytes)),
    ("snappy", 6.5, |bytes| {
        snap::raw::Encoder::new().compress_vec(bytes).expect("memory is enough")
    }),
    ("zstd", 1.2, |bytes| {
        zstd::bulk::compress(bytes, 3).expect("memory is enough")
    }),
    ("gzip", 1.7, |bytes| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder
            .write_all(bytes)
            .and_then(|()| encoder.finish())
            .expect("memory is enough")
    }),
];

/// The paddings of events from `seq` on, one after the other.
fn batch(padding: &Padding, seq: u64, len: usize, batch_len: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; batch_len / len * len];
    bytes
        .chunks_mut(len)
        .zip(seq..)
        .for_each(|(out, seq)| padding.fill(seq, out));
    bytes
}

/// What a codec leaves, in percent.
fn left_percent(codec: Codec, bytes: &[u8]) -> f64 {
    100.0 * codec(bytes).len() as f64 / bytes.len() as f64
}

#[test]
fn every_codec_leaves_what_is_stated() {
    for percent in [0, 1, 10, 25, 50, 75, 90, 99, 100] {
        let padding = Padding::new(7, percent);
        for (name, cost, codec) in CODECS {
            for (len, batch_len) in [(224, BATCH_LEN), (4064, BATCH_LEN), (224, LARGEST_BATCH_LEN)] {
                let left = left_percent(codec, &batch(&padding, 1_000_000, len, batch_len));
                let ideal = f64::from(100 - percent);
                assert!(
                    (ideal - 0.1..=ideal + cost).contains(&left),
                    "{name} leaves {left:.1} % of {batch_len} bytes at {percent} % and paddings of {len}"
                );
            }
        }
    }
}

/// The twin: a pool that fits a compressor's window repeats within a batch, and "0 %" compresses to almost nothing.
#[test]
fn a_small_pool_is_caught() {
    let small = &batch(&Padding::new(7, 0), 0, 224, 8 * 1024);
    let repeated: Vec<u8> = small.iter().cycle().take(BATCH_LEN).copied().collect();
    // Snappy looks less and less closely at data that it finds nothing in, and misses this.
    for (name, _, codec) in CODECS.into_iter().filter(|(name, ..)| *name != "snappy") {
        let left = left_percent(codec, &repeated);
        assert!(left < 50.0, "{name} leaves {left:.1} %");
    }
}

#[test]
fn nothing_repeats_within_the_largest_batch() {
    let bytes = batch(&Padding::new(1, 0), 123_456_789, 224, LARGEST_BATCH_LEN);
    let mut seen = HashSet::new();
    assert!(
        bytes
            .windows(8)
            .all(|window| seen.insert(<[u8; 8]>::try_from(window).ok()))
    );
}

#[test]
fn padding_is_a_function_of_seed_percentage_and_seq() {
    for len in LENS {
        let padding = |seed, percent, seq| batch(&Padding::new(seed, percent), seq, len, len.max(2000));
        assert_eq!(padding(1, 50, 9), padding(1, 50, 9));
        assert_ne!(padding(1, 0, 9), padding(2, 0, 9), "seed");
        assert_ne!(padding(1, 0, 9), padding(1, 50, 9), "percentage");
        assert_ne!(padding(1, 0, 9), padding(1, 0, 10), "seq");
    }
}

#[test]
fn every_byte_is_written_for_any_length_and_seq() {
    let padding = Padding::new(3, 0);
    let random = |out: &[u8]| out.iter().filter(|byte| **byte == 0xee).count() < 1 + out.len() / 50;
    for len in [0, 1, 7, 224, 65_536, 1_048_599, 1_048_600, 1_048_601, 3_000_000] {
        for seq in [0, 1, 4680, 4681, u64::MAX / 2, u64::MAX] {
            let mut out = vec![0xee; len];
            padding.fill(seq, &mut out);
            assert!(len < 100 || random(&out), "{len} bytes at seq {seq}");
        }
    }
}

#[test]
fn a_percentage_above_100_is_100() {
    let bytes = batch(&Padding::new(3, 255), 5, 224, 10_000);
    assert!(bytes.iter().all(|byte| *byte == 0));
}
