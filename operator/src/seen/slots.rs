//! Slots: which have a working pod, and since when one has not.
//!
//! Every time in here comes from the API (a Lease's renewal, a pod's condition), so a restarted operator goes on with
//! the same clock.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use eoslab_runtime::slot::{Holder, MEASURE_FROM_ANNOTATION, START_AT_ANNOTATION, STOP_ANNOTATION, annotation_us};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;

use super::pods::{PodView, Trouble};
use crate::names::{Names, Role};

/// A crash-looping container is started again after 300 s at the latest; a slot timeout above this would never be
/// reached by one that is ready for a moment each time.
const SLOT_TIMEOUT_MAX_US: i64 = 240_000_000;

/// A Lease of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotView {
    /// Slot, from 0.
    pub index: u32,
    /// Pod that holds it.
    pub holder: Option<Holder>,
    /// When it was last renewed, taken or given back, us since the Unix epoch.
    pub renewed_us: Option<i64>,
    /// When it was made, us since the Unix epoch.
    pub created_us: i64,
    /// Schedule that it carries: start, and begin of the measurement.
    pub schedule: Option<(i64, i64)>,
    /// Whether it carries the wish to stop.
    pub is_stopped: bool,
    /// For a delete that must not hit a Lease that was just taken.
    pub resource_version: String,
}

impl SlotView {
    /// Reads a Lease; `None` where it is not one of the role's.
    pub fn new(names: &Names, role: Role, lease: &Lease) -> Option<Self> {
        let spec = lease.spec.as_ref();
        let identity = spec
            .and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default();
        let annotation = |name| annotation_us(lease.annotations(), name);
        Some(Self {
            index: names.slot(role, &lease.name_any())?,
            holder: Holder::parse(identity),
            renewed_us: spec.and_then(|spec| Some(spec.renew_time.as_ref()?.0.as_microsecond())),
            created_us: lease
                .creation_timestamp()
                .map_or(0, |created| created.0.as_microsecond()),
            schedule: annotation(START_AT_ANNOTATION).zip(annotation(MEASURE_FROM_ANNOTATION)),
            is_stopped: lease.annotations().contains_key(STOP_ANNOTATION),
            resource_version: lease.resource_version().unwrap_or_default(),
        })
    }
}

/// A Deployment of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentView {
    /// Wanted replicas.
    pub replicas: u32,
    /// Image of its pods.
    pub image: Option<String>,
    /// Why it cannot make pods (quota, admission), if so.
    pub failure: Option<String>,
}

impl DeploymentView {
    /// Reads a Deployment.
    pub fn new(deployment: &Deployment) -> Self {
        let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_ref());
        let failure = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True");
        Self {
            replicas: deployment
                .spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .map_or(1, |replicas| replicas.max(0) as u32),
            image: image(deployment),
            failure: failure.map(|failure| failure.message.clone().unwrap_or_default()),
        }
    }
}

fn image(deployment: &Deployment) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.first()?.image.clone()
}

/// The Deployment, slots and pods of one role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The Deployment, if there is one.
    pub deployment: Option<DeploymentView>,
    /// The Leases, by index.
    pub slots: Vec<SlotView>,
    /// The pods.
    pub pods: Vec<PodView>,
}

/// A slot that has been without a working pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The slot.
    pub slot: u32,
    /// For how long, us.
    pub for_us: i64,
    /// Name of the pod that should work there, if one is known.
    pub pod: Option<String>,
    /// Why it does not.
    pub trouble: Trouble,
}

impl Group {
    /// Pods that are ready.
    pub fn ready(&self) -> u32 {
        self.pods.iter().filter(|pod| pod.is_ready).count() as u32
    }

    /// Pods that exist, finished ones left out.
    pub fn existing(&self) -> u32 {
        self.pods.iter().filter(|pod| !pod.is_finished).count() as u32
    }

    /// Whether `wanted` slots have a ready pod each.
    pub fn is_complete(&self, wanted: u32) -> bool {
        self.slots.iter().filter(|slot| self.worker(slot).is_some()).count() as u32 >= wanted
    }

    pub(crate) fn holder_pod(&self, slot: &SlotView) -> Option<&PodView> {
        let holder = slot.holder.as_ref()?;
        self.pods.iter().find(|pod| pod.uid == holder.pod_uid)
    }

    pub(crate) fn worker(&self, slot: &SlotView) -> Option<&PodView> {
        self.holder_pod(slot).filter(|pod| pod.is_ready)
    }

    /// Since when a slot has no working pod; `None` where it has one.
    fn idle_since_us(&self, slot: &SlotView) -> Option<i64> {
        match self.holder_pod(slot) {
            Some(pod) if pod.is_ready => None,
            Some(pod) if !pod.is_finished => pod.ready_since_us.or(slot.renewed_us),
            _ => slot.renewed_us,
        }
        .or_else(|| self.worker(slot).is_none().then_some(slot.created_us))
    }

