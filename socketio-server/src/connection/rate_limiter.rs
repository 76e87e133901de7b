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
        if per_second == 0 {
            return true;
        }
        let each = Duration::from_secs(1) / per_second;
        let burst = each.saturating_mul(u32::try_from(burst).unwrap_or(u32::MAX));
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + each;
        let admitted = full_at.duration_since(now) <= burst;
        if admitted {
            self.full_at = Some(full_at);
        }
        admitted
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
    fn a_rate_of_zero_disables_the_limit() {
        let mut limiter = RateLimiter::default();
        let now = Instant::now();
        assert!((0..1000).all(|_| limiter.admits(now, 0, 0)));
    }
}
