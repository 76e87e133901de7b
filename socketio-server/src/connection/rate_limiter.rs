//! How often something may happen: so many times at once, and then so many a second.

use std::time::{Duration, Instant};

/// What is left of a burst. Until the first time it costs nothing but its place.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the whole burst is there again.
    full_at: Option<Instant>,
}

impl Pace {
    /// Whether it may happen `now`, which counts if so. A rate of 0 is no limit.
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
    fn a_burst_is_refilled_as_time_goes_by() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let mut admitted = |now| (0..1000).filter(|_| pace.admits(now, 64, 16)).count();
        assert_eq!(admitted(now), 64);
        now += Duration::from_millis(62);
        assert_eq!(admitted(now), 0);
        now += Duration::from_millis(1);
        assert_eq!(admitted(now), 1);
        now += Duration::from_secs(1);
        assert_eq!(admitted(now), 16);
        now += Duration::from_secs(3600);
        assert_eq!(admitted(now), 64, "no more than a burst is saved up");
    }

    #[test]
    fn a_rate_of_none_is_no_limit() {
        let mut pace = Pace::default();
        let now = Instant::now();
        assert!((0..1000).all(|_| pace.admits(now, 0, 0)));
    }
}
