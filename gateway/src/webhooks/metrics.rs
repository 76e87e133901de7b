//! Metrics of the request queue.

use std::collections::BTreeMap;

use super::queue::RequestQueue;

/// Metrics of the request queue at one moment.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Completed webhooks by moment and outcome.
    pub(crate) calls: BTreeMap<(&'static str, &'static str), u64>,
    /// Attempts after the first one of a webhook.
    pub(crate) retries: u64,
    /// Total time of all webhooks, in microseconds.
    pub(crate) micros: u64,
    /// Invalid responses of the backend.
    pub(crate) invalid_responses: u64,
    /// Webhooks that are under way or queued.
    pub(crate) waiting: u64,
    /// Bytes of these webhooks.
    pub(crate) waiting_bytes: u64,
    /// State of the circuit: 0 closed, 1 half open, 2 open.
    pub(crate) circuit: u64,
    /// Number of times the circuit has opened.
    pub(crate) opened: u64,
}

impl Metrics {
    pub(super) fn of(queue: &RequestQueue) -> Self {
        let (counts, usage) = (queue.counts(), queue.usage());
        let (circuit, opened) = queue.circuit(|circuit| (circuit.number(), circuit.opened()));
        Self {
            calls: counts.outcomes(),
            retries: counts.retries(),
            micros: counts.micros(),
            invalid_responses: counts.invalid_responses(),
            waiting: usage.calls as u64,
            waiting_bytes: usage.bytes as u64,
            circuit,
            opened,
        }
    }
}
