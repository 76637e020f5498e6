//! What is known of the verification.

use eoslab_core::report::VerifyReport;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use super::pods::{PodView, Trouble};

/// Annotation of the Job: events of each partition that it verifies, comma separated.
pub const COUNTS_ANNOTATION: &str = "eoslab.dev/counts";

/// The verification Job and its pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum VerifyState {
    /// Not looked at, or not there.
    #[default]
    Missing,
    /// It runs.
    Working {
        /// The Job.
        job: JobView,
        /// Why its pod does not run, if so.
        trouble: Option<Trouble>,
    },
    /// It ended with a result.
    Done {
        /// The Job.
        job: JobView,
        /// What it found.
        report: Box<VerifyReport>,
    },
    /// It will not end with a result.
    Failed {
        /// The Job.
        job: JobView,
        /// Why.
        trouble: Trouble,
    },
}

/// The Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobView {
    /// When it was made, us since the Unix epoch.
    pub created_us: i64,
    /// Events of each partition that it verifies.
    pub counts: Vec<u64>,
}

impl JobView {
    fn new(job: &Job) -> Self {
        let counts = job.annotations().get(COUNTS_ANNOTATION).map(String::as_str);
        Self {
            created_us: job.creation_timestamp().map_or(0, |created| created.0.as_microsecond()),
            counts: counts
                .unwrap_or_default()
                .split(',')
                .filter_map(|count| count.parse().ok())
                .collect(),
        }
    }
}

impl VerifyState {
    /// Reads the Job and its pods.
    pub fn new(job: Option<&Job>, pods: &[PodView], run_id: &str) -> Self {
        let Some(job) = job else { return Self::Missing };
        let view = JobView::new(job);
        if let Some(report) = pods.iter().find_map(|pod| report(pod, run_id)) {
            let report = Box::new(report);
            return Self::Done { job: view, report };
        }
        match failure(job) {
            Some(why) => Self::Failed {
                job: view,
                trouble: last_words(pods).unwrap_or(why),
            },
            None => Self::Working {
                job: view,
                trouble: pods
                    .iter()
                    .filter(|pod| !pod.is_finished)
                    .find_map(|pod| pod.trouble.clone()),
            },
        }
    }
}

/// The result that a pod left, if it is one of this run.
fn report(pod: &PodView, run_id: &str) -> Option<VerifyReport> {
    let ended = pod.ended.as_ref()?;
    let report: VerifyReport = serde_json::from_str(ended.message.trim()).ok()?;
    (matches!(ended.exit_code, 0 | 1) && report.run_id == run_id).then_some(report)
}

fn failure(job: &Job) -> Option<Trouble> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ended = |kind: &str| {
        let mut conditions = conditions.iter();
        conditions.find(|condition| condition.type_ == kind && condition.status == "True")
    };
    if let Some(failed) = ended("Failed") {
        return Some(Trouble {
            reason: failed.reason.clone().unwrap_or_else(|| "JobFailed".to_owned()),
            message: failed.message.clone().unwrap_or_default(),
            is_failure: true,
        });
    }
    ended("Complete").map(|_| Trouble {
        reason: "NoResult".to_owned(),
        message: "the verification ended without a readable result".to_owned(),
        is_failure: true,
    })
}

fn last_words(pods: &[PodView]) -> Option<Trouble> {
    let ended = pods.iter().filter_map(|pod| pod.ended.as_ref()).next_back()?;
    let message = format!(
        "the last attempt ended with {}, exit code {}: {}",
        ended.reason,
        ended.exit_code,
        ended.message.trim()
    );
    let reason = match ended.reason.as_str() {
        "OOMKilled" => "OOMKilled",
        _ => "VerifyFailed",
    };
    Some(Trouble {
        reason: reason.to_owned(),
        message: message.chars().take(600).collect(),
        is_failure: true,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::seen::pods::Ended;

    fn job(conditions: Value) -> Job {
        serde_json::from_value(json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {COUNTS_ANNOTATION: "3,0,5"}},
            "status": {"conditions": conditions},
        }))
        .expect("a job")
    }

    fn pod(exit_code: i32, reason: &str, message: String) -> PodView {
        PodView {
            ended: Some(Ended {
                exit_code,
                reason: reason.to_owned(),
                message,
            }),
            is_finished: true,
            ..PodView::default()
        }
    }

    fn result(run_id: &str) -> String {
        let report = VerifyReport {
            run_id: run_id.to_owned(),
            ..VerifyReport::default()
        };
        serde_json::to_string(&report).expect("plain data")
    }

    #[test]
    fn a_result_counts_whatever_the_job_says_but_only_of_this_run() {
        let failed = json!([{"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "exit 1"}]);
        let done = VerifyState::new(Some(&job(failed.clone())), &[pod(1, "Error", result("run"))], "run");
        let VerifyState::Done { job: view, .. } = done else {
            panic!("{done:?}")
        };
        assert_eq!(view.counts, [3, 0, 5]);
        let other = VerifyState::new(Some(&job(failed)), &[pod(1, "Error", result("other"))], "run");
        assert!(matches!(other, VerifyState::Failed { .. }), "{other:?}");
    }

    #[test]
    fn a_job_without_a_result_says_what_its_last_pod_said() {
        let failed = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]);
        let table = [
            ("oom", vec![pod(137, "OOMKilled", String::new())], "OOMKilled"),
            ("error", vec![pod(2, "Error", "no redis".to_owned())], "VerifyFailed"),
            ("no pod left", vec![], "BackoffLimitExceeded"),
        ];
        for (name, pods, reason) in table {
            let state = VerifyState::new(Some(&job(failed.clone())), &pods, "run");
            let VerifyState::Failed { trouble, .. } = state else {
                panic!("{name}: {state:?}")
            };
            assert_eq!(trouble.reason, reason, "{name}");
        }
        let complete = json!([{"type": "Complete", "status": "True"}]);
        let state = VerifyState::new(Some(&job(complete)), &[], "run");
        assert!(matches!(state, VerifyState::Failed { trouble, .. } if trouble.reason == "NoResult"));
        assert!(matches!(
            VerifyState::new(Some(&job(json!([]))), &[], "run"),
            VerifyState::Working { .. }
        ));
        assert_eq!(VerifyState::new(None, &[], "run"), VerifyState::Missing);
    }
}
