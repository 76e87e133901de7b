//! Backoff of reconnection attempts.

use std::time::Duration;

/// Doubles from the first delay to the longest. A jitter of up to a fifth in both directions keeps the
/// clients of a restarted server from reconnecting at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    tried: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, tried: 0 }
    }

    /// Number of attempts so far.
    pub(crate) fn tried(&self) -> u32 {
        self.tried
    }

    /// The next delay. `chance` is between 0 and 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let factor = 2u32.saturating_pow(self.tried.min(31));
        self.tried = self.tried.saturating_add(1);
        let wait = self.first.saturating_mul(factor).min(self.longest);
        wait.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
    }
}

/// A random number between 0 and 1. Without random numbers all clients have the same delay, which is
/// harmless.
pub(crate) fn chance() -> f64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_or(0.5, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
        let waits: Vec<_> = (0..6).map(|_| backoff.next(0.5).as_secs()).collect();
        assert_eq!((waits, backoff.tried()), (vec![5, 10, 20, 40, 60, 60], 6));
        for _ in 0..100 {
            backoff.next(0.5);
        }
        assert_eq!([backoff.next(0.0).as_secs(), backoff.next(1.0).as_secs()], [48, 72]);
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        for _ in 0..100 {
            assert!((0.0..=1.0).contains(&chance()));
        }
    }
}
