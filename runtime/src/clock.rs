//! One wall clock for a process: read once at the start, then carried on by the monotonic clock, so that a step of
//! the system's time during a run moves neither schedules nor latencies.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A wall clock that cannot step. Copies of it agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at_us: i64,
}

impl Clock {
    /// Anchors the clock at the system's present time.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            started_at_us: system_now_us(),
        }
    }

    /// Microseconds since the Unix epoch.
    pub fn now_us(&self) -> i64 {
        self.started_at_us + self.elapsed_us() as i64
    }

    /// Microseconds since this clock was started.
    pub fn elapsed_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    /// When this clock was started: microseconds since the Unix epoch.
    pub fn started_at_us(&self) -> i64 {
        self.started_at_us
    }
}

/// The system's own time, which may step: microseconds since the Unix epoch.
pub fn system_now_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_the_start_plus_what_has_passed() {
        let clock = Clock::start();
        let before = clock.elapsed_us() as i64;
        let now = clock.now_us();
        let after = clock.elapsed_us() as i64;
        assert!((before..=after).contains(&(now - clock.started_at_us())));
        assert!(
            (system_now_us() - now).abs() < 60_000_000,
            "the anchor is the system's time"
        );
    }
}
