//! The attempts of one request: which backend is next, and when.

use std::time::Duration;

use engineio::backoff::Backoff;

use super::config::BackendConfig;

/// Maximum pause between two attempts, if the backend does not ask for a longer one.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Limits of the attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    retries: u32,
    backoff: Duration,
    total: Duration,
}

/// State of the attempts.
#[derive(Debug)]
pub(super) struct Attempts {
    limits: Limits,
    backoff: Backoff,
    /// Number of backends.
    backends: usize,
    /// The backend of the present attempt.
    backend: usize,
    /// Number of attempts that have failed.
    failed: u32,
    /// Number of attempts in this round, in which each backend is asked once.
    in_round: usize,
    /// The longest pause that a backend has asked for in this round.
    asked: Duration,
}

impl Limits {
    pub(super) fn new(config: &BackendConfig) -> Self {
        Self {
            retries: config.retries,
            backoff: Duration::from_millis(config.backoff_ms),
            total: Duration::from_millis(config.retry_ms),
        }
    }
}

impl Attempts {
    /// The first attempt is at the backend with the number `first`.
    pub(super) fn new(limits: Limits, backends: usize, first: usize) -> Self {
        let backoff = Backoff::new(limits.backoff, MAX_BACKOFF);
        Self { limits, backoff, backends, backend: first, failed: 0, in_round: 0, asked: Duration::ZERO }
    }

    /// The backend of the present attempt.
    pub(super) fn backend(&self) -> usize {
        self.backend
    }

    /// The pause before the next attempt, after one has failed; `None` if there is no further one. `elapsed` is the time
    /// since the first attempt.
    pub(super) fn next(&mut self, retry_after: Option<Duration>, elapsed: Duration) -> Option<Duration> {
        self.failed += 1;
        self.in_round += 1;
        self.asked = self.asked.max(retry_after.unwrap_or_default());
        if self.failed > self.limits.retries {
            return None;
        }
        let mut pause = Duration::ZERO;
        if self.in_round >= self.backends {
            self.in_round = 0;
            pause = self.backoff.next_delay().max(std::mem::take(&mut self.asked));
        }
        if elapsed.saturating_add(pause) > self.limits.total {
            return None;
        }
        self.backend = (self.backend + 1) % self.backends.max(1);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn attempts(backends: usize, first: usize) -> Attempts {
        let config = BackendConfig { retries: 4, ..BackendConfig::new(["http://x"]) };
        Attempts::new(Limits::new(&config), backends, first)
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut attempts = attempts(1, 0);
        for expected in [200, 400, 800, 1600] {
            let pause = attempts.next(None, NOW).unwrap().as_millis();
            assert!((expected / 2..=expected).contains(&pause), "{pause}");
        }
        assert_eq!(attempts.next(None, NOW), None);
    }

    #[test]
    fn all_backends_are_asked_before_a_pause() {
        let mut attempts = attempts(3, 1);
        let mut asked = vec![attempts.backend()];
        let second = Some(Duration::from_secs(1));
        for (retry_after, has_pause) in [(None, false), (second, false), (None, true), (None, false)] {
            let pause = attempts.next(retry_after, NOW).unwrap();
            assert_eq!(pause >= Duration::from_secs(1), has_pause);
            asked.push(attempts.backend());
        }
        assert_eq!(asked, [1, 2, 0, 1, 2]);
        assert_eq!(attempts.next(None, NOW), None);
    }

    #[test]
    fn the_total_time_is_bounded() {
        let seconds = Duration::from_secs;
        assert_eq!(attempts(1, 0).next(Some(seconds(9)), NOW), Some(seconds(9)));
        assert_eq!(attempts(1, 0).next(Some(seconds(11)), NOW), None);
        assert_eq!(attempts(1, 0).next(Some(seconds(9)), seconds(2)), None);
        assert_eq!(attempts(1, 0).next(None, seconds(10)), None);
        assert_eq!(attempts(2, 0).next(None, seconds(10)), Some(NOW));
    }
}
