//! Counters of webhooks.

use std::collections::BTreeMap;
use std::time::Duration;

use engineio::sync::Mutex;

use crate::config::webhooks::WebhookType;
use crate::stats::counters::Counter;

/// Counters of webhooks.
#[derive(Debug, Default)]
pub(super) struct Counts {
    outcomes: Mutex<Outcomes>,
    retries: Counter,
    micros: Counter,
    /// Responses of the backend that were invalid.
    invalid_responses: Counter,
}

/// Number of webhooks by moment and outcome.
type Outcomes = BTreeMap<(&'static str, &'static str), u64>;

impl Counts {
    pub(super) fn add(&self, moment: WebhookType, outcome: &'static str) {
        // No change can be interrupted, so a poisoned lock is still consistent.
        let mut outcomes = self.outcomes.lock();
        *outcomes.entry((moment.name(), outcome)).or_default() += 1;
    }

    pub(super) fn retried(&self) {
        self.retries.add();
    }

    pub(super) fn took(&self, time: Duration) {
        self.micros.add_many(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn invalid_response(&self) {
        self.invalid_responses.add();
    }

    pub(super) fn outcomes(&self) -> Outcomes {
        self.outcomes.lock().clone()
    }

    pub(super) fn retries(&self) -> u64 {
        self.retries.now()
    }

    pub(super) fn micros(&self) -> u64 {
        self.micros.now()
    }

    pub(super) fn invalid_responses(&self) -> u64 {
        self.invalid_responses.now()
    }
}
