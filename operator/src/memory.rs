//! What the operator keeps in memory of an active run. All of it comes back by itself after a restart: clients connect
//! again, the next poll brings the reports of the living, and rates need two looks.

use eoslab_api::RedisUrls;

use crate::report::Keeper;
use crate::seen::members::Members;
use crate::seen::topic::Cause;
use crate::seen::trend::Trend;
use crate::seen::usage::UsageWindow;
use crate::seen::{Pauses, Stream};

/// Of one run.
#[derive(Debug, Default)]
pub struct RunMemory {
    /// Members and their reports; `None` until what was saved of them is read.
    pub members: Option<Members>,
    /// The report.
    pub report: Keeper,
    /// Numbers of the last seconds.
    pub trend: Trend,
    /// What was used since the warm-up.
    pub usage: UsageWindow,
    /// When Redis and the brokers were last asked how busy they are, us since the Unix epoch.
    pub servers_asked_us: i64,
    /// The stream in numbers.
    pub stream: Option<Stream>,
    /// Address of Redis, as last read.
    pub urls: Option<RedisUrls>,
    /// Pauses, and when they were read, us since the Unix epoch.
    pub pauses: Option<(i64, Pauses)>,
    /// Highest sign of progress, and when it was first seen, us since the Unix epoch.
    pub progress: Option<(u64, i64)>,
    /// Whether this process has tried to make the topic.
    pub tried_to_create_topic: bool,
    /// Whether somebody else turned out to have made it.
    pub is_topic_foreign: bool,
    /// Why the topic could not be made.
    pub create_cause: Option<Cause>,
    /// When the status was last written, us since the Unix epoch.
    pub status_written_us: i64,
    /// Whether the counters' reports are final.
    pub counters_sealed: bool,
    /// Reconciliations in a row that failed.
    pub failures: u32,
}

impl RunMemory {
    /// Notes a sign of progress (a number that grows with it) and returns for how long there was none, us.
    pub fn without_progress_us(&mut self, sign: u64, now_us: i64) -> i64 {
        match self.progress {
            Some((seen, since_us)) if sign <= seen => now_us - since_us,
            _ => {
                self.progress = Some((sign, now_us));
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_number_that_grows() {
        let mut memory = RunMemory::default();
        assert_eq!(memory.without_progress_us(0, 100), 0);
        assert_eq!(memory.without_progress_us(0, 150), 50);
        assert_eq!(memory.without_progress_us(5, 160), 0);
        assert_eq!(
            memory.without_progress_us(4, 170),
            10,
            "a number that goes back is no progress"
        );
    }
}
