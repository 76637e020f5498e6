//! `spec.stream`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cel;

/// The event stream, a pure function of these values and of the number of partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = cel::STREAM))]
pub struct StreamSpec {
    /// Seed of every random choice. Two runs with equal seeds send equal events. Default 42.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,

    /// Number of accounts; ids are 1 to this number, and account 1 is the hottest. Redis needs 8 bytes for each, the
    /// load pods up to 32. Default 10000000.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub accounts: u32,

    /// Skew of the accounts: the exponent of their Zipf distribution, a decimal from 0 (uniform) to 3, in quotes. A
    /// string, for the API of Kubernetes has no exact decimals. Default `"1.1"`: the hottest account gets about an
    /// eighth of all events, so one partition becomes the straggler.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-validations" = cel::ZIPF))]
    pub zipf_exponent: String,

    /// Size of an event's payload, bytes: 32 of header, the rest padding. Default 256.
    #[schemars(range(min = 32, max = 1_048_576))]
    pub message_size_bytes: u32,

    /// How much of the padding a compressor can remove, percent. Default 50: results with compression mean nothing for
    /// padding that is all zeros or all random.
    #[schemars(range(min = 0, max = 100))]
    pub compressibility_percent: u8,

    /// Spreads the hottest accounts over several partitions. Default: none, an account has one partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salting: Option<SaltingSpec>,
}

/// Spreads the hottest accounts over several keys, hence over several partitions; an account's total is the sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaltingSpec {
    /// Number of accounts to spread, the hottest first.
    #[schemars(range(min = 1, max = 10_000))]
    pub accounts: u32,

    /// Keys for each of them. More keys than partitions spread no further.
    #[schemars(range(min = 2, max = 256))]
    pub salts: u16,
}

impl Default for StreamSpec {
    fn default() -> Self {
        Self {
            seed: 42,
            accounts: 10_000_000,
            zipf_exponent: "1.1".to_owned(),
            message_size_bytes: 256,
            compressibility_percent: 50,
            salting: None,
        }
    }
}
