//! Exponential backoff between reconnection attempts.

use std::time::Duration;

use crate::config::Reconnection;

/// Backoff since the connection was lost or the first attempt failed.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Number of attempts that were started or scheduled.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Delay before the next attempt, or `None` if no further attempt is permitted. `random` is a uniform
    /// random number.
    pub(crate) fn next(&mut self, settings: &Reconnection, random: u32) -> Option<Duration> {
        if settings.attempts.is_some_and(|attempts| self.attempts >= attempts) {
            return None;
        }
        // A factor of 2^20 exceeds any sensible maximum.
        let delay = settings.delay.saturating_mul(1 << self.attempts.min(20));
        self.attempts = self.attempts.saturating_add(1);
        let variation = f64::from(random) / f64::from(u32::MAX) * 2.0 - 1.0;
        let factor = 1.0 + variation * settings.randomization_factor.clamp(0.0, 1.0);
        // Out of range, or a factor that is not a number: use the maximum.
        let delay = Duration::try_from_secs_f64(delay.as_secs_f64() * factor);
        Some(delay.map_or(settings.delay_max, |delay| delay.min(settings.delay_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u32 = u32::MAX / 2 + 1;

    fn delays(settings: &Reconnection, random: u32, count: usize) -> Vec<u128> {
        let mut backoff = Backoff::default();
        std::iter::from_fn(|| backoff.next(settings, random)).take(count).map(|d| d.as_millis()).collect()
    }

    /// SIO-CLI-026
    #[test]
    fn the_delay_doubles_up_to_its_maximum() {
        let settings = Reconnection::default();
        assert_eq!(delays(&settings, MIDDLE, 5), [1000, 2000, 4000, 5000, 5000]);
        assert_eq!(delays(&settings, 0, 5), [500, 1000, 2000, 4000, 5000]);
        assert_eq!(delays(&settings, u32::MAX, 3), [1500, 3000, 5000]);
        assert_eq!(delays(&settings, MIDDLE, 100).last(), Some(&5000));
        let unlimited = Reconnection { delay: Duration::MAX, delay_max: Duration::MAX, ..settings };
        let mut backoff = Backoff::default();
        for random in [0, MIDDLE, u32::MAX].repeat(30) {
            assert!(backoff.next(&unlimited, random).is_some());
        }
        let not_a_number = Reconnection { randomization_factor: f64::NAN, ..Reconnection::default() };
        assert_eq!(delays(&not_a_number, 7, 1), [5000]);
    }

    #[test]
    fn attempts_are_limited_until_reset() {
        let settings = Reconnection { attempts: Some(2), ..Reconnection::default() };
        let mut backoff = Backoff::default();
        assert!(backoff.next(&settings, 7).is_some());
        assert!(backoff.next(&settings, 7).is_some());
        assert_eq!((backoff.next(&settings, 7), backoff.attempts()), (None, 2));
        backoff.reset();
        assert!(backoff.next(&settings, 7).is_some());
    }
}
