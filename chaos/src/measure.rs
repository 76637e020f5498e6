//! What a fault did, from look to look. Whatever is known is in the injection's status, so that a controller that was
//! restarted goes on measuring; what lies within its own downtime is measured late, and pauses are not.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use eoslab_api::PAUSED_PARTITIONS_MAX;
use eoslab_api::chaos::{
    Baseline, Fault, FaultSummary, FaultType, Injection, InjectionState, PartitionAckGap, SpreadMs,
};
use eoslab_core::{Standstill, Window};
use eoslab_operator::status::paused;

use crate::decide::at_us;
use crate::faults::component;
use crate::spread;
use crate::world::{Component, PodState, World};

/// Creation times are in whole seconds.
pub const CREATION_SLACK_US: i64 = 1_000_000;
/// A producer's clock may be off by this much, and its gap begins before the fault is known to be injected.
const GAP_SLACK_US: i64 = 1_000_000;

fn victim_pod<'a>(fault: &Fault, injection: &Injection, world: &'a World) -> Option<&'a PodState> {
    let uid = &injection.victim.as_ref()?.uid;
    world.pods(component(fault)).iter().find(|pod| pod.uid == *uid)
}

/// Pods of the component that were made after the fault.
fn newer<'a>(fault: &Fault, injection: &Injection, world: &'a World) -> impl Iterator<Item = &'a PodState> {
    let from_us = at_us(injection.intended_at.as_ref()) - CREATION_SLACK_US;
    world
        .pods(component(fault))
        .iter()
        .filter(move |pod| pod.created_us >= from_us)
}

/// Whether the cluster shows that the fault was done.
pub fn has_effect(fault: &Fault, injection: &Injection, world: &World) -> bool {
    let before = injection.victim.as_ref().map_or(0, |victim| victim.restarts);
    let pod = victim_pod(fault, injection, world);
    match fault.fault_type {
        // Those that were seen go when the LoadTest ends.
        FaultType::RollingRestart => injection.detected_ms.is_some() || newer(fault, injection, world).next().is_some(),
        FaultType::ScaleCounters => {
            injection.healed_at.is_some() || world.loadtest.as_ref().map(|one| one.counters) == fault.replicas
        }
        // The process said that it was frozen, and nothing else shows it for certain.
        FaultType::PauseBroker | FaultType::PauseCounter => injection.injected_at.is_some(),
        FaultType::StopBroker => pod.is_none_or(|pod| pod.is_going),
        // The kubelet may let it wait, and restarts it only then.
        _ => pod.is_none_or(|pod| pod.is_down || pod.restarts > before),
    }
}

/// Why not everything is steady; after counters were scaled also: why the partitions are not with them.
pub fn trouble(fault: Option<&Fault>, world: &World, max_lag_ms: u32) -> Option<String> {
    let is_scaled = fault.is_some_and(|fault| fault.fault_type == FaultType::ScaleCounters);
    let unspread = || is_scaled.then(|| spread::trouble(world)).flatten();
    world.trouble(max_lag_ms).or_else(unspread)
}

/// Whether every pod that the fault replaces is replaced, or has its partitions where they belong.
pub fn is_replaced(fault: &Fault, injection: &Injection, world: &World) -> bool {
    let all = world.pods(component(fault)).len();
    match fault.fault_type {
        FaultType::RollingRestart => newer(fault, injection, world).count() == all,
        FaultType::StopBroker => {
            victim_pod(fault, injection, world).is_none() && newer(fault, injection, world).next().is_some()
        }
        FaultType::ScaleCounters => spread::trouble(world).is_none(),
        _ => true,
    }
}

