//! The report of a LoadTest: what its status says, how it went over time, and what it was run with.
//!
//! `report.json` is [`Report`], `report.html` the same in one page that needs nothing else ([`html`]). The operator keeps
//! both in the ConfigMap `<loadtest>-report`. The schema is committed as `report.schema.json`.

mod compare;
pub mod display;
mod html;
mod provenance;
mod rank;
mod series;
#[cfg(test)]
mod tests;

use eoslab_api::chaos::{FaultType, InjectionState};
use eoslab_api::{LoadTestSpec, LoadTestStatus, PausedPartition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use compare::{Comparison, Difference, Judgement, Setting, Unit, compare};
pub use html::render;
pub use provenance::Provenance;
pub use series::{Bin, Cpu, Distribution, LatencyPoint, POINTS_MAX, Point, Series, bins};

/// Version of the format; grows with each change that a reader has to know of.
pub const SCHEMA_VERSION: u32 = 1;
/// Key of the ConfigMap that holds the report as JSON.
pub const JSON_KEY: &str = "report.json";
/// Key of the ConfigMap that holds it as a page.
pub const HTML_KEY: &str = "report.html";
/// Most pauses that a report lists; the longest stay.
pub const PAUSES_MAX: usize = 500;

/// Name of the ConfigMap that holds the report of this LoadTest.
pub fn config_map_name(loadtest: &str) -> String {
    format!("{loadtest}-report")
}

/// The report of a LoadTest. Members named `...Ms` that tell a moment count from `series.startedAt`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this format.
    pub schema_version: u32,
    /// When it was written: before the verdict was known where `status.verdict` is `Pending`.
    pub written_at: MicroTime,
    /// Which LoadTest it is about.
    pub load_test: Identity,
    /// `spec` of the LoadTest, with its defaults.
    pub spec: LoadTestSpec,
    /// `status` of the LoadTest: the verdict, and every figure that stands for the whole run.
    pub status: LoadTestStatus,
    /// What it was run with.
    pub provenance: Provenance,
    /// How it went over time. Without points for a search, whose runs have reports of their own while they exist.
    pub series: Series,
    /// How the latencies after the warm-up are distributed.
    pub distribution: Distribution,
    /// Times in which a partition was not counted although events waited, in the order of their ends; the longest
    /// 500 of `status.pauses.count`.
    pub pauses: Vec<PauseReport>,
    /// Faults that ChaosRuns injected into this run.
    pub faults: Vec<FaultReport>,
    /// What was left out, in words, because the report would have been too large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
}

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no JSON, or has another form.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// It has a form of another version.
    #[error("its format has version {0}, and this program knows {SCHEMA_VERSION}")]
    Version(u64),
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// Why the text is none that this version knows.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        let version = value.get("schemaVersion").and_then(serde_json::Value::as_u64);
        match version.filter(|version| *version != u64::from(SCHEMA_VERSION)) {
            Some(other) => Err(ReadError::Version(other)),
            None => Ok(serde_json::from_value(value)?),
        }
    }

    /// As JSON of at most so many bytes: what can be spared is left out, one after the other, and named in `omitted`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_json_within(&mut self, bytes_max: usize) -> Result<String, serde_json::Error> {
        let mut json = serde_json::to_string(self)?;
        for (what, leave_out) in SPARED {
            if json.len() <= bytes_max {
                break;
            }
            leave_out(self);
            self.omitted.push(what.to_owned());
            json = serde_json::to_string(self)?;
        }
        Ok(json)
    }
}

/// Leaves something out.
type LeaveOut = fn(&mut Report);

/// What a report can do without, the least needed first.
const SPARED: [(&str, LeaveOut); 4] = [
    ("the paused partitions of each fault", |report| {
        report.faults.iter_mut().for_each(|fault| fault.pauses.clear());
    }),
    ("all pauses but the last 100", |report| {
        report.pauses.drain(..report.pauses.len().saturating_sub(100));
    }),
    ("all faults but the last 200", |report| {
        report.faults.drain(..report.faults.len().saturating_sub(200));
    }),
    ("the members", |report| report.status.members.clear()),
];

/// Which LoadTest a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: the identity of the run.
    pub uid: String,
}

/// A time in which a partition was not counted although events waited, by the ledger's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseReport {
    /// The partition.
    pub partition: u32,
    /// When it ended.
    pub ended_at_ms: i64,
    /// How long it was, milliseconds.
    pub length_ms: u64,
    /// Slot that counted before.
    pub member_before: String,
    /// Slot that counted after.
    pub member_after: String,
}

/// One fault that a ChaosRun injected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultReport {
    /// The ChaosRun.
    pub chaos_run: String,
    /// What was done.
    #[serde(rename = "type")]
    pub fault_type: FaultType,
    /// Where it stood when the report was written.
    pub state: InjectionState,
    /// Who was hit: namespace and name.
    pub victim: String,
    /// When it was injected.
    pub injected_at_ms: i64,
    /// When everything was steady again; absent where it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered_at_ms: Option<i64>,
    /// Longest pause of any partition, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_pause_ms: Option<u64>,
    /// Longest time without an acknowledgement of any partition, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_ack_gap_ms: Option<u64>,
    /// The longest pauses, a partition each.
    pub pauses: Vec<PausedPartition>,
    /// Events lost in its window.
    pub lost: u64,
    /// Events counted twice in its window.
    pub duplicated: u64,
}
