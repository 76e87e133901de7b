//! Delays before a worker is started again.

use std::time::Duration;

/// First and longest delay.
const DELAYS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Life after which the next delay is the first one again.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// The delays of a slot, each twice the one before.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(DELAYS[0])
    }
}

impl Backoff {
    /// The delay after the end of a worker that has lived for some time.
    pub(super) fn after(&mut self, life: Duration) -> Duration {
        if life >= LONG_LIFE {
            *self = Self::default();
        }
        let delay = self.0;
        self.0 = (delay * 2).min(DELAYS[1]);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_until_a_worker_has_lived_long() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..8).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.after(LONG_LIFE - Duration::from_millis(1)), DELAYS[1]);
        assert_eq!(backoff.after(LONG_LIFE), DELAYS[0]);
        assert_eq!(backoff.after(Duration::ZERO), DELAYS[0] * 2);
    }
}
