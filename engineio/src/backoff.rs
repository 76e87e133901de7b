//! Delays between attempts to connect.

use std::time::Duration;

use tokio::time::Instant;

/// A connection that lasted so long starts the delays anew.
const SETTLED: Duration = Duration::from_secs(5);

/// Delays that double up to a maximum. Each is shortened at random, by up to half, so that the nodes of a
/// cluster do not return at the same moment.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    delay: Duration,
    connected: Option<Instant>,
}

impl Backoff {
    /// Delays from `min` to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        // A delay of zero would be a busy loop.
        let min = min.max(Duration::from_millis(1));
        Self { min, max: max.max(min), delay: min, connected: None }
    }

    /// A connection is open.
    pub fn connected(&mut self) {
        self.connected = Some(Instant::now());
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        if self.connected.take().is_some_and(|since| since.elapsed() >= SETTLED) {
            self.delay = self.min;
        }
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(self.max);
        jittered(delay)
    }
}

/// A time that is shortened at random, by up to half.
pub fn jittered(time: Duration) -> Duration {
    time - time.mul_f64(random() / 2.0)
}

/// A number from 0 to below 1; 0.5 without random numbers.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_grow_to_the_maximum_and_start_anew_after_a_connection_that_lasted() {
        let (min, max) = (Duration::from_millis(50), Duration::from_millis(300));
        let mut backoff = Backoff::new(min, max);
        let within = |delay: Duration, most: u64| {
            let most = Duration::from_millis(most);
            assert!(delay <= most && delay >= most / 2, "{delay:?} of {most:?}");
        };
        for most in [50, 100, 200, 300, 300] {
            within(backoff.next_delay(), most);
        }
        // A server that accepts and closes at once is not asked more often.
        backoff.connected();
        within(backoff.next_delay(), 300);
        backoff.connected();
        tokio::time::advance(SETTLED).await;
        within(backoff.next_delay(), 50);
        assert!(Backoff::new(Duration::ZERO, Duration::ZERO).next_delay() > Duration::ZERO);
    }
}
