//! Whether a rate held: from the status of the LoadTest that tried it.

use eoslab_api::{Bottleneck, LoadTestStatus, Probe, SloResult, Validity, Verdict};

/// What a finished LoadTest says of its rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It held or it did not; the reason is in the probe.
    Result(Probe),
    /// Events were lost or counted twice: that is no question of the rate.
    NotExact(Probe),
    /// The run could not be carried out.
    Broken(Probe),
}

/// Judges `probe` by the status of its LoadTest.
pub fn judge(probe: &Probe, status: &LoadTestStatus) -> Judged {
    let latency = status.latency.as_ref();
    let mut judged = Probe {
        held: Some(false),
        reason: status.message.clone().unwrap_or_default(),
        verdict: status.verdict,
        validity: latency.map_or(Validity::Inconclusive, |latency| latency.validity),
        end_to_end_p99_us: latency
            .and_then(|latency| latency.end_to_end)
            .map(|quantiles| quantiles.p99_us),
        bottleneck: status
            .bottleneck
            .clone()
            .filter(|bottleneck| bottleneck.component != Bottleneck::Nothing),
        peak_lag_records: status.lag.as_ref().map_or(0, |lag| lag.peak_records),
        ..probe.clone()
    };
    let waiting = status.lag.as_ref().map_or(0, |lag| lag.records);
    match status.verdict {
        Verdict::Error | Verdict::Aborted | Verdict::Pending => Judged::Broken(judged),
        // What producers are late by is in the latencies, so an objective that is kept with it is kept. A CPU limit alone
        // delays some sends at any rate: were each a failure, starved producers would have a ceiling of next to nothing.
        Verdict::Pass if judged.validity == Validity::Valid || latency.is_some_and(|latency| latency.upper_bound) => {
            judged.held = Some(true);
            (judged.reason, judged.bottleneck) = (String::new(), None);
            Judged::Result(judged)
        }
        // What was still waiting when the draining was given up is not lost.
        Verdict::Fail if waiting > 0 => {
            judged.reason = format!("{waiting} events still waited after spec.limits.drainTimeoutSeconds");
            Judged::Result(judged)
        }
        Verdict::Fail => match breach(status) {
            Some(breach) => {
                judged.reason = breach;
                Judged::Result(judged)
            }
            None => Judged::NotExact(judged),
        },
        Verdict::Pass | Verdict::Inconclusive => Judged::Result(judged),
    }
}

/// The objective that was missed, where that is all.
fn breach(status: &LoadTestStatus) -> Option<String> {
    if status.reason.as_deref() != Some("SloBreached") {
        return None;
    }
    status.slo.iter().find_map(SloResult::breach)
}

#[cfg(test)]
mod tests {
    use eoslab_api::{LagStatus, LatencyStatus, SloState};

    use super::*;

    fn status(verdict: Verdict, reason: &str, validity: Validity) -> LoadTestStatus {
        LoadTestStatus {
            verdict,
            reason: Some(reason.to_owned()),
            message: Some("said".to_owned()),
            latency: Some(LatencyStatus {
                validity,
                ..LatencyStatus::default()
            }),
            ..LoadTestStatus::default()
        }
    }

    #[test]
    fn a_rate_holds_only_where_everything_holds() {
        use Validity::{GeneratorBound, Saturated, Valid};
        let breached = LoadTestStatus {
            slo: vec![SloResult {
                name: "endToEndP99Ms".to_owned(),
                limit: 2000,
                observed: Some(2600),
                state: SloState::Breached,
            }],
            ..status(Verdict::Fail, "SloBreached", Valid)
        };
        let undrained = LoadTestStatus {
            lag: Some(LagStatus {
                records: 7,
                ..LagStatus::default()
            }),
            ..status(Verdict::Fail, "EventsLost", Saturated)
        };
        let late = LoadTestStatus {
            latency: Some(LatencyStatus {
                validity: GeneratorBound,
                upper_bound: true,
                ..LatencyStatus::default()
            }),
            ..status(Verdict::Pass, "Exact", GeneratorBound)
        };
        let table = [
            ("all is well", status(Verdict::Pass, "Exact", Valid), "held", ""),
            (
                "the schedule was missed",
                status(Verdict::Pass, "Exact", GeneratorBound),
                "failed",
                "said",
            ),
            (
                "the lag grew",
                status(Verdict::Pass, "Exact", Saturated),
                "failed",
                "said",
            ),
            (
                "nothing to judge by",
                status(Verdict::Inconclusive, "SloNotJudged", Saturated),
                "failed",
                "said",
            ),
            (
                "too slow",
                breached,
                "failed",
                "endToEndP99Ms was 2600, the limit is 2000",
            ),
            ("still waiting", undrained, "failed", "7 events still waited"),
            ("late, and the objective kept with it", late, "held", ""),
            ("lost", status(Verdict::Fail, "EventsLost", Valid), "not exact", "said"),
            (
                "a pod that does not start",
                status(Verdict::Error, "ImagePullBackOff", Valid),
                "broken",
                "said",
            ),
            (
                "ended by somebody",
                status(Verdict::Aborted, "Aborted", Valid),
                "broken",
                "said",
            ),
        ];
        for (name, status, expected, reason) in table {
            let (kind, probe) = match judge(&Probe::default(), &status) {
                Judged::Result(probe) if probe.held == Some(true) => ("held", probe),
                Judged::Result(probe) => ("failed", probe),
                Judged::NotExact(probe) => ("not exact", probe),
                Judged::Broken(probe) => ("broken", probe),
            };
            assert_eq!(kind, expected, "{name}");
            assert!(probe.reason.starts_with(reason), "{name}: {}", probe.reason);
        }
    }
}
