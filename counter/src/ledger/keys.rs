//! The one place that knows how the ledger's keys are spelled.

/// Keys of one run. All keys of a partition share a hash tag, so that they live in one place of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    run_id: String,
}

impl Keys {
    /// Keys of the run `run_id`, or `None` where its characters would break the hash tag.
    pub fn new(run_id: &str) -> Option<Self> {
        is_name(run_id).then(|| Self {
            run_id: run_id.to_owned(),
        })
    }

    /// Ledger and totals of a partition.
    pub fn totals(&self, partition: u32) -> String {
        self.of(partition, "totals")
    }

    /// Names of the members by their ids.
    pub fn members(&self, partition: u32) -> String {
        self.of(partition, "members")
    }

    /// Pauses, newest first.
    pub fn pauses(&self, partition: u32) -> String {
        self.of(partition, "pauses")
    }

    fn of(&self, partition: u32, kind: &str) -> String {
        format!("eoslab:{{{}/{partition}}}:{kind}", self.run_id)
    }
}

/// Whether a text can name a run or a group: 1 to 128 ASCII letters, digits, `-`, `_` and `.`.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=128).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_partition_share_its_hash_tag() {
        let keys = Keys::new("3f0c-1").expect("a plain run id");
        assert_eq!(keys.totals(17), "eoslab:{3f0c-1/17}:totals");
        assert_eq!(keys.members(17), "eoslab:{3f0c-1/17}:members");
        assert_eq!(keys.pauses(17), "eoslab:{3f0c-1/17}:pauses");
    }

    #[test]
    fn a_run_id_that_would_break_the_hash_tag_is_refused() {
        for bad in ["", "a}b", "a{b", "a b", "a/b", "ä"] {
            assert!(Keys::new(bad).is_none(), "{bad:?}");
        }
    }
}
