//! Rate limit for log lines that clients can cause: a few lines of each kind, then the number of suppressed
//! lines. For this crate and the crates on top of it. No part of the public API.

use crate::sync::Mutex;
use std::time::{Duration, Instant};

/// The number of lines of one kind that are written in each [`PERIOD`], unless the limit has its own number.
const LINES: u64 = 10;
/// The period of the limit.
const PERIOD: Duration = Duration::from_secs(10);

/// Lets some lines pass in ten seconds and counts the others. Each kind of line has its own limit.
#[derive(Debug)]
pub struct LogLimit {
    lines: u64,
    period: Mutex<Period>,
}

#[derive(Debug)]
struct Period {
    began: Option<Instant>,
    lines: u64,
    suppressed: u64,
}

impl LogLimit {
    /// A limit of ten lines in ten seconds.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_lines(LINES)
    }

    /// A limit of this number of lines in ten seconds.
    #[must_use]
    pub const fn with_lines(lines: u64) -> Self {
        Self { lines, period: Mutex::new(Period { began: None, lines: 0, suppressed: 0 }) }
    }

    /// Whether a line may be written `now`. `Some` is the number of lines suppressed since the last one.
    pub fn admits(&self, now: Instant) -> Option<u64> {
        let mut period = self.period.lock();
        if period.began.is_none_or(|began| now.saturating_duration_since(began) >= PERIOD) {
            period.began = Some(now);
            period.lines = 0;
        }
        if period.lines == self.lines {
            period.suppressed += 1;
            return None;
        }
        period.lines += 1;
        Some(std::mem::take(&mut period.suppressed))
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_clients_cause_are_few() {
        let limit = LogLimit::new();
        let now = Instant::now();
        let admitted = |at| (0..1000).filter_map(|_| limit.admits(at)).collect::<Vec<_>>();
        assert_eq!(admitted(now), [0; 10]);
        assert_eq!(admitted(now + PERIOD / 2), [0; 0]);
        let first: Vec<u64> = admitted(now + PERIOD);
        assert_eq!((first[0], first.len()), (1990, 10), "with the number of those that were not written");
        assert_eq!(admitted(now), [0; 0], "an earlier time");
    }
}
