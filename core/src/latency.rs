//! Latency histograms that travel whole and are merged, never averaged.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as V2Deserializer, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// A histogram of latencies from 1 us to 1 h at three significant digits.
///
/// Longer ones count as 1 h and are counted as [`Self::clipped`] as well; 0 is kept as 0. What is read out is rounded
/// up to the histogram's resolution of a thousandth. Takes no memory until the first record, 184 KiB from then on.
/// In JSON: `{"v2": base64 of HdrHistogram's V2 encoding with deflate, "clipped": n}`.
#[derive(Clone, Default)]
pub struct LatencyHistogram {
    samples: Option<Box<Histogram<u64>>>,
    clipped: u64,
}

impl LatencyHistogram {
    /// Longest latency that is told from longer ones: an hour, in microseconds.
    pub const US_MAX: u64 = 3_600_000_000;

    /// Records one latency, in microseconds.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.clipped += u64::from(us > Self::US_MAX);
        self.samples
            .get_or_insert_with(empty)
            .saturating_record(us.min(Self::US_MAX));
    }

    /// Adds all samples of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.clipped += other.clipped;
        if let Some(samples) = &other.samples {
            let merged = self.samples.get_or_insert_with(empty).add(samples.as_ref());
            merged.expect("both histograms have the same bounds");
        }
    }

    /// The latency in microseconds that the share `q` (0 to 1) of the samples does not exceed; 0 without samples.
    pub fn quantile(&self, q: f64) -> u64 {
        self.samples
            .as_ref()
            .map_or(0, |samples| samples.value_at_quantile(q).min(Self::US_MAX))
    }

    /// The samples that were added since `before`, which this histogram held once; `None` where it never did.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let Some(held) = &before.samples else {
            return Some(self.clone());
        };
        let mut samples = self.samples.clone()?;
        samples.subtract(held.as_ref()).ok()?;
        Some(Self {
            samples: Some(samples),
            clipped: self.clipped.checked_sub(before.clipped)?,
        })
    }

    /// Number of samples up to this latency, in microseconds, at the histogram's resolution.
    pub fn count_up_to(&self, us: u64) -> u64 {
        self.samples
            .as_ref()
            .map_or(0, |samples| samples.count_between(0, us.min(Self::US_MAX)))
    }

    /// Number of samples, clipped ones included.
    pub fn count(&self) -> u64 {
        self.samples.as_ref().map_or(0, |samples| samples.len())
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The longest latency, in microseconds; 0 without samples.
    pub fn max(&self) -> u64 {
        self.samples
            .as_ref()
            .map_or(0, |samples| samples.max().min(Self::US_MAX))
    }

    /// Number of samples above [`Self::US_MAX`], which count as that.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }
}

fn empty() -> Box<Histogram<u64>> {
    let histogram = Histogram::new_with_bounds(1, LatencyHistogram::US_MAX, 3);
    Box::new(histogram.expect("the bounds are constant and valid"))
}

impl PartialEq for LatencyHistogram {
    fn eq(&self, other: &Self) -> bool {
        let samples = match (&self.samples, &other.samples) {
            (Some(one), Some(two)) => one == two,
            _ => self.is_empty() && other.is_empty(),
        };
        samples && self.clipped == other.clipped
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyHistogram")
            .field("count", &self.count())
            .field("p50_us", &self.quantile(0.5))
            .field("p99_us", &self.quantile(0.99))
            .field("max_us", &self.max())
            .field("clipped", &self.clipped)
            .finish()
    }
}

/// The form in JSON.
#[derive(Serialize, Deserialize)]
struct Wire {
    v2: String,
    clipped: u64,
}

impl Serialize for LatencyHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nothing = self.samples.is_none().then(empty);
        let mut bytes = Vec::new();
        if let Some(samples) = self.samples.as_ref().or(nothing.as_ref()) {
            V2DeflateSerializer::new()
                .serialize(samples, &mut bytes)
                .map_err(ser::Error::custom)?;
        }
        Wire {
            v2: STANDARD.encode(bytes),
            clipped: self.clipped,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LatencyHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { v2, clipped } = Wire::deserialize(deserializer)?;
        let bytes = STANDARD.decode(v2).map_err(de::Error::custom)?;
        let read: Histogram<u64> = V2Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(de::Error::custom)?;
        if read.is_empty() {
            return Ok(Self { samples: None, clipped });
        }
        // Into bounds of our own: the sender's could be others.
        let mut samples = empty();
        samples.add(read).map_err(de::Error::custom)?;
        Ok(Self {
            samples: Some(samples),
            clipped,
        })
    }
}
