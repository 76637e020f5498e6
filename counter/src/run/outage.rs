//! What is done while Redis does not take batches, and how reading goes on afterwards.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{info, warn};

use super::consume::Member;
use super::context::Core;
use super::engine::Seek;
use crate::ledger::LedgerError;

/// How long Redis may be out before partitions are paused and polling goes on, so that the member stays in the group;
/// until then the thread just tries again.
const PAUSE_AFTER: Duration = Duration::from_secs(2);
/// How long Redis may be out before the member says that it is not ready.
const UNREADY_AFTER: Duration = Duration::from_secs(10);
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// A time without Redis.
pub(super) struct Outage {
    since: Instant,
    /// Whether partitions are paused.
    pub(super) paused: bool,
}

impl Outage {
    /// How long it has lasted, once that is too long to be called ready.
    pub(super) fn unready_for(&self) -> Option<Duration> {
        let lasts = self.since.elapsed();
        (lasts >= UNREADY_AFTER).then_some(lasts)
    }
}

impl Member {
    pub(super) fn note_outage(&mut self, error: &LedgerError) {
        let outage = self.outage.get_or_insert_with(|| {
            warn!(%error, "batches wait for redis");
            Outage {
                since: Instant::now(),
                paused: false,
            }
        });
        if outage.paused || outage.since.elapsed() < PAUSE_AFTER {
            return;
        }
        let mut core = self.consumer.context().core();
        let list = assigned(&core, self.consumer.context().topic());
        match self.consumer.pause(&list) {
            Ok(()) => {
                warn!("redis is out, partitions are paused");
                core.paused = true;
                outage.paused = true;
            }
            // Tried again with the next failure.
            Err(error) => warn!(%error, "partitions cannot be paused"),
        }
    }

    pub(super) fn end_outage(&mut self) {
        let Some(outage) = self.outage.take() else { return };
        info!(
            seconds = outage.since.elapsed().as_secs_f64(),
            "redis takes batches again"
        );
        if !outage.paused {
            return;
        }
        let (list, positions) = {
            let mut core = self.consumer.context().core();
            core.paused = false;
            (
                assigned(&core, self.consumer.context().topic()),
                core.engine.read_positions(),
            )
        };
        if let Err(error) = self.consumer.resume(&list) {
            warn!(%error, "partitions cannot be resumed");
        }
        // Records that came while a batch waited were not taken.
        for seek in positions {
            self.seek(seek);
        }
    }

    /// Reads a partition on from elsewhere; what the client holds of it is discarded.
    pub(super) fn seek(&mut self, seek: Seek) {
        let Seek { partition, offset } = seek;
        let topic = self.consumer.context().topic();
        match self
            .consumer
            .seek(topic, partition as i32, Offset::Offset(offset), SEEK_TIMEOUT)
        {
            Ok(()) => {
                self.pending_seeks.remove(&partition);
            }
            Err(error) => {
                if self.pending_seeks.insert(partition, offset).is_none() {
                    warn!(partition, offset, %error, "cannot seek yet");
                }
            }
        }
    }

    /// Seeks that the client would not take before; those of partitions that went away are forgotten.
    pub(super) fn retry_seeks(&mut self) {
        if self.pending_seeks.is_empty() {
            return;
        }
        let held = self.consumer.context().core().engine.held();
        self.pending_seeks.retain(|partition, _| held.contains(partition));
        for (partition, offset) in self.pending_seeks.clone() {
            self.seek(Seek { partition, offset });
        }
    }
}

fn assigned(core: &Core, topic: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in core.engine.held() {
        list.add_partition(topic, partition as i32);
    }
    list
}
