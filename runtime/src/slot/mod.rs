//! The member slot: a Lease that one pod at a time holds, whose index says what the member does and whose name is
//! its static identity in Kafka. Without Kubernetes the slot is a number given by hand.
//!
//! The Lease is the operator's control channel as well: its annotations are published through a watch.

mod decide;
mod lease;
mod renew;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Boxed;

pub use decide::{HolderPod, Reason, Refusal, may_take};

/// Annotation: start of the schedule, microseconds since the Unix epoch.
pub const START_AT_ANNOTATION: &str = "eoslab.dev/start-at-us";
/// Annotation: latency samples of events with an earlier `ts` are warm-up and not recorded.
pub const MEASURE_FROM_ANNOTATION: &str = "eoslab.dev/measure-from-us";
/// Annotation, of any value: its member sends nothing new and reports what it did as its end.
pub const STOP_ANNOTATION: &str = "eoslab.dev/stop";

/// How long a Lease lasts after a renewal.
pub const LEASE_DURATION: Duration = Duration::from_secs(10);
/// How often a Lease is renewed.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How often the Lease is read while the member waits for a start time.
pub const CLOSE_WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// How long before the Lease ends an unrenewed member gives up.
pub const GIVE_UP_MARGIN: Duration = Duration::from_secs(2);

/// Annotations of a Lease.
pub type Annotations = BTreeMap<String, String>;

/// The pod that holds a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Name of the pod.
    pub pod_name: String,
    /// UID of the pod.
    pub pod_uid: String,
}

impl Holder {
    /// The `holderIdentity` of the Lease: `<pod name>/<pod uid>`.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.pod_name, self.pod_uid)
    }

    /// Reads a `holderIdentity`; `None` where another kind of holder wrote it.
    pub fn parse(identity: &str) -> Option<Self> {
        let (pod_name, pod_uid) = identity.split_once('/')?;
        let whole = !pod_name.is_empty() && !pod_uid.is_empty();
        whole.then(|| Self {
            pod_name: pod_name.to_owned(),
            pod_uid: pod_uid.to_owned(),
        })
    }
}

/// Where a slot comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotSource {
    /// Given by hand.
    Fixed(u32),
    /// The first Lease `<prefix>-0`, `<prefix>-1`, ... that may be taken.
    Lease {
        /// Name of the Leases without the number.
        prefix: String,
        /// Namespace of the Leases.
        namespace: String,
        /// This pod.
        holder: Holder,
    },
}

/// Why there is no slot.
#[derive(Debug, Error)]
pub enum SlotError {
    /// The stop signal came before a slot was free.
    #[error("stopped while waiting for a slot")]
    Stopped,
    /// No way to reach the Kubernetes API.
    #[error("cannot set up the Kubernetes client")]
    Client(#[source] Box<kube::Error>),
    /// The Lease could not be given back; it ends by itself.
    #[error("cannot release the lease {name}")]
    Release {
        /// Name of the Lease.
        name: String,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The Lease was not this pod's any more.
    #[error("the lease {0} is held by another pod")]
    Lost(String),
}

impl SlotError {
    /// A bounded name for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Client(_) => "client",
            Self::Release { .. } => "release",
            Self::Lost(_) => "lost",
        }
    }
}

/// A slot that this process holds. Dropping it stops the renewals without giving the Lease back.
#[derive(Debug)]
pub struct SlotHandle {
    index: u32,
    name: Option<String>,
    annotations: watch::Receiver<Annotations>,
    lost: CancellationToken,
    renewal: Option<Renewal>,
}

/// The task that renews the Lease, and the ways to speak to it.
#[derive(Debug)]
struct Renewal {
    close: watch::Sender<bool>,
    release: oneshot::Sender<()>,
    task: JoinHandle<Result<(), SlotError>>,
    _stop: DropGuard,
}

impl SlotHandle {
    /// A slot that nobody else can take, without annotations.
    pub fn fixed(index: u32) -> Self {
        let (_, annotations) = watch::channel(Annotations::new());
        Self {
            index,
            name: None,
            annotations,
            lost: CancellationToken::new(),
            renewal: None,
        }
    }

    /// Number of the slot, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Name of the Lease; `None` for a fixed slot.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The Lease's annotations as last read; a fixed slot has none, and its channel is closed.
    pub fn annotations(&self) -> watch::Receiver<Annotations> {
        self.annotations.clone()
    }

    /// Cancelled when the slot is lost: stop working at once and exit with [`crate::exit::Exit::LostLease`].
    pub fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Reads the Lease every 250 ms instead of every 2 s, for as long as the member waits for its start time.
    pub fn watch_closely(&self, closely: bool) {
        if let Some(renewal) = &self.renewal {
            renewal.close.send_replace(closely);
        }
    }

    /// Gives the slot back. Call it after the Kafka client is closed.
    pub async fn release(mut self) -> Result<(), SlotError> {
        let Some(renewal) = self.renewal.take() else {
            return Ok(());
        };
        // A task that has ended already cannot hear this; its result tells why.
        let _ = renewal.release.send(());
        renewal
            .task
            .await
            .unwrap_or_else(|_| Err(SlotError::Lost(self.name.unwrap_or_default())))
    }
}

/// Waits for a slot. Takes as long as none is free; ends early only by `stop`.
pub fn claim<'a>(source: &'a SlotSource, stop: &'a CancellationToken) -> Boxed<'a, Result<SlotHandle, SlotError>> {
    Box::pin(async move {
        match source {
            SlotSource::Fixed(index) => Ok(SlotHandle::fixed(*index)),
            SlotSource::Lease {
                prefix,
                namespace,
                holder,
            } => {
                let client = Client::try_default()
                    .await
                    .map_err(|error| SlotError::Client(Box::new(error)))?;
                claim_lease(client, namespace, prefix, holder.clone(), stop).await
            }
        }
    })
}

/// Waits for one of the Leases `<prefix>-0`, `<prefix>-1`, ... with a given Kubernetes client.
pub async fn claim_lease(
    client: Client,
    namespace: &str,
    prefix: &str,
    holder: Holder,
    stop: &CancellationToken,
) -> Result<SlotHandle, SlotError> {
    let mut leases = lease::Leases::new(client, namespace, prefix, holder);
    let held = leases.claim(stop).await?;
    Ok(renew::keep(leases, held))
}

/// Reads an annotation that holds microseconds since the Unix epoch; `None` where it is missing or no number.
pub fn annotation_us(annotations: &Annotations, name: &str) -> Option<i64> {
    annotations.get(name)?.trim().parse().ok()
}
