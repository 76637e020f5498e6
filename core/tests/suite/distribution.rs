//! What is drawn is Zipf: against the exact probabilities, and against samples of `rand_distr::Zipf`.

use eoslab_core::{Layout, Salting, StreamSpec};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};

use crate::common::{draws, layout, spec, streams};

const EVENTS: u64 = 6_000_000;
const ACCOUNTS: u32 = 100_000;
/// Ranks with a bin of their own; the others share bins that grow by a tenth.
const HEAD: usize = 300;

fn zipf(zipf_exponent: f64) -> StreamSpec {
    StreamSpec {
        accounts: ACCOUNTS,
        zipf_exponent,
        ..spec()
    }
}

/// First rank of each bin, and the rank after the last.
fn edges() -> Vec<usize> {
    let mut edges: Vec<usize> = (1..=HEAD).collect();
    let mut edge = HEAD + 1;
    while edge <= ACCOUNTS as usize {
        edges.push(edge);
        edge += edge / 10;
    }
    edges.push(ACCOUNTS as usize + 1);
    edges
}

/// Sums a number for each rank (from rank 1) into bins.
fn binned(by_rank: &[f64]) -> Vec<f64> {
    edges()
        .windows(2)
        .map(|edge| by_rank[edge[0] - 1..edge[1] - 1].iter().sum())
        .collect()
}

/// How often each account is drawn in a run of `counts` events a partition.
fn drawn(layout: &Layout, counts: &[u64]) -> Vec<f64> {
    let mut by_rank = vec![0.0; ACCOUNTS as usize];
    for stream in streams(layout) {
        for draw in draws(&stream, counts[stream.partition() as usize]) {
            by_rank[draw.account_id as usize - 1] += 1.0;
        }
    }
    by_rank
}

fn exact(exponent: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=ACCOUNTS).map(|rank| f64::from(rank).powf(-exponent)).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total * EVENTS as f64).collect()
}

/// Pearson's chi-square in standard deviations from its mean, if `observed` is drawn by `expected`.
fn deviation(observed: &[f64], expected: &[f64]) -> f64 {
    let chi_square: f64 = observed.iter().zip(expected).map(|(o, e)| (o - e) * (o - e) / e).sum();
    standardised(chi_square, observed.len())
}

/// The same for two samples of equal size.
fn deviation_of_samples(one: &[f64], two: &[f64]) -> f64 {
    let chi_square: f64 = one.iter().zip(two).map(|(a, b)| (a - b) * (a - b) / (a + b)).sum();
    standardised(chi_square, one.len())
}

