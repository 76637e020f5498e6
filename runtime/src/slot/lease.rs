//! The Leases of one role over the Kubernetes API: walk, take, read, renew, release. Every update carries the
//! `resourceVersion` that it was based on, so that of two pods only one can win.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Holder, HolderPod, LEASE_DURATION, Reason, SlotError, may_take};

/// Longest time for one request, so that a hanging API server cannot eat the whole Lease.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two walks over the Leases.
const WALK_INTERVAL: Duration = Duration::from_millis(500);
/// How often waiting for a slot is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// Most Leases that a walk looks at.
const SLOTS_MAX: u32 = 10_000;

/// One renewal of a Lease: by whom and when, as the holder's own clock has it.
type Renewed = (String, Option<MicroTime>);

/// A Lease that this pod has just taken.
pub(super) struct Held {
    pub(super) index: u32,
    pub(super) lease: Lease,
    /// When the request that took it was sent: it cannot end earlier than a Lease's duration after this.
    pub(super) renewed_at: Instant,
}

/// The Leases `<prefix>-0`, `<prefix>-1`, ... and this pod.
pub(super) struct Leases {
    leases: Api<Lease>,
    pods: Api<Pod>,
    prefix: String,
    me: Holder,
    /// The last renewal seen of each Lease, and since when it is the last one.
    seen: HashMap<u32, (Renewed, Instant)>,
}

impl Leases {
    pub(super) fn new(client: Client, namespace: &str, prefix: &str, me: Holder) -> Self {
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            pods: Api::namespaced(client, namespace),
            prefix: prefix.to_owned(),
            me,
            seen: HashMap::new(),
        }
    }

    pub(super) fn name(&self, index: u32) -> String {
        format!("{}-{index}", self.prefix)
    }

    /// Walks over the Leases until one could be taken.
    pub(super) async fn claim(&mut self, stop: &CancellationToken) -> Result<Held, SlotError> {
        let mut logged: Option<Instant> = None;
        loop {
            match self.walk().await {
                Ok(Some(held)) => return Ok(held),
                Ok(None) if due(&mut logged) => info!(prefix = %self.prefix, "waiting for a free slot"),
                Err(error) if due(&mut logged) => warn!(prefix = %self.prefix, %error, "cannot look for a slot"),
                Ok(None) | Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return Err(SlotError::Stopped),
                () = sleep(WALK_INTERVAL) => {}
            }
        }
    }

    /// One walk. This pod's own Lease comes first, whatever its number: a restarted container has to come back as the
    /// member that it was, and must not leave its former slot held and unserved.
    async fn walk(&mut self) -> Result<Option<Held>, kube::Error> {
        let mut leases = Vec::new();
        for index in 0..SLOTS_MAX {
            match self.read(index).await? {
                Some(lease) => leases.push((index, lease)),
                None => break,
            }
        }
        let mine = self.me.identity();
        leases.sort_by_key(|(index, lease)| (holder_of(lease) != mine, *index));
        for (index, lease) in leases {
            if let Some(reason) = self.decide(index, &lease).await?
                && let Some(held) = self.take(index, lease, reason).await?
            {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    async fn decide(&mut self, index: u32, lease: &Lease) -> Result<Option<Reason>, kube::Error> {
        let unchanged_for = self.unchanged_for(index, lease);
        let pod = match Holder::parse(holder_of(lease)) {
            Some(holder) if holder != self.me => {
                HolderPod::from_pod(bounded(self.pods.get_opt(&holder.pod_name)).await?.as_ref())
            }
            _ => HolderPod::Unknown,
        };
        Ok(may_take(lease, &pod, &self.me, unchanged_for).ok())
    }

    fn unchanged_for(&mut self, index: u32, lease: &Lease) -> Duration {
        let renewed = (
            holder_of(lease).to_owned(),
            lease.spec.as_ref().and_then(|spec| spec.renew_time.clone()),
        );
        let seen = self
            .seen
            .entry(index)
            .or_insert_with(|| (renewed.clone(), Instant::now()));
        if seen.0 != renewed {
            *seen = (renewed, Instant::now());
        }
        seen.1.elapsed()
    }

    /// Takes a Lease; `None` when another pod was faster.
    async fn take(&self, index: u32, lease: Lease, reason: Reason) -> Result<Option<Held>, kube::Error> {
        let renewed_at = Instant::now();
        match self.replace(index, taken(lease, &self.me, Timestamp::now())).await {
            Ok(lease) => {
                info!(lease = %self.name(index), reason = ?reason, "took the slot");
                Ok(Some(Held {
                    index,
                    lease,
                    renewed_at,
                }))
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                debug!(lease = %self.name(index), "another pod was faster");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a Lease; `None` where it does not exist.
    pub(super) async fn read(&self, index: u32) -> Result<Option<Lease>, kube::Error> {
        bounded(self.leases.get_opt(&self.name(index))).await
    }

    /// Renews a held Lease.
    pub(super) async fn renew(&self, index: u32, lease: Lease) -> Result<Lease, kube::Error> {
        self.replace(index, renewed(lease, Timestamp::now())).await
    }

    /// Gives a held Lease back.
    pub(super) async fn release(&self, index: u32, lease: Lease) -> Result<Lease, kube::Error> {
        self.replace(index, released(lease, Timestamp::now())).await
    }

    /// Whether the Lease still names this pod.
    pub(super) fn is_mine(&self, lease: &Lease) -> bool {
        holder_of(lease) == self.me.identity()
    }

    async fn replace(&self, index: u32, lease: Lease) -> Result<Lease, kube::Error> {
        bounded(self.leases.replace(&self.name(index), &PostParams::default(), &lease)).await
    }
}

fn due(logged: &mut Option<Instant>) -> bool {
    let is_due = logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
    if is_due {
        *logged = Some(Instant::now());
    }
    is_due
}

fn holder_of(lease: &Lease) -> &str {
    lease
        .spec
        .as_ref()
        .and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}

async fn bounded<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
    }
}

fn taken(mut lease: Lease, me: &Holder, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    let identity = me.identity();
    if spec.holder_identity.as_deref() != Some(&identity) {
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
    }
    spec.holder_identity = Some(identity);
    spec.acquire_time = Some(MicroTime(now));
    spec.lease_duration_seconds = Some(LEASE_DURATION.as_secs() as i32);
    renewed(lease, now)
}

fn renewed(mut lease: Lease, now: Timestamp) -> Lease {
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(now));
    lease
}

fn released(mut lease: Lease, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = None;
    spec.acquire_time = None;
    renewed(lease, now)
}