/// Adds what a look saw.
pub fn fold(fault: &Fault, injection: &mut Injection, baseline: &mut Baseline, world: &World, is_ready: bool) {
    let Some(injected_us) = injection.injected_at.as_ref().map(|at| at.0.as_microsecond()) else {
        return;
    };
    let since_ms = Some(((world.now_us - injected_us).max(0) / 1000) as u64);
    let set = |field: &mut Option<u64>, is_so: bool| *field = field.or(since_ms.filter(|_| is_so));
    let pod = victim_pod(fault, injection, world);
    let is_hit = has_effect(fault, injection, world);
    let is_detected = is_detected(fault, injection, world);
    set(&mut injection.detected_ms, is_detected);
    let is_pod = injection.victim.as_ref().is_some_and(|victim| !victim.uid.is_empty());
    let is_rescheduled = is_pod && pod.is_none() && newer(fault, injection, world).next().is_some();
    set(&mut injection.rescheduled_ms, is_rescheduled);
    // What is frozen looks ready until a probe fails, and scaled counters are ready twice.
    let is_taken_back = matches!(
        fault.fault_type,
        FaultType::PauseBroker | FaultType::PauseCounter | FaultType::ScaleCounters
    );
    let is_over = injection.healed_at.is_some() || !is_taken_back;
    let is_back = is_hit && is_over && is_ready && is_replaced(fault, injection, world);
    set(&mut injection.ready_ms, is_back);
    brokers(fault, injection, baseline, world, since_ms);
    lag_and_totals(injection, world);
    standstills(injection, world, injected_us);
    if !baseline.rebalances.is_empty() {
        injection.rebalances = Some(rebalances(&baseline.rebalances, &world.rebalances));
    }
}

/// Whether the API shows that something happened to a pod or workload.
fn is_detected(fault: &Fault, injection: &Injection, world: &World) -> bool {
    let before = injection.victim.as_ref().map_or(0, |victim| victim.restarts);
    match fault.fault_type {
        FaultType::RollingRestart | FaultType::ScaleCounters => has_effect(fault, injection, world),
        _ => victim_pod(fault, injection, world).is_none_or(|pod| !pod.is_ready || pod.restarts > before),
    }
}

