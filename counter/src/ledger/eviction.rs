//! Whether a Redis would throw totals away under memory pressure.

use super::error::LedgerError;

/// What `INFO memory` says about eviction: an error where totals would be evicted, words where they might be.
pub(super) fn judge_eviction(shard: &str, info: &str) -> Result<Option<String>, LedgerError> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let Some(policy) = field("maxmemory_policy") else {
        return Ok(Some(format!("redis {shard} does not say its eviction policy")));
    };
    let maxmemory = field("maxmemory").and_then(|number| number.parse().ok()).unwrap_or(0);
    match (policy, maxmemory) {
        ("noeviction", _) => Ok(None),
        // They evict keys with an expiry, and no key of a ledger has one.
        (policy, _) if policy.starts_with("volatile-") => Ok(None),
        (policy, 0) => Ok(Some(format!(
            "redis {shard} would evict totals ({policy}) if it had a maxmemory"
        ))),
        (policy, _) => Err(LedgerError::Evicts {
            shard: shard.to_owned(),
            policy: policy.to_owned(),
            maxmemory,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_would_evict_is_refused() {
        let info = |policy: &str, maxmemory: &str| {
            format!("# Memory\r\nmaxmemory:{maxmemory}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert!(matches!(
            judge_eviction("r", &info("noeviction", "1000").replace('\r', "")),
            Ok(None)
        ));
        assert!(matches!(judge_eviction("r", &info("noeviction", "0")), Ok(None)));
        assert!(matches!(judge_eviction("r", &info("volatile-lru", "1000")), Ok(None)));
        assert!(matches!(judge_eviction("r", &info("allkeys-lru", "0")), Ok(Some(_))));
        assert!(matches!(
            judge_eviction("r", &info("allkeys-lru", "1000")),
            Err(LedgerError::Evicts { maxmemory: 1000, .. })
        ));
        assert!(matches!(judge_eviction("r", ""), Ok(Some(_))));
    }
}
