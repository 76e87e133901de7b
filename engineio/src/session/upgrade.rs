//! The trial of a WebSocket that wants to take a polling session over.

use std::time::{Duration, Instant};

/// A client that keeps polling during the trial is answered at most this often, so that it cannot be made to spin.
const NOOP_INTERVAL: Duration = Duration::from_millis(100);

/// A WebSocket on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    deadline: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Connected; the probe has not come yet.
    Silent,
    /// The probe was answered. A GET that waits must not hold the client back on polling: from `noop_at` on it is
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

    /// Whether a waiting GET is to be answered with a noop; if so the next one has to wait its turn.
    pub(super) fn releases_poll(&mut self, now: Instant) -> bool {
        match &mut self.stage {
            Stage::Answered { noop_at } if *noop_at <= now => {
                *noop_at = now + NOOP_INTERVAL;
                true
            }
            _ => false,
        }
    }

    /// When the clock matters next.
    pub(super) fn deadline(&self, parked: bool) -> Instant {
        match self.stage {
            Stage::Answered { noop_at } if parked => noop_at.min(self.deadline),
            _ => self.deadline,
        }
    }
}
