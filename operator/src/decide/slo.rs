//! The objectives of `spec.slo`, judged at the end.

use eoslab_api::{SloResult, SloState, Validity};

use super::validity::Judged;
use crate::plan::Plan;
use crate::seen::Seen;

/// Name of the objective of the lag.
pub const MAX_LAG_RECORDS: &str = "maxLagRecords";

/// Judges every objective. A latency that exceeds its limit is a breach in any run but one of skewed clocks; one that
/// keeps it counts only where the latencies are valid, or upper bounds. (What producers are late by may make a breach: they
/// are a part of the pipeline that is judged.)
pub fn judge(plan: &Plan, seen: &Seen, validity: Option<&Judged>, peak_lag: u64) -> Vec<SloResult> {
    let Some(slo) = &plan.valid.spec.slo else {
        return Vec::new();
    };
    let latency = slo.end_to_end_p99_ms.map(|limit| {
        let p99_us = seen.counted.end_to_end.quantile(0.99);
        let observed = match validity {
            Some(judged) if judged.validity != Validity::ClockSkewed && plan.rate().is_some() => {
                Some(p99_us.div_ceil(1000))
            }
            _ => None,
        };
        let state = match observed {
            Some(observed) if observed > u64::from(limit) => SloState::Breached,
            Some(_) if validity.is_some_and(Judged::shows_a_kept_limit) => SloState::Ok,
            _ => SloState::NotEvaluated,
        };
        result("endToEndP99Ms", u64::from(limit), observed, state)
    });
    let lag = slo.max_lag_records.map(|limit| {
        let state = if peak_lag > limit {
            SloState::Breached
        } else {
            SloState::Ok
        };
        result(MAX_LAG_RECORDS, limit, Some(peak_lag), state)
    });
    latency.into_iter().chain(lag).collect()
}

/// The objectives before they are judged.
pub fn pending(plan: &Plan) -> Vec<SloResult> {
    let Some(slo) = &plan.valid.spec.slo else {
        return Vec::new();
    };
    let latency = slo
        .end_to_end_p99_ms
        .map(u64::from)
        .map(|limit| ("endToEndP99Ms", limit));
    let lag = slo.max_lag_records.map(|limit| (MAX_LAG_RECORDS, limit));
    let wanted = latency.into_iter().chain(lag);
    wanted
        .map(|(name, limit)| result(name, limit, None, SloState::NotEvaluated))
        .collect()
}

fn result(name: &str, limit: u64, observed: Option<u64>, state: SloState) -> SloResult {
    SloResult {
        name: name.to_owned(),
        limit,
        observed,
        state,
    }
}
