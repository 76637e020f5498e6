//! The partitioner against vectors made by the real Java client.

use eoslab_core::{Key, murmur2, partition_of};

const PARTITIONS: [u32; 4] = [1, 7, 12, 4096];

struct Vector {
    key: Vec<u8>,
    hash: i32,
    partitions: [u32; 4],
}

fn vectors() -> Vec<Vector> {
    include_str!("../vectors/murmur2-java.csv")
        .lines()
        .map(|line| parse(line).expect("a vector is well formed"))
        .collect()
}

fn parse(line: &str) -> Option<Vector> {
    let mut fields = line.split(',');
    let hex = fields.next()?;
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let key = (0..hex.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    let hash = fields.next()?.parse().ok()?;
    let partitions: Vec<u32> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    Some(Vector {
        key,
        hash,
        partitions: partitions.try_into().ok()?,
    })
}

/// How many vectors a hash and a partitioner get wrong.
fn wrong(hash: impl Fn(&[u8]) -> u32, partition: impl Fn(u32, u32) -> u32) -> usize {
    let fits = |vector: &Vector| {
        let found = hash(&vector.key);
        found as i32 == vector.hash && PARTITIONS.map(|count| partition(found, count)) == vector.partitions
    };
    vectors().iter().filter(|vector| !fits(vector)).count()
}

fn java(hash: u32, partitions: u32) -> u32 {
    (hash & 0x7fff_ffff) % partitions
}

#[test]
fn hash_and_partition_are_the_java_clients() {
    assert_eq!(vectors().len(), 335, "vectors are all there");
    assert_eq!(wrong(murmur2, java), 0);
    for vector in vectors() {
        assert_eq!(
            PARTITIONS.map(|count| partition_of(&vector.key, count)),
            vector.partitions
        );
    }
}

#[test]
fn keys_go_where_their_bytes_go() {
    let keys = vectors()
        .into_iter()
        .filter_map(|vector| Some((Key::decode(&vector.key).ok()?, vector.partitions)));
    let mut count = 0;
    for ((account, salt), partitions) in keys {
        assert_eq!(
            PARTITIONS.map(|count| Key::new(account, salt).partition(count)),
            partitions
        );
        count += 1;
    }
    assert!(count > 200, "most vectors are keys of accounts");
}

#[test]
fn twins_with_another_sign_seed_or_order_are_caught() {
    let remainder = |hash: u32, partitions: u32| (hash as i32).rem_euclid(partitions as i32) as u32;
    let negated = |hash: u32, partitions: u32| (hash as i32).unsigned_abs() % partitions;
    let unsigned = |hash: u32, partitions: u32| hash % partitions;
    let reversed = |key: &[u8]| murmur2(&key.iter().rev().copied().collect::<Vec<_>>());
    assert!(wrong(murmur2, remainder) > 100, "remainder of the signed number");
    assert!(wrong(murmur2, negated) > 100, "sign dropped by negation");
    assert!(wrong(murmur2, unsigned) > 100, "sign kept as a digit");
    assert!(wrong(reversed, java) > 300, "big-endian keys");
    assert!(wrong(|key| !murmur2(key), java) > 300, "another hash");
}
