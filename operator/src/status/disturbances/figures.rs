//! What disturbances cost: pauses, acknowledgements that did not come, lag, rebalances.

use std::collections::{BTreeMap, BTreeSet};

use eoslab_api::{Component, Disturbance, LoadTestStatus, PAUSED_PARTITIONS_MAX, PausedPartition, Phase};
use eoslab_core::report::{AckGap, Pause};
use eoslab_core::{Standstill, Window};

use super::super::Facts;
use super::{millis, recovered_us, started_us};
use crate::plan::Plan;
use crate::seen::Seen;

/// A pause that began earlier than this before a disturbance is not its doing, us. The last batch may be that much
/// older than the end of its counter, of which the API says the second only.
const EARLIER_US: i64 = 1_000_000;
/// Lag that counts as none: what is sent in this time, ms. A look sees batches on their way.
const LAG_SLACK_MS: u64 = 200;
/// Events that have waited for longer than this are lag, however few they are, ms: those of a partition that nobody counts.
const LAG_AGE_MS: u64 = 1_000;
/// The lag is not waited for any longer than this after the recovery, us.
const DRAIN_PATIENCE_US: i64 = 300_000_000;

/// What one look has to say of every disturbance that is not over.
pub(super) struct Figures<'a> {
    seen: &'a Seen,
    lag_before: u64,
    /// Events that wait, if they could be counted.
    lag: Option<u64>,
    lag_slack: u64,
    /// Whether some of them have waited for too long.
    is_lag_old: bool,
    producers: u32,
    is_last: bool,
    now_us: i64,
}

impl<'a> Figures<'a> {
    pub(super) fn new(facts: &Facts<'a>, plan: &Plan, status: &LoadTestStatus) -> Self {
        let seen = facts.seen;
        let is_known = seen.log.is_some() && seen.ledger.is_some();
        let last_lag = facts.before.lag.as_ref().map(|lag| lag.records);
        let rate = status
            .producers
            .as_ref()
            .map_or(0, |producers| producers.rate_per_second);
        Self {
            seen,
            lag_before: seen.least_lag.into_iter().chain(last_lag).min().unwrap_or(0),
            lag: status.lag.as_ref().filter(|_| is_known).map(|lag| lag.records),
            lag_slack: rate * LAG_SLACK_MS / 1000,
            is_lag_old: status.lag.as_ref().is_some_and(|lag| lag.millis > LAG_AGE_MS),
            producers: plan.producers(),
            is_last: facts.decision.phase > Phase::Draining,
            now_us: facts.now_us,
        }
    }

    /// Brings the figures up to date; the disturbances behind the first `known` have just begun.
    pub(super) fn fill(&self, status: &mut LoadTestStatus, known: usize) {
        let moved = rebalanced(status, self.seen);
        let all = &mut status.disturbances;
        // While another one goes on, the lag is not what it is without any.
        let calm = all[..known]
            .iter()
            .filter(|one| !one.over)
            .map(|one| one.lag_records_before);
        let lag_before = calm.min().unwrap_or(self.lag_before);
        all[known..]
            .iter_mut()
            .for_each(|one| one.lag_records_before = lag_before);
        for index in 0..all.len() {
            let window = self.window(all, index);
            let one = &mut all[index];
            if one.over {
                continue;
            }
            self.pauses(one, window);
            self.ack_gaps(one, window);
            let others = moved
                .iter()
                .filter(|(slot, _)| one.component != Component::Counter || **slot != one.slot);
            one.rebalances += others.map(|(_, times)| times).sum::<u64>();
            one.peak_lag_records = one.peak_lag_records.max(self.lag.unwrap_or(0));
            self.drain(one);
        }
    }

    /// Until now, or until the next one that began after its recovery.
    fn window(&self, all: &[Disturbance], index: usize) -> Window {
        let recovered_us = recovered_us(&all[index]).unwrap_or(i64::MAX);
        let later = all[index + 1..].iter().map(started_us);
        let next_us = later.filter(|started_us| *started_us >= recovered_us).min();
        Window {
            from_us: started_us(&all[index]),
            to_us: next_us.unwrap_or(self.now_us),
        }
    }

    fn pauses(&self, one: &mut Disturbance, window: Window) {
        let Some(pauses) = &self.seen.pauses else { return };
        let begun = |pause: &&Pause| {
            let began_us = pause.ended_at_us.saturating_sub_unsigned(pause.length_us);
            began_us >= window.from_us - EARLIER_US
        };
        let begun: Vec<Pause> = pauses.recent.iter().filter(begun).cloned().collect();
        let standstills = window.pauses(&begun);
        one.longest_pause_ms = standstills.first().map_or(0, |longest| longest.longest_us / 1000);
        one.paused_partitions_total = standstills.len() as u32;
        one.paused_partitions = paused(standstills);
    }

    /// Of the producer's own partitions. What was noted may go with another restart, so the longest stays.
    fn ack_gaps(&self, one: &mut Disturbance, window: Window) {
        if one.component != Component::Producer {
            return;
        }
        let own = |gap: &&AckGap| gap.partition % self.producers.max(1) == one.slot;
        let own: Vec<AckGap> = self.seen.ack_gaps.iter().filter(own).cloned().collect();
        let longest = window.ack_gaps(&own).first().map(|gap| gap.longest_us / 1000);
        one.longest_ack_gap_ms = one.longest_ack_gap_ms.max(longest);
    }

    /// It is over when the lag is back at two looks in a row: just after a loss it does not show yet, and what the members
    /// note of their first steps comes a moment after these.
    fn drain(&self, one: &mut Disturbance) {
        let Some(recovered_us) = recovered_us(one) else { return };
        let since_us = (self.now_us - recovered_us).max(0);
        let limit = one.lag_records_before + self.lag_slack;
        match self.lag {
            Some(lag) if lag > limit || self.is_lag_old => one.drain_ms = None,
            Some(_) if one.drain_ms.is_some() => one.over = true,
            Some(_) => one.drain_ms = Some(millis(since_us)),
            None => {}
        }
        one.over |= self.is_last || since_us >= DRAIN_PATIENCE_US;
    }
}

/// The longest of them, as a status names them.
pub fn paused(standstills: Vec<Standstill>) -> Vec<PausedPartition> {
    let named = standstills.into_iter().take(PAUSED_PARTITIONS_MAX);
    named
        .map(|standstill| PausedPartition {
            partition: standstill.partition,
            length_ms: standstill.longest_us / 1000,
            member_before: standstill.member_before,
            member_after: standstill.member_after,
        })
        .collect()
}

/// How often each counter was given or lost partitions since the look before. Not of those that are disturbed: what they
/// give up with their end and get with their beginning is no rebalance.
fn rebalanced(status: &mut LoadTestStatus, seen: &Seen) -> BTreeMap<u32, u64> {
    let open = status.disturbances.iter().filter(|one| one.recovered_at.is_none());
    let disturbed: BTreeSet<(Component, u32)> = open.map(|one| (one.component, one.slot)).collect();
    let mut moved = BTreeMap::new();
    for member in &mut status.members {
        let Some(now) = seen.rebalances.get(&member.uid) else {
            continue;
        };
        if !disturbed.contains(&(member.component, member.slot))
            && let Some(before) = member.rebalances.replace(*now)
        {
            moved.insert(member.slot, now.saturating_sub(before));
        }
    }
    moved
}
