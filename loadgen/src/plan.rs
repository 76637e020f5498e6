//! Which partitions a producer owns, and how they are dealt over its clients.

/// The partitions of producer `slot` of `producers`: those with `partition % producers == slot`, ascending.
pub fn owned_partitions(partitions: u32, producers: u32, slot: u32) -> Vec<u32> {
    (slot..partitions).step_by(producers.max(1) as usize).collect()
}

/// Deals partitions over at most `clients` groups, so that their shares of the load are as equal as a simple rule makes
/// them: the heaviest first, each to the lightest group. No group is empty, and each is ascending.
pub fn deal(partitions: &[u32], share: impl Fn(u32) -> f64, clients: u32) -> Vec<Vec<u32>> {
    let groups = (clients.max(1) as usize).min(partitions.len());
    let mut heaviest_first = partitions.to_vec();
    heaviest_first.sort_by(|a, b| share(*b).total_cmp(&share(*a)).then(a.cmp(b)));
    let mut dealt: Vec<(f64, Vec<u32>)> = vec![(0.0, Vec::new()); groups];
    for partition in heaviest_first {
        // Among equals the shortest: without any load the partitions are still spread.
        let lightest = dealt
            .iter_mut()
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.len().cmp(&b.1.len())));
        if let Some((load, group)) = lightest {
            *load += share(partition);
            group.push(partition);
        }
    }
    dealt
        .into_iter()
        .map(|(_, mut group)| {
            group.sort_unstable();
            group
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hot_partition_gets_a_client_of_its_own() {
        let share = |partition: u32| if partition == 4 { 0.7 } else { 0.1 };
        assert_eq!(deal(&[1, 2, 4, 5], share, 2), [vec![4], vec![1, 2, 5]]);
    }

    #[test]
    fn no_client_is_left_without_a_partition() {
        assert_eq!(deal(&[0, 1], |_| 0.5, 5).len(), 2);
        assert_eq!(deal(&[0, 1, 2], |_| 0.0, 3), [vec![0], vec![1], vec![2]]);
        assert_eq!(deal(&[], |_| 0.0, 3), Vec::<Vec<u32>>::new());
    }

    proptest! {
        #[test]
        fn all_producers_and_clients_together_own_each_partition_once(
            partitions in 1_u32..200, producers in 1_u32..200, clients in 1_u32..20,
        ) {
            let producers = producers.min(partitions);
            let mut all: Vec<u32> = (0..producers)
                .flat_map(|slot| deal(&owned_partitions(partitions, producers, slot), |p| f64::from(p % 7), clients))
                .inspect(|group| assert!(!group.is_empty() && group.is_sorted()))
                .flatten()
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..partitions).collect::<Vec<_>>());
        }
    }
}
