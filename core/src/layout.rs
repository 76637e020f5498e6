//! Where the accounts of a run live and what each partition weighs.

use std::cmp::Reverse;

use crate::mix::{fold, mix64};
use crate::stream::PartitionStream;
use crate::{Key, StreamError, StreamSpec};

/// Version of the stream: raised by any change of weights, tables or draws, so that its digest changes too.
const STREAM_VERSION: u64 = 1;

/// The accounts of a run laid out over its partitions: sizes and weights, a few dozen bytes a partition.
///
/// Built once in a pass over all accounts. Their weights come from a software `pow` and are summed in a fixed order,
/// hence the same bits on every machine.
#[derive(Clone, Debug)]
pub struct Layout {
    spec: StreamSpec,
    parts: Vec<Part>,
    weight: f64,
    digest: u64,
}

/// What one partition holds.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    weight: f64,
    salted_keys: u32,
    plain_keys: u32,
    /// Order-free digest of the keys with the bits of their weights.
    digest: u64,
}

/// One key of a run and its home.
#[derive(Clone, Copy)]
struct Place {
    account: u32,
    salt: Option<u16>,
    partition: u32,
}

impl Layout {
    /// Validates `spec` and lays its accounts out.
    pub fn new(spec: &StreamSpec) -> Result<Self, StreamError> {
        spec.validate()?;
        let mut parts = vec![Part::default(); spec.partitions as usize];
        for_each_key(spec, |place| {
            parts[place.partition as usize].add(place, weight(spec, place))
        });
        let weight = parts.iter().map(|part| part.weight).sum();
        let digest = parts
            .iter()
            .fold(spec_digest(spec), |digest, part| part.fold_into(digest));
        Ok(Self {
            spec: spec.clone(),
            parts,
            weight,
            digest,
        })
    }

    /// The spec that was laid out.
    pub fn spec(&self) -> &StreamSpec {
        &self.spec
    }

    /// The partition's share of all events: 0 to 1, and 1 over all partitions; 0 where no account lives.
    ///
    /// # Panics
    /// When there is no such partition; so do all other methods that take one.
    pub fn share(&self, partition: u32) -> f64 {
        self.parts[partition as usize].weight / self.weight
    }

    /// How many of `events` each partition holds: its share, rounded by largest remainder (ties go to the lower
    /// partition), so that the counts sum to `events` exactly. A partition without accounts gets none.
    pub fn counts(&self, events: u64) -> Vec<u64> {
        // In integers from here: shares in 2^-63, so that neither quotas nor remainders are rounded.
        let shares: Vec<u128> = (0..self.spec.partitions)
            .map(|partition| (self.share(partition) * 9_223_372_036_854_775_808.0) as u128)
            .collect();
        let whole: u128 = shares.iter().sum();
        let mut counts: Vec<u64> = shares
            .iter()
            .map(|share| (u128::from(events) * share / whole) as u64)
            .collect();
        let left = events - counts.iter().sum::<u64>();
        let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
        by_remainder.sort_by_key(|partition| Reverse(u128::from(events) * shares[*partition] % whole));
        by_remainder
            .iter()
            .take(left as usize)
            .for_each(|partition| counts[*partition] += 1);
        counts
    }

    /// Length of the partition's dense array of account totals.
    pub fn slots(&self, partition: u32) -> u32 {
        self.spec.salted_accounts() + self.parts[partition as usize].plain_keys
    }

    /// Digest of the stream: equal where the events are.
    ///
    /// Covers the version of the stream, the spec, and for each partition every key with the bits of its weight and
    /// the bits of their sum. The alias tables follow from these alone and are not built for it.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The stream of one partition, or `None` where no account lives (share and counts are 0 then).
    ///
    /// Takes a pass over the hashes of all accounts; for several partitions use [`Self::streams`].
    pub fn stream(&self, partition: u32) -> Option<PartitionStream> {
        self.streams(&[partition]).pop()
    }

