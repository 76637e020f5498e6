//! `spec.search`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a LoadTest of `rate: search` looks for the highest rate that holds: by runs of fixed rates, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SearchSpec {
    /// First rate that is tried, events a second. Default 5000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub start_rate: u64,

    /// Highest rate that is tried, events a second. Default 2000000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_rate: u64,

    /// How long each rate is measured, seconds, after `spec.producer.warmupSeconds`. Default 15.
    #[schemars(range(min = 5, max = 3600))]
    pub probe_seconds: u32,

    /// The search ends when the lowest rate that failed exceeds the highest that held by at most this, percent.
    /// Default 10: closer than two runs of a shared machine agree.
    #[schemars(range(min = 1, max = 100))]
    pub resolution_percent: u32,

    /// How long the rate at 80 % of the ceiling is measured in the end against `spec.slo`, seconds; 0 leaves that run
    /// out. Default 60.
    #[schemars(range(min = 0, max = 86_400))]
    pub objective_seconds: u32,

    /// The search ends after this, seconds, with what it knows; a run that has begun is ended. Default 1200.
    #[schemars(range(min = 60, max = 604_800))]
    pub timeout_seconds: u32,
}

impl Default for SearchSpec {
    fn default() -> Self {
        Self {
            start_rate: 5_000,
            max_rate: 2_000_000,
            probe_seconds: 15,
            resolution_percent: 10,
            objective_seconds: 60,
            timeout_seconds: 1200,
        }
    }
}
