//! The task that keeps a held Lease: renews it, publishes its annotations, notices its loss, gives it back.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::lease::{Held, Leases};
use super::{
    Annotations, CLOSE_WATCH_INTERVAL, GIVE_UP_MARGIN, LEASE_DURATION, RENEW_INTERVAL, Renewal, SlotError, SlotHandle,
};

/// Pause after a request that failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Attempts to give a Lease back before it is left to end by itself.
const RELEASE_ATTEMPTS: u32 = 5;

/// Starts the task and returns the handle of the slot.
pub(super) fn keep(leases: Leases, held: Held) -> SlotHandle {
    let name = leases.name(held.index);
    let (annotations_sender, annotations) = watch::channel(annotations_of(&held.lease));
    let (close, close_receiver) = watch::channel(false);
    let (release, release_receiver) = oneshot::channel();
    let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
    let index = held.index;
    let keeper = Keeper {
        leases,
        index,
        lease: held.lease,
        renewed_at: held.renewed_at,
        annotations: annotations_sender,
        lost: lost.clone(),
    };
    let task = tokio::spawn(keeper.run(close_receiver, release_receiver, stop.clone()));
    let renewal = Renewal {
        close,
        release,
        task,
        _stop: stop.drop_guard(),
    };
    SlotHandle {
        index,
        name: Some(name),
        annotations,
        lost,
        renewal: Some(renewal),
    }
}

struct Keeper {
    leases: Leases,
    index: u32,
    /// As last read or written.
    lease: Lease,
    renewed_at: Instant,
    annotations: watch::Sender<Annotations>,
    lost: CancellationToken,
}

/// What one look at the Lease came to.
enum Look {
    Fine,
    Failed,
    Lost,
}

impl Keeper {
    async fn run(
        mut self,
        mut close: watch::Receiver<bool>,
        mut release: oneshot::Receiver<()>,
        stop: CancellationToken,
    ) -> Result<(), SlotError> {
        let mut retry = false;
        loop {
            let wake = self.next_look(*close.borrow_and_update(), retry);
            tokio::select! {
                biased;
                asked = &mut release => return match asked {
                    Ok(()) => self.give_back().await,
                    Err(_) => Ok(()),
                },
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(self.gives_up_at()) => return Err(self.lose("could not be renewed in time")),
                Ok(()) = close.changed() => continue,
                () = sleep_until(wake) => {}
            }
            match timeout_at(self.gives_up_at(), self.look()).await {
                Ok(Look::Fine) => retry = false,
                // Out of time: the next turn of the loop gives up.
                Ok(Look::Failed) | Err(_) => retry = true,
                Ok(Look::Lost) => return Err(self.lose("is held by another pod or was deleted")),
            }
        }
    }

    fn gives_up_at(&self) -> Instant {
        self.renewed_at + LEASE_DURATION - GIVE_UP_MARGIN
    }

    fn next_look(&self, closely: bool, retry: bool) -> Instant {
        let renewal = self.renewed_at + RENEW_INTERVAL;
        match (retry, closely) {
            (true, _) => Instant::now() + RETRY_INTERVAL,
            (false, true) => renewal.min(Instant::now() + CLOSE_WATCH_INTERVAL),
            (false, false) => renewal,
        }
    }

    /// Renews when it is time to, and only reads otherwise.
    async fn look(&mut self) -> Look {
        let answer = if self.renewed_at.elapsed() >= RENEW_INTERVAL {
            self.renew().await
        } else {
            self.leases.read(self.index).await
        };
        match answer {
            Ok(Some(lease)) if self.leases.is_mine(&lease) => {
                self.publish(lease);
                Look::Fine
            }
            Ok(_) => Look::Lost,
            Err(error) => {
                warn!(lease = %self.leases.name(self.index), %error, "cannot renew the lease, trying again");
                Look::Failed
            }
        }
    }

    /// A conflict is most often the operator's new annotation: read, and renew what was read if it is still ours.
    async fn renew(&mut self) -> Result<Option<Lease>, kube::Error> {
        let sent_at = Instant::now();
        match self.leases.renew(self.index, self.lease.clone()).await {
            Ok(lease) => {
                self.renewed_at = sent_at;
                Ok(Some(lease))
            }
            Err(kube::Error::Api(status)) if status.is_conflict() => self.renew_as_read().await,
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn renew_as_read(&mut self) -> Result<Option<Lease>, kube::Error> {
        let Some(lease) = self.leases.read(self.index).await? else {
            return Ok(None);
        };
        if !self.leases.is_mine(&lease) {
            return Ok(Some(lease));
        }
        let sent_at = Instant::now();
        let renewed = self.leases.renew(self.index, lease).await?;
        self.renewed_at = sent_at;
        Ok(Some(renewed))
    }

    fn publish(&mut self, lease: Lease) {
        let annotations = annotations_of(&lease);
        self.lease = lease;
        self.annotations.send_if_modified(|published| {
            let differs = *published != annotations;
            if differs {
                *published = annotations;
            }
            differs
        });
    }

    fn lose(&self, why: &'static str) -> SlotError {
        let name = self.leases.name(self.index);
        error!(lease = %name, why, "lost the slot");
        self.lost.cancel();
        SlotError::Lost(name)
    }

    async fn give_back(mut self) -> Result<(), SlotError> {
        let name = self.leases.name(self.index);
        let mut attempt = 1;
        loop {
            match self.leases.release(self.index, self.lease.clone()).await {
                Ok(_) => {
                    info!(lease = %name, "released the slot");
                    return Ok(());
                }
                Err(source) if attempt == RELEASE_ATTEMPTS => {
                    return Err(SlotError::Release {
                        name,
                        source: Box::new(source),
                    });
                }
                Err(error) => warn!(lease = %name, %error, "cannot release the lease, trying again"),
            }
            attempt += 1;
            tokio::time::sleep(RETRY_INTERVAL).await;
            match self.leases.read(self.index).await {
                Ok(Some(lease)) if self.leases.is_mine(&lease) => self.lease = lease,
                Ok(_) => return Err(SlotError::Lost(name)),
                Err(_) => {}
            }
        }
    }
}

fn annotations_of(lease: &Lease) -> Annotations {
    lease.metadata.annotations.clone().unwrap_or_default()
}
