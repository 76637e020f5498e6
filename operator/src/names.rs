//! Names, labels and annotations of everything that a run owns.

use std::collections::BTreeMap;

use eoslab_api::{GROUP, LoadTest};
use kube::ResourceExt;

/// Field manager of every server-side apply.
pub const MANAGER: &str = "eoslab-operator";
/// Keeps a deleted LoadTest until what it made outside the cluster is gone.
pub const FINALIZER: &str = "eoslab.dev/cleanup";
/// Label: name of the LoadTest that owns the object.
pub const LOADTEST_LABEL: &str = "eoslab.dev/loadtest";
/// Label: UID of that LoadTest. A later one of the same name has another.
pub const RUN_LABEL: &str = "eoslab.dev/run";
/// Label: `producer`, `counter` or `verify`.
pub const ROLE_LABEL: &str = "eoslab.dev/role";
/// Name of the container of every load pod.
pub const CONTAINER: &str = "load";
/// Port of `/report` and the rest.
pub const PORT: u16 = 8080;

/// What a load pod does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sends events.
    Producer,
    /// Counts events.
    Counter,
    /// Verifies the totals once, at the end.
    Verify,
}

impl Role {
    /// The word in names and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Counter => "counter",
            Self::Verify => "verify",
        }
    }
}

/// Names of one run's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name of the LoadTest.
    pub loadtest: String,
    /// UID of the LoadTest.
    pub run_id: String,
}

impl Names {
    /// Names for a LoadTest.
    pub fn new(loadtest: &str, run_id: &str) -> Self {
        Self {
            loadtest: loadtest.to_owned(),
            run_id: run_id.to_owned(),
        }
    }

    /// Deployment, Job, or prefix of the Leases of a role.
    pub fn of(&self, role: Role) -> String {
        format!("{}-{}", self.loadtest, role.as_str())
    }

    /// Lease of a slot.
    pub fn lease(&self, role: Role, slot: u32) -> String {
        format!("{}-{slot}", self.of(role))
    }

    /// Slot of a Lease of a role, from its name.
    pub fn slot(&self, role: Role, lease: &str) -> Option<u32> {
        lease.strip_prefix(&self.of(role))?.strip_prefix('-')?.parse().ok()
    }

    /// ServiceAccount, Role and RoleBinding of the load pods.
    pub fn account(&self) -> String {
        format!("{}-load", self.loadtest)
    }

    /// ConfigMap with what members that are gone had reported.
    pub fn members(&self) -> String {
        format!("{}-members", self.loadtest)
    }

    /// Labels of an object without a role.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            ("app.kubernetes.io/name", "eoslab"),
            ("app.kubernetes.io/instance", &self.loadtest),
            ("app.kubernetes.io/part-of", "eoslab"),
            ("app.kubernetes.io/managed-by", MANAGER),
            (LOADTEST_LABEL, &self.loadtest),
            (RUN_LABEL, &self.run_id),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    /// Labels of an object of a role.
    pub fn role_labels(&self, role: Role) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert("app.kubernetes.io/component".to_owned(), role.as_str().to_owned());
        labels.insert(ROLE_LABEL.to_owned(), role.as_str().to_owned());
        labels
    }

    /// The labels that select the pods of a role.
    pub fn selector_labels(&self, role: Role) -> BTreeMap<String, String> {
        [(LOADTEST_LABEL, self.loadtest.as_str()), (ROLE_LABEL, role.as_str())]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// Selects everything of this run and of no other one of the same name.
    pub fn run_selector(&self) -> String {
        format!("{RUN_LABEL}={}", self.run_id)
    }

    /// The labels of [`Names::selector_labels`] as a selector in one string, as the scale subresource wants it.
    pub fn selector(&self, role: Role) -> String {
        format!("{LOADTEST_LABEL}={},{ROLE_LABEL}={}", self.loadtest, role.as_str())
    }
}

/// Consumer group of a run. It holds the beginning of the run's UID: a later run of the same name must not find
/// committed offsets of this one.
pub fn group(loadtest: &LoadTest) -> String {
    let uid = loadtest.uid().unwrap_or_default();
    let short: String = uid.chars().take(8).collect();
    format!(
        "eoslab.{}.{}.{short}",
        loadtest.namespace().unwrap_or_default(),
        loadtest.name_any()
    )
}

/// `namespace/name`, for messages and logs.
pub fn key(loadtest: &LoadTest) -> String {
    format!("{}/{}", loadtest.namespace().unwrap_or_default(), loadtest.name_any())
}

/// `loadtests.eoslab.dev`, for messages.
pub fn resource() -> String {
    format!("loadtests.{GROUP}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_back_from_its_leases_name() {
        let names = Names::new("lt-1", "uid");
        assert_eq!(names.lease(Role::Counter, 3), "lt-1-counter-3");
        assert_eq!(names.slot(Role::Counter, "lt-1-counter-3"), Some(3));
        for other in ["lt-1-producer-3", "lt-1-counter-x", "lt-1-counter", "lt-10-counter-3"] {
            assert_eq!(names.slot(Role::Counter, other), None, "{other}");
        }
    }
}