    /// The slot for which the group has been incomplete the longest: fewer than `wanted` slots have a working pod, not
    /// counting those that are `done`. More slots than wanted exist while a group shrinks; the clock is that of the
    /// moment at which too few worked.
    pub fn stuck(&self, wanted: u32, done: &BTreeSet<u32>, now_us: i64) -> Option<Stuck> {
        let worker_or_done = |slot: &&SlotView| self.worker(slot).is_some() || done.contains(&slot.index);
        let working = self.slots.iter().filter(worker_or_done).count() as u32;
        let missing = wanted.checked_sub(working).filter(|missing| *missing > 0)?;
        let mut idle: Vec<(i64, &SlotView)> = self
            .slots
            .iter()
            .filter(|slot| !done.contains(&slot.index))
            .filter_map(|slot| Some((self.idle_since_us(slot)?, slot)))
            .collect();
        idle.sort_by_key(|(since, _)| Reverse(*since));
        let (since, slot) = idle.get(missing as usize - 1)?;
        let (pod, trouble) = self.explain(slot);
        Some(Stuck {
            slot: slot.index,
            for_us: (now_us - since).max(0),
            pod,
            trouble,
        })
    }

    /// Like [`Group::stuck`], once it has lasted for `timeout_us`.
    pub fn overdue(&self, wanted: u32, done: &BTreeSet<u32>, now_us: i64, timeout_us: i64) -> Option<Stuck> {
        let stuck = self.stuck(wanted, done, now_us)?;
        let crashes = matches!(stuck.trouble.reason.as_str(), "CrashLoopBackOff" | "OOMKilled");
        let limit = if crashes {
            timeout_us.min(SLOT_TIMEOUT_MAX_US)
        } else {
            timeout_us
        };
        (stuck.for_us >= limit).then_some(stuck)
    }

    /// Why a slot has no working pod: its holder's trouble, else that of a pod that holds no slot, failures first.
    fn explain(&self, slot: &SlotView) -> (Option<String>, Trouble) {
        let own = self.holder_pod(slot).and_then(told);
        if let Some(own) = own.clone().filter(|(_, trouble)| trouble.is_failure) {
            return (Some(own.0), own.1);
        }
        let holds_a_slot = |pod: &PodView| {
            let mut holders = self.slots.iter().filter_map(|slot| slot.holder.as_ref());
            holders.any(|holder| holder.pod_uid == pod.uid)
        };
        let mut others: Vec<(String, Trouble)> = self
            .pods
            .iter()
            .filter(|pod| !pod.is_terminating && !holds_a_slot(pod))
            .filter_map(told)
            .collect();
        others.sort_by_key(|(_, trouble)| !trouble.is_failure);
        let failure = self
            .deployment
            .as_ref()
            .and_then(|deployment| deployment.failure.clone());
        match (others.into_iter().next(), failure, own) {
            (Some((pod, trouble)), None, _) => (Some(pod), trouble),
            (Some((pod, trouble)), _, _) if trouble.is_failure => (Some(pod), trouble),
            (_, Some(message), _) => (None, no_pods(message)),
            (_, None, Some((pod, trouble))) => (Some(pod), trouble),
            (_, None, None) => (None, missing()),
        }
    }
}

fn told(pod: &PodView) -> Option<(String, Trouble)> {
    Some((pod.name.clone(), pod.trouble.clone()?))
}

fn no_pods(message: String) -> Trouble {
    Trouble {
        reason: "PodsRefused".to_owned(),
        message,
        is_failure: true,
    }
}

