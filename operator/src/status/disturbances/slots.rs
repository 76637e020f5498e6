//! Who holds the slots, against who held them: begin and recovery of disturbances.

use eoslab_api::{Component, Disturbance, DisturbanceCause, LoadTestStatus, MemberStatus};

use super::super::{Facts, micro_time};
use super::{millis, started_us};
use crate::plan::Plan;
use crate::seen::pods::PodView;
use crate::seen::slots::Group;

/// The members of one role as one look saw them.
pub(super) struct Watch<'a> {
    component: Component,
    group: &'a Group,
    wanted: usize,
    now_us: i64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(component: Component, facts: &Facts<'a>, plan: &Plan) -> Self {
        let (group, wanted) = match component {
            Component::Counter => (&facts.seen.counters, plan.counters()),
            Component::Producer => (&facts.seen.producers, plan.producers()),
        };
        Self {
            component,
            group,
            wanted: wanted as usize,
            now_us: facts.now_us,
        }
    }

    /// Compares what was seen with the members of the status, which are those of the first look at a complete group.
    pub(super) fn fold(&self, status: &mut LoadTestStatus) {
        if self.members(status).next().is_some() {
            self.lose(status);
            self.gain(status);
            self.recover(status);
        } else if self.group.is_complete(self.wanted as u32) {
            let workers = self
                .group
                .slots
                .iter()
                .map(|slot| (slot.index, self.group.worker(slot)));
            let members = workers.filter_map(|(slot, pod)| Some(self.member(slot, pod?)));
            status.members.extend(members);
        }
    }

    /// Members that have ended.
    fn lose(&self, status: &mut LoadTestStatus) {
        let mut surplus = self.staying(status).saturating_sub(self.wanted);
        let is_settled = |member: &&MemberStatus| !status.disturbances.iter().any(|one| self.is_of(one, member.slot));
        let settled: Vec<MemberStatus> = self.members(status).filter(is_settled).cloned().collect();
        // One whose replacement is not wanted any more.
        for open in status.disturbances.iter_mut().filter(|one| self.is_open(one)) {
            if surplus > 0 && !is_leaving(open) && self.holder(open.slot).is_none() {
                open.cause = DisturbanceCause::Scaled;
                open.pod_before = open.pod_before.take().or_else(|| open.pod_after.take());
                surplus -= 1;
            }
        }
        for member in settled {
            let Some((mut cause, started_us)) = self.end(&member) else {
                continue;
            };
            if cause == DisturbanceCause::PodReplaced && surplus > 0 {
                cause = DisturbanceCause::Scaled;
                surplus -= 1;
            }
            let begun = self.begin(cause, member.slot, started_us);
            status.disturbances.push(Disturbance {
                pod_before: Some(member.pod),
                ..begun
            });
        }
    }

    /// How and when a member has ended, if it has.
    fn end(&self, member: &MemberStatus) -> Option<(DisturbanceCause, i64)> {
        let slot = self.group.slots.iter().find(|slot| slot.index == member.slot);
        let holder = slot.and_then(|slot| self.group.holder_pod(slot));
        let Some(pod) = self.group.pods.iter().find(|pod| pod.uid == member.uid) else {
            // A Deployment makes the successor when a pod is asked to stop; without one, the last sign of life.
            let since_us = match holder {
                Some(successor) => Some(successor.created_us),
                None => slot.and_then(|slot| slot.renewed_us),
            };
            return Some((DisturbanceCause::PodReplaced, since_us.unwrap_or(self.now_us)));
        };
        if pod.is_terminating || pod.is_finished || holder.is_some_and(|holder| holder.uid != pod.uid) {
            let ended_us = pod.ended_us.or(pod.ready_since_us).filter(|_| pod.is_finished);
            let since_us = pod.deleted_us.or(ended_us);
            return Some((DisturbanceCause::PodReplaced, since_us.unwrap_or(self.now_us)));
        }
        let is_down = !pod.is_running && !pod.is_ready;
        let has_ended = pod.restarts > member.restarts || is_down;
        has_ended.then(|| {
            (
                DisturbanceCause::ContainerRestarted,
                pod.ended_us.unwrap_or(self.now_us),
            )
        })
    }

    /// Pods in slots without a member: the slot is new, or another's replacement has taken it.
    fn gain(&self, status: &mut LoadTestStatus) {
        for slot in &self.group.slots {
            let is_known = self.members(status).any(|member| member.slot == slot.index);
            let Some(pod) = self.holder(slot.index).filter(|_| !is_known) else {
                continue;
            };
            if self.staying(status) >= self.wanted {
                self.move_to(slot.index, status);
                continue;
            }
            let begun = self.begin(DisturbanceCause::Scaled, slot.index, pod.created_us);
            status.disturbances.push(Disturbance {
                pod_after: Some(pod.name.clone()),
                ..begun
            });
            status.members.push(self.member(slot.index, pod));
        }
    }

    /// A member whose slot is vacant has come back in another one.
    fn move_to(&self, slot: u32, status: &mut LoadTestStatus) {
        let is_vacant =
            |one: &&mut Disturbance| self.is_open(one) && !is_leaving(one) && self.holder(one.slot).is_none();
        let Some(open) = status.disturbances.iter_mut().find(is_vacant) else {
            return;
        };
        let mut members = status.members.iter_mut();
        if let Some(member) = members.find(|member| member.component == self.component && member.slot == open.slot) {
            member.slot = slot;
            open.slot = slot;
        }
    }

    /// Slots that have a ready pod again, and those whose last pod is gone.
    fn recover(&self, status: &mut LoadTestStatus) {
        let component = self.component;
        for open in status.disturbances.iter_mut().filter(|one| self.is_open(one)) {
            let is_own = |member: &MemberStatus| member.component == component && member.slot == open.slot;
            if is_leaving(open) {
                let is_last = |pod: &PodView| open.pod_before.as_ref() == Some(&pod.name) && !pod.is_finished;
                if !self.group.pods.iter().any(is_last) {
                    status.members.retain(|member| !is_own(member));
                    recover_at(open, self.now_us);
                }
                continue;
            }
            let Some(pod) = self.holder(open.slot).filter(|pod| pod.is_ready) else {
                continue;
            };
            if let Some(member) = status.members.iter_mut().find(|member| is_own(member)) {
                *member = self.member(open.slot, pod);
            }
            open.pod_after = Some(pod.name.clone());
            recover_at(open, pod.ready_since_us.unwrap_or(self.now_us));
        }
    }

    fn begin(&self, cause: DisturbanceCause, slot: u32, started_us: i64) -> Disturbance {
        Disturbance {
            component: self.component,
            slot,
            cause,
            pod_before: None,
            pod_after: None,
            // The API's clock may be ahead of this one.
            started_at: micro_time(started_us.min(self.now_us)),
            recovered_at: None,
            duration_ms: None,
            longest_pause_ms: 0,
            paused_partitions: Vec::new(),
            paused_partitions_total: 0,
            longest_ack_gap_ms: None,
            lag_records_before: 0,
            peak_lag_records: 0,
            drain_ms: None,
            rebalances: 0,
            over: false,
        }
    }

    fn member(&self, slot: u32, pod: &PodView) -> MemberStatus {
        MemberStatus {
            component: self.component,
            slot,
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            restarts: pod.restarts,
            rebalances: None,
        }
    }

    fn members<'s>(&self, status: &'s LoadTestStatus) -> impl Iterator<Item = &'s MemberStatus> + use<'s> {
        let component = self.component;
        status
            .members
            .iter()
            .filter(move |member| member.component == component)
    }

    /// Members that are not about to go because fewer are wanted.
    fn staying(&self, status: &LoadTestStatus) -> usize {
        let leaving = status
            .disturbances
            .iter()
            .filter(|one| self.is_open(one) && is_leaving(one));
        self.members(status).count().saturating_sub(leaving.count())
    }

    /// The pod that holds a slot and is not about to go.
    fn holder(&self, slot: u32) -> Option<&'a PodView> {
        let slot = self.group.slots.iter().find(|one| one.index == slot)?;
        let pod = self.group.holder_pod(slot)?;
        (!pod.is_terminating && !pod.is_finished).then_some(pod)
    }

    fn is_open(&self, disturbance: &Disturbance) -> bool {
        disturbance.component == self.component && disturbance.recovered_at.is_none()
    }

    fn is_of(&self, disturbance: &Disturbance, slot: u32) -> bool {
        self.is_open(disturbance) && disturbance.slot == slot
    }
}

/// Whether nobody is to come after.
fn is_leaving(disturbance: &Disturbance) -> bool {
    disturbance.cause == DisturbanceCause::Scaled && disturbance.pod_before.is_some()
}

fn recover_at(open: &mut Disturbance, at_us: i64) {
    // Both times may be whole seconds.
    let at_us = at_us.max(started_us(open));
    open.recovered_at = Some(micro_time(at_us));
    open.duration_ms = Some(millis(at_us - started_us(open)));
}
