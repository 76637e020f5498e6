//! Two LoadTests on one topic: the older goes first, the other waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use eoslab_api::{LoadTest, Phase};
use kube::ResourceExt;

use crate::names::key;
use crate::reconcile::is_complete;

/// The LoadTest that uses the same topic and goes before `own`, if there is one.
pub fn rival(own: &LoadTest, all: &[Arc<LoadTest>]) -> Option<String> {
    let mut rivals: Vec<&Arc<LoadTest>> = all.iter().filter(|other| goes_first(own, other)).collect();
    rivals.sort_by_key(|rival| order(rival));
    rivals.first().map(|rival| key(rival))
}

fn goes_first(own: &LoadTest, other: &LoadTest) -> bool {
    if other.uid() == own.uid() || !share_topic(own, other) {
        return false;
    }
    // One that is being deleted still has its topic, and takes it away.
    if other.metadata.deletion_timestamp.is_some() {
        return has_started(other);
    }
    !is_complete(other) && (has_started(other) || order(other) < order(own))
}

fn has_started(loadtest: &LoadTest) -> bool {
    let phase = loadtest.status.as_ref().map(|status| status.phase);
    phase.is_some_and(|phase| phase != Phase::Pending)
}

fn order(loadtest: &LoadTest) -> (i64, String) {
    let created = loadtest
        .creation_timestamp()
        .map_or(0, |created| created.0.as_microsecond());
    (created, key(loadtest))
}

fn share_topic(one: &LoadTest, other: &LoadTest) -> bool {
    let servers = |loadtest: &LoadTest| -> BTreeSet<String> {
        let servers = loadtest.spec.kafka.bootstrap_servers.split(',');
        servers.map(|server| server.trim().to_ascii_lowercase()).collect()
    };
    // A cluster may go by several names, but one of them in common is enough.
    one.spec.topic.name == other.spec.topic.name && !servers(one).is_disjoint(&servers(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{loadtest, with_status};
    use eoslab_api::Verdict;

    fn named(name: &str, created: &str) -> LoadTest {
        let mut loadtest = loadtest();
        loadtest.metadata.name = Some(name.to_owned());
        loadtest.metadata.uid = Some(format!("uid-{name}"));
        loadtest.metadata.creation_timestamp = Some(serde_json::from_str(&format!("\"{created}\"")).expect("a time"));
        loadtest
    }

    #[test]
    fn the_older_goes_first_unless_the_younger_has_started() {
        let old = named("b", "2026-01-01T00:00:00Z");
        let young = named("a", "2026-01-01T00:00:09Z");
        let all = [Arc::new(old.clone()), Arc::new(young.clone())];
        assert_eq!(rival(&old, &all), None);
        assert_eq!(rival(&young, &all).as_deref(), Some("lab/b"));

        let started = with_status(young.clone(), |status| status.phase = Phase::Running);
        let all = [Arc::new(old.clone()), Arc::new(started.clone())];
        assert_eq!(rival(&old, &all).as_deref(), Some("lab/a"));
        assert_eq!(rival(&started, &all).as_deref(), Some("lab/b"), "asked in Pending only");
    }

    #[test]
    fn a_finished_run_is_no_rival_until_it_is_deleted() {
        let finished = with_status(named("b", "2026-01-01T00:00:00Z"), |status| {
            status.phase = Phase::Finished;
            status.verdict = Verdict::Pass;
        });
        let finished = crate::fixtures::completed(finished);
        let mut deleted = finished.clone();
        deleted.metadata.deletion_timestamp = deleted.metadata.creation_timestamp.clone();
        let own = named("a", "2026-01-01T00:00:09Z");
        assert_eq!(rival(&own, &[Arc::new(finished)]), None);
        assert!(rival(&own, &[Arc::new(deleted)]).is_some(), "it takes its topic away");
    }

    #[test]
    fn another_topic_or_cluster_is_no_rival() {
        let old = named("b", "2026-01-01T00:00:00Z");
        let own = named("a", "2026-01-01T00:00:09Z");
        let rival_with = |change: fn(&mut LoadTest)| {
            let mut other = old.clone();
            change(&mut other);
            rival(&own, &[Arc::new(other)]).is_some()
        };
        assert!(rival_with(|_| {}));
        assert!(!rival_with(|other| other.spec.topic.name = "other".to_owned()));
        assert!(!rival_with(
            |other| other.spec.kafka.bootstrap_servers = "other:9092".to_owned()
        ));
        assert!(rival_with(|other| other
            .spec
            .kafka
            .bootstrap_servers
            .push_str(",other:9092")));
    }
}
