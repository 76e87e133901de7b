//! The probe of a WebSocket that requests to take over a polling session.

use std::time::{Duration, Instant};

/// The shortest interval between noops for a client that keeps polling during the probe, so that the client
/// cannot make the server spin.
const NOOP_INTERVAL: Duration = Duration::from_millis(100);

/// A probing WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    deadline: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Connected; the probe packet has not arrived yet.
    Silent,
    /// The probe was answered. A waiting GET must not keep the client on polling: from `noop_at` on it is
    /// answered with a noop.
    Answered { noop_at: Instant },
}

impl Probe {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, stage: Stage::Silent }
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.stage = Stage::Answered { noop_at: now };
    }

    pub(super) fn expired(&self, now: Instant) -> bool {
        self.deadline <= now
    }

    /// Whether a waiting GET has to be answered with a noop now. If so, the next noop is due one interval
    /// later.
    pub(super) fn releases_poll(&mut self, now: Instant) -> bool {
        match &mut self.stage {
            Stage::Answered { noop_at } if *noop_at <= now => {
                *noop_at = now + NOOP_INTERVAL;
                true
            }
            _ => false,
        }
    }

    /// The time at which the probe next needs the clock.
    pub(super) fn deadline(&self, parked: bool) -> Instant {
        match self.stage {
            Stage::Answered { noop_at } if parked => noop_at.min(self.deadline),
            _ => self.deadline,
        }
    }
}
