//! Which rate to try next: a pure function of what was tried.
//!
//! The rate is doubled from the start until one fails, and then the gap between the highest that held and the lowest
//! that failed is halved (on a logarithmic scale) until it is narrow. One run proves little: a broker may stall once.
//! So a failure that ends the doubling is repeated at once, and in the end both sides of the gap, until each has at least
//! two results and one of them the majority.

use std::collections::BTreeMap;

use eoslab_api::{BottleneckStatus, CeilingStatus, Probe, ProbePurpose, SearchSpec, Verdict};

/// Results that a side of the gap needs.
const RESULTS_MIN: u32 = 2;
/// A gap wider than this is one of the doubling.
const WIDE: f64 = 1.5;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try this rate.
    Try(u64, ProbePurpose),
    /// The first rate holds, the second does not.
    Found {
        /// Highest rate that held.
        held: u64,
        /// Lowest rate that failed.
        failed: u64,
    },
    /// Even the highest rate that may be tried held.
    NothingFailed(u64),
    /// Not even one event a second held.
    NothingHeld,
}

/// Results of one rate.
#[derive(Clone, Copy, Debug, Default)]
struct Results {
    held: u32,
    failed: u32,
}

impl Results {
    fn add(&mut self, held: bool) {
        match held {
            true => self.held += 1,
            false => self.failed += 1,
        }
    }

    fn count(self) -> u32 {
        self.held + self.failed
    }

    fn is_tie(self) -> bool {
        self.held == self.failed
    }

    fn fails(self) -> bool {
        self.failed > self.held
    }

    fn holds(self) -> bool {
        self.held > self.failed
    }
}

/// What comes next after these probes.
pub fn next(spec: &SearchSpec, probes: &[Probe]) -> Next {
    let results = results(probes);
    if let Some((rate, _)) = results.iter().find(|(_, results)| results.is_tie()) {
        return Next::Try(*rate, ProbePurpose::Repeat);
    }
    let (held, failed) = sides(&results);
    match (held, failed) {
        (None, None) => Next::Try(spec.start_rate.min(spec.max_rate), ProbePurpose::Ramp),
        (Some((held, results)), None) => upwards(spec, held, results),
        (None, Some((failed, results))) => downwards(failed, results),
        (Some(held), Some(failed)) => between(spec, held, failed),
    }
}

/// Whether the runs of this purpose held: two of them that agree say so, or two of three. One that could not be carried
/// out says nothing.
pub fn majority(probes: &[Probe], purpose: ProbePurpose) -> Option<bool> {
    let mut results = Results::default();
    let of_purpose = probes.iter().filter(|probe| probe.purpose == purpose);
    let held = of_purpose
        .filter(|probe| probe.verdict != Verdict::Error)
        .filter_map(|probe| probe.held);
    held.for_each(|held| results.add(held));
    (results.count() >= RESULTS_MIN && !results.is_tie()).then(|| results.holds())
}

/// What last stopped this rate.
fn bottleneck(probes: &[Probe], rate: u64) -> Option<BottleneckStatus> {
    let of_rate = |probe: &&Probe| probe.rate_per_second == rate && probe.purpose.is_of_the_search();
    probes
        .iter()
        .rev()
        .filter(of_rate)
        .find_map(|probe| probe.bottleneck.clone())
}

/// The same with what these probes show.
pub fn known(mut ceiling: CeilingStatus) -> CeilingStatus {
    let results = results(&ceiling.probes);
    let (held, failed) = sides(&results);
    ceiling.failed_rate_per_second = failed.map(|(rate, _)| rate);
    ceiling.rate_per_second = held.map(|(rate, _)| rate);
    ceiling.bottleneck = failed.and_then(|(rate, _)| bottleneck(&ceiling.probes, rate));
    ceiling.confirmed = majority(&ceiling.probes, ProbePurpose::Confirm);
    ceiling
}

type Side = Option<(u64, Results)>;

/// The highest rate that holds below the lowest that fails, and that one.
fn sides(results: &BTreeMap<u64, Results>) -> (Side, Side) {
    let side = |(rate, results): (&u64, &Results)| (*rate, *results);
    let failed = results.iter().find(|(_, results)| results.fails()).map(side);
    let below = |rate: &u64| failed.is_none_or(|(failed, _)| *rate < failed);
    let held = results
        .iter()
        .rev()
        .find(|(rate, results)| results.holds() && below(rate));
    (held.map(side), failed)
}

fn results(probes: &[Probe]) -> BTreeMap<u64, Results> {
    let mut results: BTreeMap<u64, Results> = BTreeMap::new();
    for probe in probes.iter().filter(|probe| probe.purpose.is_of_the_search()) {
        let Some(held) = probe.held else { continue };
        results.entry(probe.rate_per_second).or_default().add(held);
    }
    results
}

