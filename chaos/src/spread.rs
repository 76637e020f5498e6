//! Which counters have the partitions. A member that is scaled away keeps its own until its session ends, and its lag
//! grows only slowly: pods and lag alone look steady before that.

use std::collections::BTreeSet;

use eoslab_api::Phase;

use crate::world::{Component, World};

/// A partition in which nothing waits and nothing was counted for so long belongs to nobody that could be seen, us.
const COLD_AFTER_US: i64 = 30_000_000;

/// Why the partitions are not with the counters that should be there: each of them must have counted last somewhere, and
/// nobody else. `None` where they are. Once nothing is sent any more, a partition that is counted to its end is nobody's.
pub fn trouble(world: &World) -> Option<String> {
    let (Some(loadtest), Some(ledger), Some(lag)) = (&world.loadtest, &world.ledger, world.lag()) else {
        return Some("log or ledger cannot be read".to_owned());
    };
    let is_sending = loadtest.phase() <= Phase::Running;
    let pods = world.pods(Component::Counters).iter().filter(|pod| !pod.is_going);
    let members: BTreeSet<u32> = pods.filter_map(|pod| pod.slot).collect();
    if is_sending && members.len() != loadtest.counters as usize {
        let (members, wanted) = (members.len(), loadtest.counters);
        return Some(format!("{members} counters hold a slot, and {wanted} should"));
    }
    let clock_us = world.ledger_clock_us().unwrap_or(0);
    let (mut idle, mut is_any_cold) = (members.clone(), false);
    for (entry, (waiting_records, _)) in ledger.iter().zip(&lag.partitions) {
        let is_cold = *waiting_records == 0 && clock_us - entry.at_us > COLD_AFTER_US;
        is_any_cold |= is_cold;
        // Members are named after their Leases, which end in the slot.
        let slot: Option<u32> = entry.member.rsplit('-').next().and_then(|slot| slot.parse().ok());
        let is_with_a_member = slot.is_some_and(|slot| members.contains(&slot));
        if is_with_a_member {
            idle.retain(|member| Some(*member) != slot);
        } else if *waiting_records > 0 || (is_sending && !is_cold) {
            let (partition, member) = (entry.partition, &entry.member);
            return Some(format!(
                "partition {partition} was last counted by {member:?}, which is gone"
            ));
        }
    }
    // One that is idle may have only cold ones.
    let idle = idle.first().filter(|_| is_sending && !is_any_cold)?;
    Some(format!("counter {idle} has counted nothing yet"))
}

#[cfg(test)]
mod tests {
    use eoslab_api::LoadTestStatus;
    use eoslab_counter::ledger::LedgerEntry;
    use eoslab_operator::seen::log::LogRange;

    use super::*;
    use crate::world::{LoadTestState, PodState};

    const S: i64 = 1_000_000;
    const NOW: i64 = 1_000 * S;

    /// So many wanted counters, the slots that are held, and of each partition the slot that counted last, how many events
    /// wait, and how long ago that was.
    fn world(phase: Phase, counters: u32, slots: &[u32], partitions: &[(Option<u32>, i64, i64)]) -> World {
        let pod = |slot: &u32| PodState {
            slot: Some(*slot),
            ..PodState::default()
        };
        let entry = |(slot, waiting_records, ago_s): &(Option<u32>, i64, i64)| LedgerEntry {
            member: slot.map(|slot| format!("lt-7-counter-{slot}")).unwrap_or_default(),
            offset: 9 - waiting_records,
            at_us: NOW - ago_s * S,
            ..LedgerEntry::empty(0)
        };
        World {
            loadtest: Some(LoadTestState {
                counters,
                status: LoadTestStatus {
                    phase,
                    ..LoadTestStatus::default()
                },
                ..LoadTestState::default()
            }),
            pods: [(Component::Counters, slots.iter().map(pod).collect())].into(),
            log: Some(vec![LogRange { begin: 0, end: 10 }; partitions.len()]),
            ledger: Some(partitions.iter().map(entry).collect()),
            ..World::default()
        }
    }

    #[test]
    fn the_partitions_are_with_the_counters_that_should_be_there() {
        use Phase::{Draining, Finished, Running};
        let by = |slot| (Some(slot), 0, 0);
        let waits_for = |slot| (Some(slot), 1, 0);
        let (long_ago, nobody) = ((Some(2), 0, 31), (None, 0, 1_000));
        let table = [
            (world(Running, 3, &[0, 1, 2], &[by(0), by(1), by(2)]), None),
            (world(Running, 2, &[0, 2], &[by(0), waits_for(2)]), None),
            (world(Running, 2, &[0, 1], &[by(0), by(1), by(2)]), Some("is gone")),
            (
                world(Running, 2, &[0, 1, 2], &[by(0), by(1), by(2)]),
                Some("3 counters hold a slot"),
            ),
            (
                world(Running, 3, &[0, 1, 2], &[by(0), by(1), by(0)]),
                Some("counter 2 has counted nothing"),
            ),
            // Nothing comes that the new one could count, or that waits for the old one.
            (world(Running, 2, &[0, 1], &[by(0), by(1), long_ago]), None),
            (world(Running, 3, &[0, 1, 2], &[by(0), by(1), nobody]), None),
            (
                world(Running, 2, &[0, 1], &[by(0), by(1), (Some(2), 1, 31)]),
                Some("is gone"),
            ),
            // After the sending.
            (world(Draining, 2, &[0, 1], &[by(0), by(1), by(2)]), None),
            (world(Draining, 3, &[0, 1, 2], &[by(0), by(1)]), None),
            (
                world(Draining, 2, &[0, 1], &[by(0), by(1), waits_for(2)]),
                Some("is gone"),
            ),
            (world(Finished, 3, &[], &[by(0), by(1)]), None),
            (World::default(), Some("cannot be read")),
        ];
        for (row, (world, expected)) in table.into_iter().enumerate() {
            let said = trouble(&world);
            let is_as_expected = match expected {
                None => said.is_none(),
                Some(words) => said.as_ref().is_some_and(|said| said.contains(words)),
            };
            assert!(is_as_expected, "row {row}: {said:?}");
        }
    }
}