    /// The streams of several partitions in one pass, in the order of `partitions` (each named once), without those
    /// where no account lives.
    pub fn streams(&self, partitions: &[u32]) -> Vec<PartitionStream> {
        let mut keys: Vec<Option<Keys>> = vec![None; self.parts.len()];
        for partition in partitions {
            keys[*partition as usize] = Some(Keys::with_capacity(&self.parts[*partition as usize]));
        }
        for_each_key(&self.spec, |place| {
            if let Some(keys) = &mut keys[place.partition as usize] {
                keys.accounts.push(place.account);
                keys.salts.extend(place.salt);
            }
        });
        let build = |partition: &u32| self.build(*partition, keys[*partition as usize].take()?);
        partitions.iter().filter_map(build).collect()
    }

    fn build(&self, partition: u32, keys: Keys) -> Option<PartitionStream> {
        let place = |(index, account): (usize, &u32)| Place {
            account: *account,
            salt: keys.salts.get(index).copied(),
            partition,
        };
        let keys_in_order = keys.accounts.iter().enumerate().map(place);
        let weights: Vec<f64> = keys_in_order.map(|place| weight(&self.spec, place)).collect();
        let (accounts, salts) = (keys.accounts.into_boxed_slice(), keys.salts.into_boxed_slice());
        let whose = (self.spec.seed, partition);
        (!weights.is_empty())
            .then(|| PartitionStream::new(whose, &weights, accounts, salts, self.spec.salted_accounts()))
    }
}

/// The keys of one partition, salted ones first.
#[derive(Clone)]
struct Keys {
    accounts: Vec<u32>,
    salts: Vec<u16>,
}

impl Keys {
    fn with_capacity(part: &Part) -> Self {
        let keys = part.salted_keys as usize + part.plain_keys as usize;
        Self {
            accounts: Vec::with_capacity(keys),
            salts: Vec::with_capacity(part.salted_keys as usize),
        }
    }
}

impl Part {
    #[inline(always)]
    fn add(&mut self, place: Place, weight: f64) {
        match place.salt {
            Some(_) => self.salted_keys += 1,
            None => self.plain_keys += 1,
        }
        self.weight += weight;
        let salt = u64::from(place.salt.map_or(0, |salt| salt + 1));
        let key = mix64(salt << 32 | u64::from(place.account));
        self.digest = self.digest.wrapping_add(mix64(key ^ weight.to_bits()));
    }

    fn fold_into(&self, digest: u64) -> u64 {
        [
            self.weight.to_bits(),
            u64::from(self.salted_keys),
            u64::from(self.plain_keys),
            self.digest,
        ]
        .into_iter()
        .fold(digest, fold)
    }
}

/// Visits every key in the order of the tables and slots: salted keys by account and salt, then the others by account.
#[inline(always)]
fn for_each_key(spec: &StreamSpec, mut visit: impl FnMut(Place)) {
    let mut place = |account: u32, salt: Option<u16>| {
        let partition = Key::new(u64::from(account), salt).partition(spec.partitions);
        visit(Place {
            account,
            salt,
            partition,
        });
    };
    for account in 1..=spec.salted_accounts() {
        (0..spec.salts()).for_each(|salt| place(account, Some(salt)));
    }
    (spec.salted_accounts() + 1..=spec.accounts).for_each(|account| place(account, None));
}

/// The weight of a key: `rank^-s`, of which each key of a salted account has an even part.
#[inline(always)]
fn weight(spec: &StreamSpec, place: Place) -> f64 {
    let weight = libm::pow(f64::from(place.account), -spec.zipf_exponent);
    if place.salt.is_some() {
        weight / f64::from(spec.salts())
    } else {
        weight
    }
}

fn spec_digest(spec: &StreamSpec) -> u64 {
    // Adding 0 makes one zero of two.
    let exponent = (spec.zipf_exponent + 0.0).to_bits();
    let salted = spec.salted_accounts();
    let salts = if salted == 0 { 0 } else { u64::from(spec.salts()) };
    [
        STREAM_VERSION,
        spec.seed,
        u64::from(spec.partitions),
        u64::from(spec.accounts),
        exponent,
        u64::from(salted),
        salts,
    ]
    .into_iter()
    .fold(0, fold)
}