fn missing() -> Trouble {
    Trouble {
        reason: "NoPod".to_owned(),
        message: "no pod holds the slot".to_owned(),
        is_failure: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn slot(index: u32, holder: Option<&str>, renewed_s: i64) -> SlotView {
        SlotView {
            index,
            holder: holder.map(|uid| Holder {
                pod_name: format!("pod-{uid}"),
                pod_uid: uid.to_owned(),
            }),
            renewed_us: (renewed_s > 0).then_some(renewed_s * S),
            created_us: S,
            ..SlotView::default()
        }
    }

    fn pod(uid: &str, ready: bool, since_s: i64, trouble: Option<(&str, bool)>) -> PodView {
        PodView {
            name: format!("pod-{uid}"),
            uid: uid.to_owned(),
            is_ready: ready,
            ready_since_us: Some(since_s * S),
            trouble: trouble.map(|(reason, is_failure)| Trouble {
                reason: reason.to_owned(),
                message: String::new(),
                is_failure,
            }),
            ..PodView::default()
        }
    }

    fn group(slots: Vec<SlotView>, pods: Vec<PodView>) -> Group {
        Group {
            deployment: None,
            slots,
            pods,
        }
    }

    #[test]
    fn a_slot_is_timed_from_the_last_sign_of_work() {
        let ready = |uid| pod(uid, true, 5, None);
        let all = vec![slot(0, Some("a"), 99), slot(1, Some("b"), 99)];
        let gone = vec![slot(0, Some("a"), 99), slot(1, Some("b"), 60)];
        let two_gone = vec![slot(0, Some("a"), 70), slot(1, Some("b"), 60)];
        let shrunk = vec![slot(0, Some("a"), 99), slot(1, None, 10), slot(2, Some("c"), 99)];
        let new = vec![slot(0, Some("a"), 99), slot(1, None, 0)];
        let held = vec![slot(0, Some("a"), 99), slot(1, Some("b"), 99)];
        let oom = || pod("b", false, 80, Some(("OOMKilled", true)));
        let waits = || pod("d", false, 90, Some(("Unschedulable", true)));
        let starts = || pod("d", false, 90, Some(("ContainerCreating", false)));
        let table = [
            ("all work", group(all.clone(), vec![ready("a"), ready("b")]), 2, None),
            (
                "the holder is gone",
                group(gone.clone(), vec![ready("a")]),
                2,
                Some((1, 40, "NoPod")),
            ),
            (
                "its replacement is stuck",
                group(gone, vec![ready("a"), waits()]),
                2,
                Some((1, 40, "Unschedulable")),
            ),
            (
                "the holder crashed",
                group(held.clone(), vec![ready("a"), oom()]),
                2,
                Some((1, 20, "OOMKilled")),
            ),
            (
                "the holder's failure wins",
                group(held, vec![ready("a"), oom(), waits()]),
                2,
                Some((1, 20, "OOMKilled")),
            ),
            (
                "never taken",
                group(new.clone(), vec![ready("a"), starts()]),
                2,
                Some((1, 99, "ContainerCreating")),
            ),
            (
                "two gone: since the first",
                group(two_gone, vec![]),
                2,
                Some((1, 40, "NoPod")),
            ),
            (
                "a gap left by shrinking",
                group(shrunk.clone(), vec![ready("a"), ready("c")]),
                2,
                None,
            ),
            (
                "after shrinking, one dies",
                group(
                    vec![slot(0, Some("a"), 95), slot(1, None, 10), slot(2, Some("c"), 99)],
                    vec![ready("c")],
                ),
                2,
                Some((0, 5, "NoPod")),
            ),
            (
                "no Lease yet",
                group(vec![slot(0, Some("a"), 99)], vec![ready("a")]),
                2,
                None,
            ),
        ];
        for (name, group, wanted, expected) in table {
            let stuck = group.stuck(wanted, &BTreeSet::new(), 100 * S);
            let seen = stuck
                .as_ref()
                .map(|stuck| (stuck.slot, stuck.for_us / S, stuck.trouble.reason.as_str()));
            assert_eq!(seen, expected, "{name}");
        }
        let done = BTreeSet::from([1]);
        assert_eq!(
            group(new, vec![ready("a")]).stuck(2, &done, 100 * S),
            None,
            "a slot that is done needs no pod"
        );
        let overdue = group(all, vec![ready("a")]);
        assert!(overdue.overdue(2, &BTreeSet::new(), 128 * S, 30 * S).is_none());
        assert!(overdue.overdue(2, &BTreeSet::new(), 129 * S, 30 * S).is_some());
    }

    #[test]
    fn a_crash_loop_cannot_outlast_a_long_slot_timeout() {
        let looping = |reason| {
            group(
                vec![slot(0, Some("a"), 300)],
                vec![pod("a", false, 10, Some((reason, true)))],
            )
        };
        let at = |reason, now_s: i64| looping(reason).overdue(1, &BTreeSet::new(), now_s * S, 3600 * S);
        assert!(at("OOMKilled", 249).is_none() && at("OOMKilled", 250).is_some());
        assert!(at("Unschedulable", 3609).is_none() && at("Unschedulable", 3610).is_some());
    }

    #[test]
    fn a_deployment_that_cannot_make_pods_says_why() {
        let mut group = group(vec![slot(0, None, 0)], Vec::new());
        group.deployment = Some(DeploymentView {
            failure: Some("exceeded quota".to_owned()),
            ..DeploymentView::default()
        });
        let stuck = group.stuck(1, &BTreeSet::new(), 100 * S).expect("nothing works");
        assert_eq!(
            (stuck.trouble.reason.as_str(), stuck.trouble.message.as_str()),
            ("PodsRefused", "exceeded quota")
        );
    }
}
