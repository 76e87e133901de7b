//! Rate limiter: a burst, and then a constant rate.

use std::time::{Duration, Instant};

/// Limiter state in a single instant (GCRA). A new limiter allows the whole burst.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    /// Time at which the whole burst is available again.
    full_at: Option<Instant>,
}

impl RateLimiter {
    /// Whether an event is allowed at `now`; an allowed event is counted. A rate of 0 disables the limit.
    pub(crate) fn admits(&mut self, now: Instant, burst: usize, per_second: u32) -> bool {
        self.take(now, burst, per_second).is_ok()
    }

    /// The same, with the time until an event is allowed as the error.
    pub(crate) fn take(&mut self, now: Instant, burst: usize, per_second: u32) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        let each = Duration::from_secs(1) / per_second;
        let burst = each.saturating_mul(u32::try_from(burst).unwrap_or(u32::MAX));
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + each;
        match full_at.duration_since(now).checked_sub(burst) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.full_at = Some(full_at);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_refilled_over_time() {
        let mut limiter = RateLimiter::default();
        let mut now = Instant::now();
        let mut admitted = |now| (0..1000).filter(|_| limiter.admits(now, 64, 16)).count();
        assert_eq!(admitted(now), 64);
        now += Duration::from_millis(62);
        assert_eq!(admitted(now), 0);
        now += Duration::from_millis(1);
        assert_eq!(admitted(now), 1);
        now += Duration::from_secs(1);
        assert_eq!(admitted(now), 16);
        now += Duration::from_secs(3600);
        assert_eq!(admitted(now), 64, "unused events do not accumulate beyond a burst");
    }

    #[test]
    fn the_wait_is_exact() {
        let mut limiter = RateLimiter::default();
        let now = Instant::now();
        assert!(limiter.take(now, 2, 10).is_ok() && limiter.take(now, 2, 10).is_ok());
        let wait = limiter.take(now, 2, 10).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert!(limiter.take(now + wait - Duration::from_nanos(1), 2, 10).is_err());
        assert!(limiter.take(now + wait, 2, 10).is_ok());
    }

    #[test]
    fn a_rate_of_zero_disables_the_limit() {
        let mut limiter = RateLimiter::default();
        let now = Instant::now();
        assert!((0..1000).all(|_| limiter.admits(now, 0, 0)));
    }
}
