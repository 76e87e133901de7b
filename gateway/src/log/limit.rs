//! Rate limiter of log lines, for events that may happen to each client.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;

/// Minimum time between two lines of a kind.
const PAUSE: Duration = Duration::from_secs(10);

/// Rate limiter that admits one line of a kind per 10 seconds, and counts the suppressed ones.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter(Mutex<HashMap<&'static str, Kind>>);

#[derive(Debug)]
struct Kind {
    logged: Instant,
    suppressed: u64,
}

impl LogLimiter {
    /// Whether a line of this kind may be written now. `Some` contains the number of lines suppressed since
    /// the last one.
    pub(crate) fn admits(&self, kind: &'static str, now: Instant) -> Option<u64> {
        // No change can be interrupted, so a poisoned lock is still consistent.
        let mut kinds = self.0.lock();
        let Some(known) = kinds.get_mut(kind) else {
            kinds.insert(kind, Kind { logged: now, suppressed: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(known.logged) < PAUSE {
            known.suppressed += 1;
            return None;
        }
        known.logged = now;
        Some(std::mem::take(&mut known.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_a_kind_is_written_with_the_number_of_suppressed_lines() {
        let limiter = LogLimiter::default();
        let now = Instant::now();
        assert_eq!(limiter.admits("a", now), Some(0));
        for second in [0, 1, 9] {
            assert_eq!(limiter.admits("a", now + Duration::from_secs(second)), None);
        }
        assert_eq!(limiter.admits("b", now), Some(0), "another kind");
        assert_eq!(limiter.admits("a", now + PAUSE), Some(3));
        assert_eq!(limiter.admits("a", now + PAUSE), None);
        assert_eq!(limiter.admits("a", now + 3 * PAUSE), Some(1));
        assert_eq!(limiter.admits("a", now), None, "an earlier time");
    }
}
