//! What follows once both sides of the ceiling are known: the runs that show what stopped it, the long run below it, and
//! the verdict.

use eoslab_api::{Bottleneck, CeilingStatus, LoadTestSpec, Probe, ProbePurpose, Verdict};

use super::relief;
use eoslab_report::display;

/// Share of the ceiling at which the objectives are measured.
const OBJECTIVE_SHARE: f64 = 0.8;

/// The next run after the ceiling is found; `None` if there is none.
pub fn next(spec: &LoadTestSpec, ceiling: &CeilingStatus, (held, failed): (u64, u64)) -> Option<(u64, ProbePurpose)> {
    let is_broken = |probe: &Probe| probe.purpose == ProbePurpose::Confirm && probe.verdict == Verdict::Error;
    let can_confirm = ceiling.relief.is_some() && !ceiling.probes.iter().any(is_broken);
    if ceiling.confirmed.is_none() && can_confirm {
        return Some((failed, ProbePurpose::Confirm));
    }
    let seconds = spec.search.clone().unwrap_or_default().objective_seconds;
    let is_open = seconds > 0 && objective(ceiling).is_none();
    is_open.then_some(((held as f64 * OBJECTIVE_SHARE) as u64, ProbePurpose::Objective))
}

/// The spec with the bottleneck relieved, and how, in words; `None` where none is known or nothing can be done.
pub fn relieved(spec: &LoadTestSpec, ceiling: &CeilingStatus) -> Option<(LoadTestSpec, String)> {
    let component = ceiling.bottleneck.as_ref()?.component;
    let mut relieved = spec.clone();
    let how = relief::apply(&mut relieved, component)?;
    relieved.validate().ok()?;
    Some((relieved, how))
}

fn objective(ceiling: &CeilingStatus) -> Option<&Probe> {
    ceiling
        .probes
        .iter()
        .find(|probe| probe.purpose == ProbePurpose::Objective)
}

/// The verdict of a search that has found the ceiling, with its reason in a word and in a sentence.
pub fn verdict(ceiling: &CeilingStatus) -> (Verdict, &'static str, String) {
    let message = format!("{}{}", known(ceiling), bound(ceiling));
    match objective(ceiling) {
        Some(probe) if probe.held == Some(false) => {
            let rate = display::rate(probe.rate_per_second);
            let message = format!("{message}; at 80 % of that ({rate}) for long: {}", probe.reason);
            (Verdict::Fail, "ObjectiveMissed", message)
        }
        Some(probe) => {
            let rate = display::rate(probe.rate_per_second);
            let message = format!("{message}; 80 % of that ({rate}) held for long");
            (Verdict::Pass, "CeilingFound", message)
        }
        None => (Verdict::Pass, "CeilingFound", message),
    }
}

/// What a search knows, be it at its end or not.
pub fn known(ceiling: &CeilingStatus) -> String {
    match (ceiling.rate_per_second, ceiling.failed_rate_per_second) {
        (Some(held), Some(failed)) => format!("{held} events/s held and {failed} did not"),
        (Some(held), None) => format!("{held} events/s held, and no rate failed yet"),
        (None, Some(failed)) => format!("{failed} events/s did not hold, and no lower rate did yet"),
        (None, None) => "no rate was judged yet".to_owned(),
    }
}

/// What stopped the rate that failed, and whether that was shown.
fn bound(ceiling: &CeilingStatus) -> String {
    let component = ceiling.bottleneck.as_ref().map(|bottleneck| bottleneck.component);
    let Some(component) = component.filter(|component| *component != Bottleneck::Nothing) else {
        return String::new();
    };
    match (&ceiling.relief, ceiling.confirmed) {
        (Some(relief), Some(true)) => format!("; bound by {component}: with {relief} it held"),
        (Some(relief), Some(false)) => {
            format!("; bound by {component}, not confirmed: with {relief} it did not hold either")
        }
        (Some(relief), None) => format!("; bound by {component}, not confirmed: there was no run with {relief}"),
        (None, _) => format!("; bound by {component}, not confirmed: no LoadTest can relieve it"),
    }
}
