//! What the pod tells its sending threads.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

/// How far a thread is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    Run,
    /// Send nothing new, and let what is queued leave.
    Flush,
    /// Send nothing at all any more: the slot is lost.
    Abort,
}

/// Shared by the pod and all its sending threads.
#[derive(Debug)]
pub struct Controls {
    stop: AtomicU8,
    measure_from_us: AtomicI64,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            stop: AtomicU8::new(Stop::Run as u8),
            measure_from_us: AtomicI64::new(i64::MIN),
        }
    }
}

impl Controls {
    /// Asks to stop; a stronger wish stays.
    pub fn ask(&self, stop: Stop) {
        self.stop.fetch_max(stop as u8, Ordering::Relaxed);
    }

    /// What was asked for.
    pub fn asked(&self) -> Stop {
        match self.stop.load(Ordering::Relaxed) {
            0 => Stop::Run,
            1 => Stop::Flush,
            _ => Stop::Abort,
        }
    }

    /// Sets the end of the warm-up, microseconds since the Unix epoch.
    pub fn set_measure_from_us(&self, at_us: i64) {
        self.measure_from_us.store(at_us, Ordering::Relaxed);
    }

    /// Latencies of events with an earlier timestamp are not recorded.
    pub fn measure_from_us(&self) -> i64 {
        self.measure_from_us.load(Ordering::Relaxed)
    }
}
