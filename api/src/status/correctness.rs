//! `status.correctness`: what was counted against what the stream says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most accounts with a wrong total that a status names; further ones are only counted.
pub const WRONG_ACCOUNTS_MAX: usize = 10;
/// Most malformed records that a status names; further ones are only counted.
pub const MALFORMED_SAMPLES_MAX: usize = 20;

/// Whether every account has the total that the stream says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CorrectnessStatus {
    /// Events of the stream.
    pub expected: u64,
    /// Events in the log, duplicates left out.
    pub in_log: u64,
    /// Events counted in the ledger.
    pub counted: u64,
    /// Events missing in the ledger, summed over the partitions that hold too few.
    pub lost: u64,
    /// Events too many in the ledger, summed over the partitions that hold too many.
    pub duplicated: u64,
    /// Accounts compared: every one.
    pub accounts_compared: u64,
    /// Accounts whose total is wrong.
    pub accounts_wrong: u64,
    /// Partitions whose tally is not the stream's.
    #[schemars(length(max = 512))]
    pub partitions_wrong: Vec<u32>,
    /// Whether the digest over all counted events is the stream's; absent until verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_matches: Option<bool>,
    /// The first wrong accounts.
    #[schemars(length(max = 10))]
    pub wrong_accounts: Vec<WrongAccountStatus>,
    /// The first records that are no event of the stream.
    #[schemars(length(max = 20))]
    pub malformed_samples: Vec<MalformedSampleStatus>,
}

impl CorrectnessStatus {
    /// Whether the verification is done: before it, nothing is known to be lost or doubled.
    pub fn is_verified(&self) -> bool {
        self.digest_matches.is_some()
    }
}

/// An account whose total is not what the stream says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WrongAccountStatus {
    /// The account.
    pub account_id: u64,
    /// The partition whose share of the account is wrong.
    pub partition: u32,
    /// Total that the stream says.
    pub expected: i64,
    /// Total in the ledger.
    pub counted: i64,
}

/// A record that could not be counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MalformedSampleStatus {
    /// Partition of the record.
    pub partition: u32,
    /// Offset of the record.
    pub offset: i64,
    /// What is wrong with it.
    pub reason: String,
}