fn upwards(spec: &SearchSpec, held: u64, results: Results) -> Next {
    match held >= spec.max_rate {
        false => Next::Try((held * 2).min(spec.max_rate), ProbePurpose::Ramp),
        true if results.count() < RESULTS_MIN => Next::Try(held, ProbePurpose::Repeat),
        true => Next::NothingFailed(held),
    }
}

fn downwards(failed: u64, results: Results) -> Next {
    match failed {
        _ if results.count() < RESULTS_MIN => Next::Try(failed, ProbePurpose::Repeat),
        0 | 1 => Next::NothingHeld,
        _ => Next::Try(failed / 2, ProbePurpose::Ramp),
    }
}

fn between(spec: &SearchSpec, (held, held_results): (u64, Results), (failed, failed_results): (u64, Results)) -> Next {
    let gap = failed as f64 / held as f64;
    if gap > WIDE && failed_results.count() < RESULTS_MIN {
        return Next::Try(failed, ProbePurpose::Repeat);
    }
    let middle = rounded((held as f64 * failed as f64).sqrt());
    let is_narrow = gap <= 1.0 + f64::from(spec.resolution_percent) / 100.0;
    if !is_narrow && (held + 1..failed).contains(&middle) {
        return Next::Try(middle, ProbePurpose::Bisect);
    }
    if held_results.count() < RESULTS_MIN {
        return Next::Try(held, ProbePurpose::Repeat);
    }
    if failed_results.count() < RESULTS_MIN {
        return Next::Try(failed, ProbePurpose::Repeat);
    }
    Next::Found { held, failed }
}

/// Three digits say more than a search can know.
fn rounded(rate: f64) -> u64 {
    let unit = 10_f64.powi((rate.log10().floor() as i32 - 2).max(0));
    ((rate / unit).round() * unit) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec() -> SearchSpec {
        SearchSpec {
            start_rate: 1_000,
            max_rate: 1_000_000,
            resolution_percent: 10,
            ..SearchSpec::default()
        }
    }

    /// Searches with `holds` for a world, and gives what was found and every rate that was tried.
    fn search(spec: &SearchSpec, mut holds: impl FnMut(u64) -> bool) -> (Next, Vec<Probe>) {
        let mut probes = Vec::new();
        loop {
            match next(spec, &probes) {
                Next::Try(rate_per_second, purpose) => probes.push(Probe {
                    rate_per_second,
                    purpose,
                    held: Some(holds(rate_per_second)),
                    ..Probe::default()
                }),
                end => return (end, probes),
            }
            assert!(probes.len() < 200, "it does not end: {probes:#?}");
        }
    }

    #[test]
    fn the_gap_is_narrow_and_both_sides_were_seen_twice() {
        let (end, probes) = search(&spec(), |rate| rate <= 37_000);
        let Next::Found { held, failed } = end else {
            panic!("{end:?}")
        };
        assert!(held <= 37_000 && 37_000 < failed, "{end:?}");
        assert!(failed as f64 / held as f64 <= 1.1, "{end:?}");
        for side in [held, failed] {
            assert!(probes.iter().filter(|probe| probe.rate_per_second == side).count() >= 2);
        }
        assert!(probes.len() <= 14, "{}", probes.len());
    }

    #[test]
    fn a_start_above_the_ceiling_goes_down() {
        let spec = SearchSpec {
            start_rate: 100_000,
            ..spec()
        };
        let (end, _) = search(&spec, |rate| rate <= 900);
        assert!(
            matches!(end, Next::Found { held, .. } if (800..=900).contains(&held)),
            "{end:?}"
        );
    }

    #[test]
    fn what_has_no_ceiling_or_no_floor_says_so() {
        assert_eq!(search(&spec(), |_| true).0, Next::NothingFailed(1_000_000));
        assert_eq!(search(&spec(), |_| false).0, Next::NothingHeld);
    }

    proptest! {
        /// A stalled broker fails one run in the wrong, or luck lets one pass: the ceiling stays where it is.
        #[test]
        fn one_wrong_result_anywhere_moves_no_ceiling(ceiling in 50_u64..900_000, wrong in 0_usize..16) {
            let mut number = 0;
            let (end, probes) = search(&spec(), |rate| {
                number += 1;
                (rate <= ceiling) != (number == wrong + 1)
            });
            let Next::Found { held, failed } = end else { panic!("{end:?}") };
            prop_assert!(held <= ceiling && ceiling < failed, "{ceiling}: {end:?} {probes:#?}");
            prop_assert!(failed as f64 / held as f64 <= 1.11, "{end:?}");
        }
    }
}