/// Assignments and revocations since `before`, without the first assignment of each new process: that is its start.
fn rebalances(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> u64 {
    let more = |(process, now): (&String, &u64)| now.saturating_sub(before.get(process).copied().unwrap_or(1));
    now.iter().map(more).sum()
}

fn brokers(fault: &Fault, injection: &mut Injection, baseline: &mut Baseline, world: &World, since_ms: Option<u64>) {
    let Some(topic) = &world.topic else { return };
    if !world.is_in_sync() {
        baseline.was_out_of_sync = true;
        injection.isr_restored_ms = None;
    } else if baseline.was_out_of_sync && injection.isr_restored_ms.is_none() {
        injection.isr_restored_ms = since_ms;
    }
    let name = injection
        .victim
        .as_ref()
        .map(|victim| victim.name.clone())
        .unwrap_or_default();
    let id: Option<i32> = name.rsplit('-').next().and_then(|id| id.parse().ok());
    let is_broker = component(fault) == Component::Brokers && fault.fault_type != FaultType::RollingRestart;
    if let (true, Some(id), None) = (is_broker, id, injection.leader_change_ms) {
        let has_moved = topic.iter().all(|one| one.leader >= 0 && one.leader != id);
        injection.leader_change_ms = since_ms.filter(|_| has_moved);
    }
}

fn lag_and_totals(injection: &mut Injection, world: &World) {
    if let Some(lag) = world.lag() {
        injection.peak_lag_records = injection.peak_lag_records.max(lag.records);
        injection.peak_lag_ms = injection.peak_lag_ms.max(lag.millis);
    }
    if let Some((lost, duplicated)) = world.wrong() {
        injection.lost = lost.saturating_sub(injection.lost_before);
        injection.duplicated = duplicated.saturating_sub(injection.duplicated_before);
    }
}

fn standstills(injection: &mut Injection, world: &World, injected_us: i64) {
    if let (Some(from_us), Some(to_us)) = (injection.ledger_from_us, world.ledger_clock_us()) {
        let pauses = Window { from_us, to_us }.pauses(&world.pauses);
        injection.longest_pause_ms = Some(pauses.first().map_or(0, |longest| longest.longest_us / 1000));
        injection.partitions_paused = pauses.len() as u32;
        injection.pauses = paused(pauses);
    }
    let around = Window {
        from_us: injected_us - GAP_SLACK_US,
        to_us: world.now_us,
    };
    merge(&mut injection.ack_gaps, around.ack_gaps(&world.ack_gaps));
    injection.longest_ack_gap_ms = injection.ack_gaps.first().map(|longest| longest.length_ms);
}

/// The longest of each partition stays: a producer that was restarted reports no more what its forerunner saw, and who
/// looks may have been restarted as well.
fn merge(gaps: &mut Vec<PartitionAckGap>, seen: Vec<Standstill>) {
    gaps.extend(seen.into_iter().map(|standstill| PartitionAckGap {
        partition: standstill.partition,
        length_ms: standstill.longest_us / 1000,
    }));
    gaps.sort_by_key(|gap| (gap.partition, Reverse(gap.length_ms)));
    gaps.dedup_by_key(|gap| gap.partition);
    gaps.sort_by_key(|gap| (Reverse(gap.length_ms), gap.partition));
    gaps.truncate(PAUSED_PARTITIONS_MAX);
}

/// Closes an injection that recovered: everything has been steady since `steady_us`, or since it was taken back.
pub fn recovered(injection: &mut Injection, steady_us: i64) {
    let injected_us = at_us(injection.injected_at.as_ref());
    let steady_us = steady_us.max(at_us(injection.healed_at.as_ref()));
    let steady_ms = ((steady_us - injected_us).max(0) / 1000) as u64;
    let recovered_ms = steady_ms.max(injection.ready_ms.unwrap_or(0));
    injection.recovered_ms = Some(recovered_ms);
    injection.recovered_at = Some(crate::decide::micro(injected_us + recovered_ms as i64 * 1000));
    injection.drain_ms = injection.ready_ms.map(|ready_ms| recovered_ms.saturating_sub(ready_ms));
}

/// By type of fault, in the order in which they first came.
pub fn summary(injections: &[Injection]) -> Vec<FaultSummary> {
    let mut types: Vec<FaultType> = Vec::new();
    for injection in injections {
        if !types.contains(&injection.fault_type) {
            types.push(injection.fault_type);
        }
    }
    types
        .into_iter()
        .filter_map(|fault_type| of_type(injections, fault_type))
        .collect()
}

fn of_type(injections: &[Injection], fault_type: FaultType) -> Option<FaultSummary> {
    let is_over = |one: &&Injection| matches!(one.state, InjectionState::Recovered | InjectionState::NotRecovered);
    let over: Vec<&Injection> = injections
        .iter()
        .filter(|one| one.fault_type == fault_type)
        .filter(is_over)
        .collect();
    let recovered = |one: &&&Injection| one.state == InjectionState::Recovered;
    (!over.is_empty()).then(|| FaultSummary {
        fault_type,
        injections: over.len() as u32,
        recovered: over.iter().filter(recovered).count() as u32,
        pause: spread(over.iter().map(|one| one.longest_pause_ms.unwrap_or(0))),
        recovery: spread(over.iter().filter_map(|one| one.recovered_ms)),
        lost: over.iter().map(|one| one.lost).sum(),
        duplicated: over.iter().map(|one| one.duplicated).sum(),
    })
}

fn spread(durations_ms: impl Iterator<Item = u64>) -> SpreadMs {
    let mut all: Vec<u64> = durations_ms.collect();
    all.sort_unstable();
    SpreadMs {
        min_ms: all.first().copied().unwrap_or(0),
        median_ms: all.get(all.len() / 2).copied().unwrap_or(0),
        max_ms: all.last().copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests;
