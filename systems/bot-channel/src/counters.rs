//! Counters of a channel and its agent.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Messages of users that an agent has answered.
    pub(crate) answers: Counter,
    /// Messages of users for which the agent has failed.
    pub(crate) failed_answers: Counter,
    /// Messages of the bot that clients were sent at once.
    pub(crate) sent: Counter,
    /// Messages of the bot that were kept for the return of a client.
    pub(crate) kept: Counter,
    /// Kept messages that were sent to a client that has returned.
    pub(crate) replayed: Counter,
    /// Kept messages that were dropped because of a limit of the tracker.
    pub(crate) dropped: Counter,
    /// Operations of the tracker that have failed.
    pub(crate) failed_tracking: Counter,
    /// Messages of users beyond their rate limit.
    pub(crate) rate_limited: Counter,
}

/// The counters of the requests to the backend.
#[derive(Debug, Default)]
pub(crate) struct BackendCounters {
    /// Attempts.
    pub(crate) requests: Counter,
    /// Attempts that have failed.
    pub(crate) failed: Counter,
    /// Attempts after one that has failed.
    pub(crate) retries: Counter,
}