fn standardised(chi_square: f64, bins: usize) -> f64 {
    let freedom = (bins - 1) as f64;
    (chi_square - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn merged_streams_have_the_exact_probabilities() {
    for exponent in [0.0, 0.5, 1.0, 1.1, 2.0] {
        let layout = layout(&zipf(exponent));
        let observed = drawn(&layout, &layout.counts(EVENTS));
        let deviation = deviation(&binned(&observed), &binned(&exact(exponent)));
        assert!(
            deviation.abs() < 4.0,
            "{deviation:.1} standard deviations at exponent {exponent}"
        );
    }
}

#[test]
fn merged_streams_are_like_samples_of_rand_distr() -> Result<(), rand_distr::ZipfError> {
    let layout = layout(&zipf(1.1));
    let observed = drawn(&layout, &layout.counts(EVENTS));
    let mut by_rank = vec![0.0; ACCOUNTS as usize];
    let mut rng = StdRng::seed_from_u64(5);
    for rank in Zipf::new(f64::from(ACCOUNTS), 1.1)?
        .sample_iter(&mut rng)
        .take(EVENTS as usize)
    {
        by_rank[rank as usize - 1] += 1.0;
    }
    let deviation = deviation_of_samples(&binned(&observed), &binned(&by_rank));
    assert!(deviation.abs() < 4.0, "{deviation:.1} standard deviations");
    Ok(())
}

#[test]
fn salting_moves_events_and_keeps_totals() {
    let salted = StreamSpec {
        salting: Some(Salting { accounts: 50, salts: 8 }),
        ..zipf(1.1)
    };
    let layout = layout(&salted);
    let observed = drawn(&layout, &layout.counts(EVENTS));
    let deviation = deviation(&binned(&observed), &binned(&exact(1.1)));
    assert!(deviation.abs() < 4.0, "{deviation:.1} standard deviations");
    let hottest = |spec: &StreamSpec| {
        let layout = crate::common::layout(spec);
        (0..12).map(|partition| layout.share(partition)).fold(0.0, f64::max)
    };
    assert!(
        hottest(&salted) < 0.7 * hottest(&zipf(1.1)),
        "the hottest partition is relieved"
    );
}

#[test]
fn salts_are_drawn_alike() {
    let salts = 8;
    let layout = layout(&StreamSpec {
        salting: Some(Salting { accounts: 50, salts }),
        ..zipf(1.1)
    });
    let counts = layout.counts(EVENTS);
    let mut by_salt = vec![0.0; usize::from(salts)];
    for stream in streams(&layout) {
        for draw in draws(&stream, counts[stream.partition() as usize]) {
            if let (1, Some(salt)) = (draw.account_id, draw.salt) {
                by_salt[usize::from(salt)] += 1.0;
            }
        }
    }
    let expected = vec![by_salt.iter().sum::<f64>() / f64::from(salts); usize::from(salts)];
    let deviation = deviation(&by_salt, &expected);
    assert!(deviation.abs() < 4.0, "{deviation:.1} standard deviations: {by_salt:?}");
}

/// The twins: another exponent, and partitions that all get the same number of events.
#[test]
fn twins_of_another_distribution_are_caught() {
    let layout = layout(&zipf(1.1));
    let observed = binned(&drawn(&layout, &layout.counts(EVENTS)));
    assert!(
        deviation(&observed, &binned(&exact(1.105))) > 20.0,
        "an exponent of 1.105"
    );
    let even = binned(&drawn(&layout, &[EVENTS / 12; 12]));
    assert!(deviation(&even, &binned(&exact(1.1))) > 1000.0, "even counts");
}

#[test]
fn amounts_are_even_and_independent_of_accounts() {
    let layout = layout(&zipf(1.1));
    let hottest = eoslab_core::Key::new(1, None).partition(12);
    let stream = layout.stream(hottest).expect("account 1 lives there");
    let (mut hot, mut others) = (vec![0.0; 1000], vec![0.0; 1000]);
    for draw in draws(&stream, EVENTS) {
        let bins = if draw.account_id == 1 { &mut hot } else { &mut others };
        bins[draw.amount as usize - 1] += 1.0;
    }
    for (name, amounts) in [("of account 1", hot), ("of the others", others)] {
        let expected = vec![amounts.iter().sum::<f64>() / 1000.0; 1000];
        let deviation = deviation(&amounts, &expected);
        assert!(deviation.abs() < 4.0, "{deviation:.1} standard deviations {name}");
    }
}

#[test]
fn draws_do_not_depend_on_the_ones_before() {
    let layout = layout(&zipf(1.1));
    let hottest = eoslab_core::Key::new(1, None).partition(12);
    let stream = layout.stream(hottest).expect("account 1 lives there");
    let draws = draws(&stream, EVENTS);
    let is_hot: Vec<bool> = draws.iter().map(|draw| draw.account_id == 1).collect();
    let share = is_hot.iter().filter(|hot| **hot).count() as f64 / EVENTS as f64;
    for lag in [1, 2, 12, 64, 256, 65_536] {
        let pairs = is_hot
            .iter()
            .zip(&is_hot[lag..])
            .filter(|(one, two)| **one && **two)
            .count() as f64;
        let tried = (is_hot.len() - lag) as f64;
        let (mean, variance) = (tried * share * share, tried * share * share * (1.0 - share * share));
        let deviation = (pairs - mean) / variance.sqrt();
        assert!(deviation.abs() < 4.0, "{deviation:.1} standard deviations at lag {lag}");
    }
}
