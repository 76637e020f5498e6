//! Whether a Lease may be taken: a pure function of what was seen.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;

use super::{Holder, LEASE_DURATION};

/// What is known of the pod that a Lease names as its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HolderPod {
    /// No pod has that name.
    Missing,
    /// A pod has that name.
    Found {
        /// UID of the pod that has the name now.
        uid: String,
        /// Its phase is `Succeeded` or `Failed`: nothing of it runs any more.
        finished: bool,
    },
    /// It was not looked up, or could not be.
    Unknown,
}

impl HolderPod {
    /// From the answer of the API.
    pub fn from_pod(pod: Option<&Pod>) -> Self {
        let Some(pod) = pod else { return Self::Missing };
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        Self::Found {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            finished: matches!(phase, Some("Succeeded" | "Failed")),
        }
    }
}

/// Why a Lease may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This pod held it before: its container was restarted.
    Mine,
    /// Nobody holds it.
    Unheld,
    /// The pod that holds it is gone, has finished, or has been replaced by another of its name.
    HolderGone,
    /// It was not renewed for as long as it lasts.
    Expired,
}

/// Why a Lease may not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal;

/// Decides whether `me` may take the Lease. `unchanged_for` is how long this process has seen the very same renewal
/// of it: expiry is judged by the observer's own monotonic clock, so that clocks that differ between nodes can
/// neither take a living member's slot nor keep a dead one's.
pub fn may_take(
    lease: &Lease,
    holder_pod: &HolderPod,
    me: &Holder,
    unchanged_for: Duration,
) -> Result<Reason, Refusal> {
    let spec = lease.spec.as_ref();
    let identity = spec
        .and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default();
    if identity.is_empty() {
        return Ok(Reason::Unheld);
    }
    if identity == me.identity() {
        return Ok(Reason::Mine);
    }
    if is_gone(identity, holder_pod) {
        return Ok(Reason::HolderGone);
    }
    let seconds = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .and_then(|seconds| u64::try_from(seconds).ok());
    let duration = seconds.map_or(LEASE_DURATION, Duration::from_secs);
    if unchanged_for >= duration {
        Ok(Reason::Expired)
    } else {
        Err(Refusal)
    }
}

/// A holder that is no pod can only be outwaited.
fn is_gone(identity: &str, holder_pod: &HolderPod) -> bool {
    let Some(holder) = Holder::parse(identity) else {
        return false;
    };
    match holder_pod {
        HolderPod::Missing => true,
        HolderPod::Found { uid, finished } => *finished || *uid != holder.pod_uid,
        HolderPod::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::api::core::v1::PodStatus;

    use super::*;

    fn lease(holder: Option<&str>) -> Lease {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(10),
            ..LeaseSpec::default()
        };
        Lease {
            spec: Some(spec),
            ..Lease::default()
        }
    }

    fn found(uid: &str, finished: bool) -> HolderPod {
        HolderPod::Found {
            uid: uid.to_owned(),
            finished,
        }
    }

    #[test]
    fn a_lease_may_be_taken_only_from_nobody_oneself_the_gone_and_the_silent() {
        let me = Holder {
            pod_name: "me".into(),
            pod_uid: "u1".into(),
        };
        let other = Some("other/u2");
        let table = [
            ("unheld", None, HolderPod::Unknown, 0, Ok(Reason::Unheld)),
            ("released", Some(""), HolderPod::Unknown, 0, Ok(Reason::Unheld)),
            ("mine", Some("me/u1"), HolderPod::Unknown, 0, Ok(Reason::Mine)),
            (
                "a former pod of my name",
                Some("me/u0"),
                found("u1", false),
                0,
                Ok(Reason::HolderGone),
            ),
            ("holder deleted", other, HolderPod::Missing, 0, Ok(Reason::HolderGone)),
            ("holder replaced", other, found("u3", false), 0, Ok(Reason::HolderGone)),
            ("holder finished", other, found("u2", true), 0, Ok(Reason::HolderGone)),
            ("holder alive", other, found("u2", false), 0, Err(Refusal)),
            (
                "holder alive, almost silent",
                other,
                found("u2", false),
                9_999,
                Err(Refusal),
            ),
            (
                "holder alive but silent",
                other,
                found("u2", false),
                10_000,
                Ok(Reason::Expired),
            ),
            ("holder not looked up", other, HolderPod::Unknown, 0, Err(Refusal)),
            (
                "holder is no pod",
                Some("somebody"),
                HolderPod::Missing,
                0,
                Err(Refusal),
            ),
            (
                "holder is no pod, silent",
                Some("somebody"),
                HolderPod::Missing,
                10_000,
                Ok(Reason::Expired),
            ),
        ];
        for (name, holder, pod, unchanged_ms, wanted) in table {
            let taken = may_take(&lease(holder), &pod, &me, Duration::from_millis(unchanged_ms));
            assert_eq!(taken, wanted, "{name}");
        }
    }

    #[test]
    fn a_lease_without_spec_is_unheld() {
        let me = Holder {
            pod_name: "me".into(),
            pod_uid: "u1".into(),
        };
        assert_eq!(
            may_take(&Lease::default(), &HolderPod::Unknown, &me, Duration::ZERO),
            Ok(Reason::Unheld)
        );
    }

    #[test]
    fn only_a_finished_phase_finishes_a_pod() {
        for (phase, finished) in [
            ("Running", false),
            ("Pending", false),
            ("Failed", true),
            ("Succeeded", true),
        ] {
            let mut pod = Pod {
                status: Some(PodStatus::default()),
                ..Pod::default()
            };
            pod.metadata.uid = Some("u".into());
            pod.status = Some(PodStatus {
                phase: Some(phase.into()),
                ..PodStatus::default()
            });
            assert_eq!(HolderPod::from_pod(Some(&pod)), found("u", finished), "{phase}");
        }
        assert_eq!(HolderPod::from_pod(None), HolderPod::Missing);
    }
}
