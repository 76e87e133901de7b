//! Rate limits of clients, with the settings of the gateway's `[limits]`.
//!
//! Each connection has a budget of events and a budget of bytes, which refill evenly up to the burst.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use serde::Deserialize;
use serde_json::json;
use socketio_server::{RawArgs, Socket};
use tokio::time::sleep;

use crate::counters::Counters;

/// Minimum delay; shorter timers would only cost wakeups.
const SHORTEST: Duration = Duration::from_millis(1);
/// Error of an event beyond the rate.
const EXCEEDED: &str = "rate limit exceeded";

/// Rate limits of each connection. Heartbeats do not count.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Events that a client may send per second. Default 10; 0: unlimited. Cost: about 100 bytes per connection.
    pub events_per_second: u32,
    /// Bytes of event arguments that a client may send per second. Default 0: unlimited.
    pub bytes_per_second: u32,
    /// Burst: a client that was idle may send the budget of this many seconds at once. Default 10.
    pub burst_seconds: u32,
    /// Treatment of events beyond the rate. Default `refuse`.
    pub excess: Excess,
}

/// Treatment of a client that exceeds its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Excess {
    /// Its events are delayed. When too many are delayed, nothing more is read from the client.
    Delay,
    /// The event is dropped. The client receives an event `error` from the plug-in, and an acknowledgement with the error
    /// if it has requested one.
    Refuse,
    /// The client receives an event `error` and is disconnected.
    Disconnect,
}

/// The rates. The budgets of a connection are an extension of its socket.
pub(crate) struct RateLimiter {
    events: Rate,
    bytes: Rate,
    excess: Excess,
    counters: Arc<Counters>,
}

/// Rate and burst of a bucket. `None` means unlimited.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: Option<f64>,
    burst: Duration,
}

/// Token bucket, stored as the time at which it is full again.
#[derive(Clone, Copy, Debug)]
struct TokenBucket(Instant);

/// The budgets of a connection.
#[derive(Clone)]
struct Budgets(Arc<Mutex<(TokenBucket, TokenBucket)>>);

impl Default for RateLimits {
    fn default() -> Self {
        Self { events_per_second: 10, bytes_per_second: 0, burst_seconds: 10, excess: Excess::Refuse }
    }
}

impl RateLimiter {
    pub(crate) fn new(limits: &RateLimits, counters: Arc<Counters>) -> Self {
        let burst = Duration::from_secs(limits.burst_seconds.into());
        let [events, bytes] = [limits.events_per_second, limits.bytes_per_second]
            .map(|per_second| Rate::new(per_second, burst));
        Self { events, bytes, excess: limits.excess, counters }
    }

    /// Gives a new connection its budgets.
    pub(crate) fn register(&self, socket: &Socket) {
        let full = TokenBucket(Instant::now());
        socket.extensions().insert(Budgets(Arc::new(Mutex::new((full, full)))));
    }

    /// Takes an event from the budgets of its client, or treats the client as the settings say.
    pub(crate) async fn admit(
        &self,
        socket: &Socket,
        event: &str,
        args: &RawArgs,
    ) -> Result<(), &'static str> {
        let Some(Budgets(budgets)) = socket.extensions().get() else { return Ok(()) };
        let size = args.iter().map(|argument| argument.as_bytes().len()).sum::<usize>()
            + args.attachments().iter().map(|attachment| attachment.len()).sum::<usize>();
        let take = || self.take(&mut budgets.lock(), size, Instant::now());
        let mut is_first = true;
        while let Some(wait) = take() {
            if is_first {
                self.counters.rate_limited.add(1);
            }
            is_first = false;
            match self.excess {
                Excess::Delay => sleep(wait).await,
                // The plug-in tells the client.
                Excess::Refuse => return Err(EXCEEDED),
                Excess::Disconnect => {
                    // A client that is full or gone needs no event.
                    let _ = socket.emit("error", &json!({ "event": event, "message": EXCEEDED }));
                    socket.disconnect(true);
                    return Err(EXCEEDED);
                }
            }
        }
        Ok(())
    }

    /// Takes an event of this size, or returns the time to wait for.
    fn take(&self, budgets: &mut (TokenBucket, TokenBucket), size: usize, now: Instant) -> Option<Duration> {
        let (events, bytes) = budgets;
        let wait = events.wait(self.events, now).max(bytes.wait(self.bytes, now));
        if !wait.is_zero() {
            return Some(wait);
        }
        events.take(self.events, 1, now);
        bytes.take(self.bytes, u32::try_from(size).unwrap_or(u32::MAX), now);
        None
    }
}

impl Rate {
    fn new(per_second: u32, burst: Duration) -> Self {
        Self { per_second: (per_second > 0).then(|| f64::from(per_second)), burst }
    }
}

impl TokenBucket {
    /// Time until the bucket is no longer empty.
    fn wait(self, rate: Rate, now: Instant) -> Duration {
        let missing = self.0.saturating_duration_since(now);
        if rate.per_second.is_none() || missing.is_zero() || missing < rate.burst {
            return Duration::ZERO;
        }
        (missing - rate.burst).max(SHORTEST)
    }

    /// Takes `cost` tokens. A cost beyond the remaining tokens is allowed; later events wait accordingly longer.
    fn take(&mut self, rate: Rate, cost: u32, now: Instant) {
        let Some(per_second) = rate.per_second else { return };
        self.0 = self.0.max(now) + Duration::from_secs_f64(f64::from(cost) / per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(events: u32, bytes: u32, burst_seconds: u32) -> RateLimiter {
        let limits = RateLimits {
            events_per_second: events,
            bytes_per_second: bytes,
            burst_seconds,
            excess: Excess::Refuse,
        };
        RateLimiter::new(&limits, Arc::default())
    }

    #[test]
    fn budgets_refill_evenly_up_to_the_burst() {
        let limiter = limiter(2, 0, 3);
        let start = Instant::now();
        let full = TokenBucket(start);
        let mut budgets = (full, full);
        for _ in 0..6 {
            assert_eq!(limiter.take(&mut budgets, 1000, start), None);
        }
        assert_eq!(limiter.take(&mut budgets, 1, start), Some(SHORTEST));
        assert_eq!(limiter.take(&mut budgets, 1, start + Duration::from_millis(2)), None);
        // Unused budget does not accumulate beyond the burst.
        let later = start + Duration::from_secs(1000);
        for _ in 0..6 {
            assert_eq!(limiter.take(&mut budgets, 1, later), None);
        }
        assert!(limiter.take(&mut budgets, 1, later).is_some());
    }

    #[test]
    fn bytes_have_a_budget_of_their_own() {
        let limiter = limiter(0, 10, 1);
        let start = Instant::now();
        let mut budgets = (TokenBucket(start), TokenBucket(start));
        // An event larger than the budget is allowed, and delays the following ones.
        assert_eq!(limiter.take(&mut budgets, 100, start), None);
        assert_eq!(limiter.take(&mut budgets, 1, start), Some(Duration::from_secs(9)));
        // Without a burst there is still one event at a time.
        let limiter = self::limiter(1, 0, 0);
        let mut budgets = (TokenBucket(start), TokenBucket(start));
        assert_eq!(limiter.take(&mut budgets, 1, start), None);
        assert_eq!(limiter.take(&mut budgets, 1, start), Some(Duration::from_secs(1)));
    }
}
