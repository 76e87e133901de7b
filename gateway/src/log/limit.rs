//! Rate limits of log lines, for events that may happen to each client.

use std::collections::HashMap;
use std::time::Instant;

use engineio::log_limit::LogLimit;
use engineio::sync::Mutex;

/// Rate limits that admit one line of a kind per 10 seconds, and count the suppressed ones.
#[derive(Debug, Default)]
pub(crate) struct LogLimits(Mutex<HashMap<&'static str, LogLimit>>);

impl LogLimits {
    /// Whether a line of this kind may be written now. `Some` contains the number of lines suppressed since
    /// the last one.
    pub(crate) fn admits(&self, kind: &'static str, now: Instant) -> Option<u64> {
        self.0.lock().entry(kind).or_insert_with(|| LogLimit::with_lines(1)).admits(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    #[test]
    fn one_line_of_a_kind_is_written_with_the_number_of_suppressed_lines() {
        let limits = LogLimits::default();
        let now = Instant::now();
        assert_eq!(limits.admits("a", now), Some(0));
        for second in [0, 1, 9] {
            assert_eq!(limits.admits("a", now + Duration::from_secs(second)), None);
        }
        assert_eq!(limits.admits("b", now), Some(0), "another kind");
        assert_eq!(limits.admits("a", now + PAUSE), Some(3));
        assert_eq!(limits.admits("a", now + PAUSE), None);
        assert_eq!(limits.admits("a", now + 3 * PAUSE), Some(1));
        assert_eq!(limits.admits("a", now), None, "an earlier time");
    }
}
