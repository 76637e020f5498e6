use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BottleneckStatus, Validity, Verdict};
use crate::terms::terms;

terms! {
    /// Why a rate is tried.
    ProbePurpose {
        /// On the way up (or down) until the first rate fails (or holds).
        #[default]
        Ramp = "Ramp",
        /// Between the highest rate that held and the lowest that failed.
        Bisect = "Bisect",
        /// Once more, because one result may be chance.
        Repeat = "Repeat",
        /// At the rate that failed, with the bottleneck relieved.
        Confirm = "Confirm",
        /// At 80 % of the ceiling, for long, against the objectives.
        Objective = "Objective",
    }
}

impl ProbePurpose {
    /// Whether its result moves the search.
    pub fn is_of_the_search(self) -> bool {
        matches!(self, Self::Ramp | Self::Bisect | Self::Repeat)
    }
}

/// One rate that was tried: a LoadTest of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// Name of its LoadTest.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The rate, events a second.
    pub rate_per_second: u64,
    /// Why it was tried.
    pub purpose: ProbePurpose,
    /// Whether the rate held: every account exact, all of it sent in time, no growing lag, every objective met. Absent while
    /// it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
    /// Why it did not hold, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Verdict of its LoadTest.
    pub verdict: Verdict,
    /// Validity of its latencies; one that held and is not `Valid` has upper bounds.
    pub validity: Validity,
    /// End-to-end latency, 99th percentile, microseconds; absent without samples.
    #[serde(rename = "endToEndP99Us", skip_serializing_if = "Option::is_none")]
    pub end_to_end_p99_us: Option<u64>,
    /// Most events that ever waited to be counted.
    pub peak_lag_records: u64,
    /// What stopped it, if it did not hold; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<BottleneckStatus>,
}

/// What a LoadTest of `rate: search` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CeilingStatus {
    /// Highest rate that held, events a second; absent until one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<u64>,
    /// Lowest rate that did not hold, events a second; absent until one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_rate_per_second: Option<u64>,
    /// What stopped the lowest rate that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<BottleneckStatus>,
    /// What the confirming runs change to relieve it; absent where no LoadTest can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relief: Option<String>,
    /// Whether the rate that failed held with that: then this is what stopped it. Absent until two runs agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<bool>,
    /// Every rate that was tried, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub probes: Vec<Probe>,
}
