//! `spec.limits` and `spec.slo`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Times after which a phase is given up, so that no run waits forever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitsSpec {
    /// Longest time that a slot of a producer or counter may be without a working pod during the run, seconds; then the
    /// run ends with that pod's reason. Default 120: a killed pod is back in seconds, a crash loop is not. A crash
    /// loop while events are sent ends the run after 240 at most.
    #[schemars(range(min = 10, max = 3600))]
    pub slot_timeout_seconds: u32,

    /// Longest time until the topic exists and every pod is ready, seconds. Default 180.
    #[schemars(range(min = 10, max = 3600))]
    pub provisioning_timeout_seconds: u32,

    /// Longest time that the counters may need for the rest after the last event was sent, seconds. Default 300.
    #[schemars(range(min = 10, max = 86_400))]
    pub drain_timeout_seconds: u32,

    /// Longest time that the verification of every account may take, seconds. Default 1800.
    #[schemars(range(min = 10, max = 86_400))]
    pub verify_timeout_seconds: u32,

    /// Longest time from the first event to the last, seconds; a run that sends for longer is ended. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 691_200))]
    pub max_duration_seconds: Option<u32>,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            slot_timeout_seconds: 120,
            provisioning_timeout_seconds: 180,
            drain_timeout_seconds: 300,
            verify_timeout_seconds: 1800,
            max_duration_seconds: None,
        }
    }
}

/// Objectives of the run, judged at its end over what was measured after the warm-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SloSpec {
    /// Most that the 99th percentile of the end-to-end latency may be, milliseconds: from the intended send to the
    /// acknowledged count. Default: not judged.
    #[serde(default, rename = "endToEndP99Ms", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub end_to_end_p99_ms: Option<u32>,

    /// Most events that may ever wait to be counted, all partitions together. Default: not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub max_lag_records: Option<u64>,
}
