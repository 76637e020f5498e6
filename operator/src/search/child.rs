//! The LoadTest that tries one rate.

use std::collections::BTreeMap;

use eoslab_api::{LoadTest, LoadTestSpec, Probe, ProbePurpose, SearchSpec};
use kube::{Resource, ResourceExt};

use crate::names::MANAGER;

/// Label: UID of the LoadTest that searches.
pub const SEARCH_LABEL: &str = "eoslab.dev/search";
/// Longest name of a LoadTest that searches: those of its children have three letters more, and may have 40.
pub const NAME_MAX: usize = 36;

/// A probe's counters may take at least this long for the rest, s.
const DRAIN_SECONDS_MIN: u32 = 30;

/// Name of the LoadTest of the probe of this number, from 1.
pub fn name(parent: &LoadTest, number: usize) -> String {
    format!("{}-{number:02}", parent.name_any())
}

/// The LoadTest of the probe of this number, as `spec` has it but for what a probe is. It goes with its parent.
pub fn loadtest(parent: &LoadTest, spec: &LoadTestSpec, number: usize, probe: &Probe) -> LoadTest {
    let search = parent.spec.search.clone().unwrap_or_default();
    let seconds = seconds(&search, probe.purpose);
    let mut spec = spec.at_rate(number, probe.rate_per_second, seconds);
    // A rate that leaves this much behind did not hold, however long one waits.
    spec.limits.drain_timeout_seconds = spec.limits.drain_timeout_seconds.min(DRAIN_SECONDS_MIN.max(seconds));
    let mut child = LoadTest::new(&probe.name, spec);
    let labels = [
        ("app.kubernetes.io/part-of", "eoslab"),
        ("app.kubernetes.io/managed-by", MANAGER),
        (SEARCH_LABEL, &parent.uid().unwrap_or_default()),
    ];
    child.metadata.namespace = parent.namespace();
    child.metadata.labels = Some(BTreeMap::from(
        labels.map(|(key, value)| (key.to_owned(), value.to_owned())),
    ));
    child.metadata.owner_references = parent.controller_owner_ref(&()).map(|owner| vec![owner]);
    child
}

fn seconds(search: &SearchSpec, purpose: ProbePurpose) -> u32 {
    match purpose {
        ProbePurpose::Objective => search.objective_seconds,
        ProbePurpose::Ramp | ProbePurpose::Bisect | ProbePurpose::Repeat | ProbePurpose::Confirm => {
            search.probe_seconds
        }
    }
}
