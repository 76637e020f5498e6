//! What determines the events of a run.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most partitions of a topic.
pub const PARTITIONS_MAX: u32 = 4096;
/// Most accounts of a run.
pub const ACCOUNTS_MAX: u32 = 100_000_000;
/// Steepest Zipf exponent.
pub const ZIPF_EXPONENT_MAX: f64 = 3.0;
/// Most accounts that are salted.
pub const SALTED_ACCOUNTS_MAX: u32 = 10_000;
/// Most keys that a salted account is spread over.
pub const SALTS_MAX: u16 = 256;

/// Everything that determines the events of a run, and nothing else: two runs of equal specs hold the same events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamSpec {
    /// Seed of the random draws.
    pub seed: u64,
    /// Partitions of the topic, 1 to [`PARTITIONS_MAX`].
    pub partitions: u32,
    /// Number of accounts, 1 to [`ACCOUNTS_MAX`]; their ids are `1..=accounts`, in the order of their Zipf rank.
    pub accounts: u32,
    /// Exponent `s` of the weight `rank^-s` of an account, 0 (all alike) to [`ZIPF_EXPONENT_MAX`].
    pub zipf_exponent: f64,
    /// Spreads the hottest accounts over several keys.
    pub salting: Option<Salting>,
}

/// Spreads each of the hottest accounts evenly over several keys, and so over several partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Salting {
    /// How many accounts are salted: those with the ids `1..=accounts`; 0 is the same as no salting.
    pub accounts: u32,
    /// How many keys each of them has, 1 to [`SALTS_MAX`].
    pub salts: u16,
}

/// A field of a [`StreamSpec`] that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum StreamError {
    /// See [`StreamSpec::partitions`].
    #[error("partitions must be 1 to {PARTITIONS_MAX}, not {0}")]
    Partitions(u32),
    /// See [`StreamSpec::accounts`].
    #[error("accounts must be 1 to {ACCOUNTS_MAX}, not {0}")]
    Accounts(u32),
    /// See [`StreamSpec::zipf_exponent`].
    #[error("zipfExponent must be 0 to {ZIPF_EXPONENT_MAX}, not {0}")]
    ZipfExponent(f64),
    /// See [`Salting::accounts`].
    #[error("salting.accounts must be at most {SALTED_ACCOUNTS_MAX}, not {0}")]
    SaltedAccounts(u32),
    /// More salted accounts than accounts.
    #[error("salting.accounts ({salted}) must not exceed accounts ({accounts})")]
    SaltedBeyondAccounts {
        /// [`Salting::accounts`].
        salted: u32,
        /// [`StreamSpec::accounts`].
        accounts: u32,
    },
    /// See [`Salting::salts`].
    #[error("salting.salts must be 1 to {SALTS_MAX}, not {0}")]
    Salts(u16),
}

impl StreamError {
    /// The field at fault, as users write it.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Partitions(_) => "partitions",
            Self::Accounts(_) => "accounts",
            Self::ZipfExponent(_) => "zipfExponent",
            Self::SaltedAccounts(_) | Self::SaltedBeyondAccounts { .. } => "salting.accounts",
            Self::Salts(_) => "salting.salts",
        }
    }
}

impl StreamSpec {
    /// Checks every field; the error names the first that is out of its range.
    pub fn validate(&self) -> Result<(), StreamError> {
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            return Err(StreamError::Partitions(self.partitions));
        }
        if !(1..=ACCOUNTS_MAX).contains(&self.accounts) {
            return Err(StreamError::Accounts(self.accounts));
        }
        if !(0.0..=ZIPF_EXPONENT_MAX).contains(&self.zipf_exponent) {
            return Err(StreamError::ZipfExponent(self.zipf_exponent));
        }
        self.salting.map_or(Ok(()), |salting| salting.validate(self.accounts))
    }

    /// Number of salted accounts; their ids are `1..=salted_accounts()`.
    pub(crate) fn salted_accounts(&self) -> u32 {
        self.salting.map_or(0, |salting| salting.accounts)
    }

    /// Number of keys of each salted account; 1 without salting.
    pub(crate) fn salts(&self) -> u16 {
        self.salting.map_or(1, |salting| salting.salts)
    }
}

impl Salting {
    fn validate(self, accounts: u32) -> Result<(), StreamError> {
        if self.accounts > SALTED_ACCOUNTS_MAX {
            return Err(StreamError::SaltedAccounts(self.accounts));
        }
        if self.accounts > accounts {
            return Err(StreamError::SaltedBeyondAccounts {
                salted: self.accounts,
                accounts,
            });
        }
        if !(1..=SALTS_MAX).contains(&self.salts) {
            return Err(StreamError::Salts(self.salts));
        }
        Ok(())
    }
}
