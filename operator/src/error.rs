//! What can go wrong in a reconciliation, and how long to wait then.

use std::time::Duration;

use kube::runtime::controller::Action;
use thiserror::Error;

/// First wait after an error of the API.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Wait after a conflict: the newer object is on its way.
const CONFLICT_WAIT: Duration = Duration::from_millis(200);

/// Why a reconciliation did not come to its end.
#[derive(Debug, Error)]
pub enum Error {
    /// An object changed meanwhile; what was decided may be out of date.
    #[error("{what} changed meanwhile")]
    Conflict {
        /// The object.
        what: &'static str,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
    /// A call to the API failed.
    #[error("cannot {what}: {}", said(source))]
    Api {
        /// What was attempted.
        what: &'static str,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Reports cannot be written as JSON.
    #[error("cannot write the members' reports as JSON")]
    Encode(#[source] serde_json::Error),
    /// The layout of the stream could not be computed.
    #[error("cannot lay out the stream: {0}")]
    Layout(String),
}

impl Error {
    /// An error of a call, for `map_err`.
    pub fn api(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |error| {
            let source = Box::new(error);
            match source.as_ref() {
                kube::Error::Api(status) if status.is_conflict() => Self::Conflict { what, source },
                _ => Self::Api { what, source },
            }
        }
    }

    /// A bounded name for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Api { source, .. } => api_label(source),
            Self::Encode(_) => "encode",
            Self::Layout(_) => "layout",
        }
    }

    /// Every label of an error that is a failure.
    pub const LABELS: [&'static str; 7] = [
        "encode",
        "forbidden",
        "invalid",
        "layout",
        "not_found",
        "refused",
        "unreachable",
    ];

    /// Whether it is part of normal work.
    pub fn is_benign(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether the same may work a moment later: nobody has looked at it and refused it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.code == 429 || status.code >= 500,
                _ => true,
            },
            Self::Conflict { .. } => true,
            Self::Encode(_) | Self::Layout(_) => false,
        }
    }

    /// When to try again after `failures` errors in a row, this one included.
    pub fn retry(&self, failures: u32) -> Action {
        if self.is_benign() {
            return Action::requeue(CONFLICT_WAIT);
        }
        Action::requeue(backoff(failures))
    }
}

/// What the API said, without the whole of its answer.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    (BACKOFF_MIN * 2_u32.pow(doublings)).min(BACKOFF_MAX)
}

fn api_label(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => "forbidden",
        kube::Error::Api(status) if status.is_not_found() => "not_found",
        kube::Error::Api(status) if status.code == 422 => "invalid",
        kube::Error::Api(_) => "refused",
        _ => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_growing() {
        let seconds: Vec<u64> = (0..8).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }

    #[test]
    fn a_conflict_is_no_failure_and_others_say_what_the_api_said() {
        let status = kube::core::Status::failure("changed", "Conflict").with_code(409);
        let error = Error::api("LoadTest")(kube::Error::Api(Box::new(status)));
        assert!(error.is_benign() && error.label() == "conflict", "{error:?}");
        let status = kube::core::Status::failure("not allowed", "Forbidden").with_code(403);
        let error = Error::api("list pods")(kube::Error::Api(Box::new(status)));
        assert_eq!(error.to_string(), "cannot list pods: not allowed");
        assert!(!error.is_benign() && error.label() == "forbidden");
    }

    #[test]
    fn every_failure_has_its_label_and_every_label_a_failure() {
        let refused = |code| {
            let status = kube::core::Status::failure("no", reason(code)).with_code(code);
            Error::api("do it")(kube::Error::Api(Box::new(status)))
        };
        let unreachable = Error::api("do it")(kube::Error::Service("gone".into()));
        let no_json = serde_json::from_str::<u8>("").expect_err("it is empty");
        let mut labels = vec![
            unreachable.label(),
            Error::Encode(no_json).label(),
            Error::Layout(String::new()).label(),
        ];
        labels.extend([403, 404, 422, 500].map(|code| refused(code).label()));
        labels.sort_unstable();
        assert_eq!(labels, Error::LABELS);
    }

    fn reason(code: u16) -> &'static str {
        match code {
            403 => "Forbidden",
            404 => "NotFound",
            422 => "Invalid",
            _ => "InternalError",
        }
    }
}
