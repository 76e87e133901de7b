//! Rate limits of events.
//!
//! Each client has a budget of events and a budget of bytes. Both refill evenly up to the burst of
//! `limits.burst_seconds`. A client with an exhausted budget is delayed, which eventually stops reading from
//! its connection, or receives an error, or is disconnected.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use serde_json::json;
use socketio_server::{EventName, Namespace, RawArgs, Socket};

use crate::config::{Excess, Limits};
use crate::error_event;

/// Minimum delay; shorter timers would only cost wakeups.
const SHORTEST: Duration = Duration::from_millis(1);
/// Error of an event beyond the rate.
const EXCEEDED: &str = "rate limit exceeded";

/// Buckets of a client.
#[derive(Debug)]
struct ClientBuckets {
    events: TokenBucket,
    bytes: TokenBucket,
}

/// Rate and burst of a token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// `None` means unlimited.
    per_second: Option<f64>,
    burst: Duration,
}

/// Token bucket, stored as the time at which it is full again.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket(Instant);

/// Registers the middleware that enforces the limits, before any other code sees the events.
pub(crate) fn register(namespace: &Namespace, limits: &Limits) {
    if limits.events_per_second == 0 && limits.bytes_per_second == 0 {
        return;
    }
    let burst = Duration::from_secs(limits.burst_seconds.into());
    let events = Rate::new(limits.events_per_second, burst);
    let bytes = Rate::new(limits.bytes_per_second, burst);
    let excess = limits.excess;
    namespace.middleware(|socket: Socket| async move {
        let full = TokenBucket::full(Instant::now());
        socket.extensions().insert(Arc::new(Mutex::new(ClientBuckets { events: full, bytes: full })));
        Ok::<(), socketio_server::ConnectError>(())
    });
    namespace.event_middleware(
        move |socket: Socket, EventName(event): EventName, args: RawArgs| async move {
            let Some(buckets) = socket.extensions().get::<Arc<Mutex<ClientBuckets>>>() else { return Ok(()) };
            let size = size(&args);
            loop {
                let wait = {
                    let mut buckets = buckets.lock();
                    let now = Instant::now();
                    let wait = buckets.events.wait(events, now).max(buckets.bytes.wait(bytes, now));
                    if wait.is_zero() {
                        buckets.events.take(events, 1, now);
                        buckets.bytes.take(bytes, size, now);
                        return Ok(());
                    }
                    wait
                };
                match excess {
                    Excess::Delay => tokio::time::sleep(wait.max(SHORTEST)).await,
                    // The event tells clients that requested no acknowledgement.
                    Excess::Refuse => return Err(error_event::emit(&socket, &event, EXCEEDED)),
                    Excess::Disconnect => {
                        // A client with a full outbox misses the event and is disconnected anyway.
                        let _ = socket.emit("error", &json!({"event": "limit", "message": EXCEEDED}));
                        socket.disconnect(true);
                        return Err(EXCEEDED.to_owned());
                    }
                }
            }
        },
    );
}

fn size(args: &RawArgs) -> u32 {
    let texts: usize = args.iter().map(|argument| argument.as_bytes().len()).sum();
    let attachments: usize = args.attachments().iter().map(|attachment| attachment.len()).sum();
    u32::try_from(texts + attachments).unwrap_or(u32::MAX)
}

impl Rate {
    /// Creates a rate; 0 means unlimited.
    pub(crate) fn new(per_second: u32, burst: Duration) -> Self {
        Self { per_second: (per_second > 0).then(|| f64::from(per_second)), burst }
    }

    /// Whether the rate is unlimited.
    pub(super) fn is_unlimited(self) -> bool {
        self.per_second.is_none()
    }
}

impl TokenBucket {
    /// Creates a full bucket.
    pub(super) fn full(now: Instant) -> Self {
        Self(now)
    }

    /// Whether the bucket is full.
    pub(super) fn is_full(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// Time until the bucket is no longer empty.
    pub(super) fn wait(self, rate: Rate, now: Instant) -> Duration {
        let missing = self.0.saturating_duration_since(now);
        if rate.is_unlimited() || missing < rate.burst {
            return Duration::ZERO;
        }
        (missing - rate.burst).max(SHORTEST)
    }

    /// Takes `cost` tokens. A cost beyond the remaining tokens is allowed; later events wait accordingly
    /// longer.
    pub(super) fn take(&mut self, rate: Rate, cost: u32, now: Instant) {
        let Some(per_second) = rate.per_second else { return };
        self.0 = self.0.max(now) + Duration::from_secs_f64(f64::from(cost) / per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_evenly() {
        let rate = Rate::new(2, Duration::from_secs(3));
        let start = Instant::now();
        let mut bucket = TokenBucket::full(start);
        for _ in 0..6 {
            assert_eq!(bucket.wait(rate, start), Duration::ZERO);
            bucket.take(rate, 1, start);
        }
        assert_eq!(bucket.wait(rate, start), SHORTEST);
        assert_eq!(bucket.wait(rate, start + Duration::from_millis(2)), Duration::ZERO);
        // Unused budget does not accumulate beyond the burst.
        let later = start + Duration::from_secs(1000);
        bucket.take(rate, 6, later);
        assert_eq!(bucket.wait(rate, later), SHORTEST);
        // A cost beyond the budget is allowed, and delays the following events.
        let mut bucket = TokenBucket::full(later);
        bucket.take(rate, 20, later);
        assert_eq!(bucket.wait(rate, later), Duration::from_secs(7));
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let rate = Rate::new(0, Duration::from_secs(1));
        let now = Instant::now();
        let mut bucket = TokenBucket::full(now);
        bucket.take(rate, u32::MAX, now);
        assert_eq!(bucket.wait(rate, now), Duration::ZERO);
    }
}
