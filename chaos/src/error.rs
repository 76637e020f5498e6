//! What can go wrong in a reconciliation, and how long to wait then.

use std::time::Duration;

use kube::runtime::controller::Action;
use thiserror::Error;

/// Wait after an error: a fault may be at work, and somebody has to heal it.
const RETRY: Duration = Duration::from_secs(1);
/// Wait after a conflict: the newer object is on its way.
const CONFLICT_WAIT: Duration = Duration::from_millis(200);

/// Why a reconciliation did not come to its end.
#[derive(Debug, Error)]
pub enum Error {
    /// A call to the API failed.
    #[error("cannot {what}: {source}")]
    Api {
        /// What was attempted.
        what: &'static str,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Error {
    /// An error of a call, for `map_err`.
    pub fn api(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |error| Self::Api {
            what,
            source: Box::new(error),
        }
    }

    /// Whether it is part of normal work.
    pub fn is_benign(&self) -> bool {
        matches!(self, Self::Api { source, .. } if matches!(source.as_ref(), kube::Error::Api(status) if status.is_conflict()))
    }

    /// The label of an error that is a failure.
    pub const FAILURE: &'static str = "api";

    /// A bounded name for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            _ if self.is_benign() => "conflict",
            Self::Api { .. } => Self::FAILURE,
        }
    }

    /// When to try again.
    pub fn retry(&self) -> Action {
        Action::requeue(if self.is_benign() { CONFLICT_WAIT } else { RETRY })
    }
}
