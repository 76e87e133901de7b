//! Rate limits of events.
//!
//! Each client has a budget of events and a budget of bytes. Both refill evenly up to the burst of
//! `limits.burst_seconds`. A client with an exhausted budget is delayed, which eventually stops reading from
//! its connection, or receives an error, or is disconnected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use socketio_server::{Namespace, RawArgs, Socket};

use crate::config::{Excess, Limits};

/// Minimum delay; shorter timers would only cost wakeups.
const SHORTEST: Duration = Duration::from_millis(1);

/// Budgets of a client, each stored as the time at which it is full again.
#[derive(Debug)]
struct Spent {
    events: Instant,
    bytes: Instant,
}

/// Rate and burst of a budget; `None` means unlimited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: Option<f64>,
    burst: Duration,
}

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
        let now = Instant::now();
        socket.extensions().insert(Arc::new(Mutex::new(Spent { events: now, bytes: now })));
        Ok::<(), socketio_server::ConnectError>(())
    });
    namespace.event_middleware(move |socket: Socket, args: RawArgs| async move {
        let Some(spent) = socket.extensions().get::<Arc<Mutex<Spent>>>() else { return Ok(()) };
        let size = size(&args);
        loop {
            let wait = {
                let mut spent = spent.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let wait = events.wait(spent.events, now).max(bytes.wait(spent.bytes, now));
                if wait.is_zero() {
                    spent.events = events.spend(spent.events, 1, now);
                    spent.bytes = bytes.spend(spent.bytes, size, now);
                    return Ok(());
                }
                wait
            };
            match excess {
                Excess::Delay => tokio::time::sleep(wait.max(SHORTEST)).await,
                Excess::Refuse => return Err("too fast"),
                Excess::Disconnect => {
                    // A client with a full outbox misses the event and is disconnected anyway.
                    let _ = socket.emit("error", &json!({"event": "limit", "message": "too fast"}));
                    socket.disconnect(true);
                    return Err("too fast");
                }
            }
        }
    });
}

fn size(args: &RawArgs) -> u32 {
    let texts: usize = args.iter().map(|argument| argument.as_bytes().len()).sum();
    let attachments: usize = args.attachments().iter().map(|attachment| attachment.len()).sum();
    u32::try_from(texts + attachments).unwrap_or(u32::MAX)
}

impl Rate {
    pub(crate) fn new(per_second: u32, burst: Duration) -> Self {
        Self { per_second: (per_second > 0).then(|| f64::from(per_second)), burst }
    }

    /// Whether the rate is unlimited.
    pub(crate) fn is_any(self) -> bool {
        self.per_second.is_none()
    }

    /// Time until the budget is no longer exhausted.
    pub(crate) fn wait(self, full: Instant, now: Instant) -> Duration {
        let missing = full.saturating_duration_since(now);
        if self.per_second.is_none() || missing < self.burst {
            return Duration::ZERO;
        }
        (missing - self.burst).max(SHORTEST)
    }

    /// Takes `cost` from the budget, and returns the time at which it is full again. A cost beyond the
    /// remaining budget is allowed; later events wait accordingly longer.
    pub(crate) fn spend(self, full: Instant, cost: u32, now: Instant) -> Instant {
        let Some(per_second) = self.per_second else { return full };
        full.max(now) + Duration::from_secs_f64(f64::from(cost) / per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_fills_evenly() {
        let rate = Rate::new(2, Duration::from_secs(3));
        let start = Instant::now();
        let mut full = start;
        for _ in 0..6 {
            assert_eq!(rate.wait(full, start), Duration::ZERO);
            full = rate.spend(full, 1, start);
        }
        assert_eq!(rate.wait(full, start), SHORTEST);
        assert_eq!(rate.wait(full, start + Duration::from_millis(2)), Duration::ZERO);
        // Unused budget does not accumulate beyond the burst.
        let later = start + Duration::from_secs(1000);
        full = rate.spend(full, 6, later);
        assert_eq!(rate.wait(full, later), SHORTEST);
        // A cost beyond the budget is allowed, and delays the following events.
        full = rate.spend(later, 20, later);
        assert_eq!(rate.wait(full, later), Duration::from_secs(7));
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let rate = Rate::new(0, Duration::from_secs(1));
        let now = Instant::now();
        assert_eq!(rate.wait(rate.spend(now, u32::MAX, now), now), Duration::ZERO);
    }
}
