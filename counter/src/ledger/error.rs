//! What can go wrong between the counter and the ledger.

use std::io;
use std::sync::Arc;

use redis::{RedisError, ServerError};

use super::apply::ApplyReply;

/// Why a call to the ledger did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The URL is no Redis URL.
    #[error("redis url number {index} is not usable: {reason}")]
    Url {
        /// Position in the list of URLs, from 0.
        index: usize,
        /// What is wrong, without the password that a URL may hold.
        reason: String,
    },
    /// The run's identity cannot be part of a key.
    #[error("run id {run_id:?} has characters other than letters, digits, '-', '_' and '.', or more than 128")]
    RunId {
        /// The identity as given.
        run_id: String,
    },
    /// A member's name cannot be stored.
    #[error("member {member:?} is empty or has white space")]
    Member {
        /// The name as given.
        member: String,
    },
    /// No connection: nothing of the call has reached Redis.
    #[error("redis {shard} cannot be reached: {source}")]
    Connect {
        /// Address of the Redis.
        shard: String,
        /// The client's error.
        source: Arc<RedisError>,
    },
    /// A connection failed a moment ago and the next attempt is not due yet.
    #[error("redis {shard} was unreachable a moment ago, the next attempt is not due yet")]
    BackingOff {
        /// Address of the Redis.
        shard: String,
    },
    /// The connection broke or timed out: whether Redis has executed the call is unknown.
    #[error("redis {shard} did not answer: {source}")]
    Unanswered {
        /// Address of the Redis.
        shard: String,
        /// The client's error.
        source: Arc<RedisError>,
    },
    /// Redis refused for a reason that passes: it loads, is a replica, is out of memory, cannot persist.
    #[error("redis {shard} refuses for now: {code} {message}")]
    Refused {
        /// Address of the Redis.
        shard: String,
        /// Redis's error code.
        code: String,
        /// Redis's message.
        message: String,
    },
    /// The scripts are not in Redis's cache (any more); handled by loading them.
    #[error("redis {shard} does not know the script")]
    NoScript {
        /// Address of the Redis.
        shard: String,
    },
    /// Redis or a script refused for good: wrong arguments, wrong type of a key, no permission.
    #[error("redis {shard} rejected the call: {code} {message}")]
    Rejected {
        /// Address of the Redis.
        shard: String,
        /// Redis's error code.
        code: String,
        /// Redis's message.
        message: String,
    },
    /// The answer has a form that this program does not know.
    #[error("redis {shard} answered something unexpected: {what}")]
    Answer {
        /// Address of the Redis.
        shard: String,
        /// What is unexpected about it.
        what: String,
    },
    /// A batch was refused although the ledger is where it was expected to be, or the reverse: not our script.
    #[error(
        "partition {partition}: the ledger was expected at {expected} and answers {answer}, which contradict each other"
    )]
    Contradiction {
        /// Partition of the batch.
        partition: u32,
        /// Offset that the batch expected.
        expected: i64,
        /// The answer.
        answer: String,
    },
    /// Redis may evict keys under memory pressure, and with them totals.
    #[error("redis {shard} has maxmemory {maxmemory} with policy {policy}: it would evict totals; set noeviction")]
    Evicts {
        /// Address of the Redis.
        shard: String,
        /// Its `maxmemory-policy`.
        policy: String,
        /// Its `maxmemory`, bytes.
        maxmemory: u64,
    },
}

impl LedgerError {
    /// Name of the kind of error, for metrics: one of a fixed few.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Url { .. } | Self::RunId { .. } | Self::Member { .. } => "config",
            Self::Connect { .. } => "connect",
            Self::BackingOff { .. } => "backing_off",
            Self::Unanswered { .. } => "unanswered",
            Self::Refused { .. } => "refused",
            Self::NoScript { .. } => "no_script",
            Self::Rejected { .. } => "rejected",
            Self::Answer { .. } => "answer",
            Self::Contradiction { .. } => "contradiction",
            Self::Evicts { .. } => "evicts",
        }
    }

    /// Whether the same call may succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::BackingOff { .. }
                | Self::Unanswered { .. }
                | Self::Refused { .. }
                | Self::NoScript { .. }
        )
    }

    /// Whether Redis may have executed the call although no answer came.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unanswered { .. })
    }

    /// What a failed attempt to connect means: refused for a while, for good (credentials), or not reached.
    pub(super) fn from_connect(shard: &str, error: RedisError) -> Self {
        let code = error.code().unwrap_or_default().to_owned();
        if error.kind() == redis::ErrorKind::AuthenticationFailed || is_final(&code) {
            return Self::Rejected {
                shard: shard.to_owned(),
                code,
                message: error.to_string(),
            };
        }
        Self::Connect {
            shard: shard.to_owned(),
            source: Arc::new(error),
        }
    }

    pub(super) fn unanswered(shard: &str, error: RedisError) -> Self {
        Self::Unanswered {
            shard: shard.to_owned(),
            source: Arc::new(error),
        }
    }

    /// The call before this one in the same pipeline broke the connection.
    pub(super) fn broken(shard: &str) -> Self {
        Self::unanswered(shard, io::Error::from(io::ErrorKind::ConnectionAborted).into())
    }

    pub(super) fn from_server(shard: &str, error: &ServerError) -> Self {
        let (shard, code) = (shard.to_owned(), error.code().to_owned());
        let message = error.details().unwrap_or_default().to_owned();
        match code.as_str() {
            "NOSCRIPT" => Self::NoScript { shard },
            // A demoted master answers READONLY, one that starts LOADING, one without a disk MISCONF.
            "LOADING" | "BUSY" | "READONLY" | "MASTERDOWN" | "OOM" | "MISCONF" | "NOREPLICAS" | "TRYAGAIN"
            | "CLUSTERDOWN" => Self::Refused { shard, code, message },
            _ => Self::Rejected { shard, code, message },
        }
    }

    pub(crate) fn contradiction(partition: u32, expected: i64, reply: &ApplyReply) -> Self {
        Self::Contradiction {
            partition,
            expected,
            answer: format!("{reply:?}"),
        }
    }

    pub(super) fn answer(shard: &str, what: impl Into<String>) -> Self {
        Self::Answer {
            shard: shard.to_owned(),
            what: what.into(),
        }
    }
}

fn is_final(code: &str) -> bool {
    matches!(code, "NOAUTH" | "WRONGPASS" | "NOPERM")
}
