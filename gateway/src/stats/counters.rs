//! Counters since the start, in addition to those of the Socket.IO server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engineio::sync::Mutex;
use http::StatusCode;
use socketio_server::Delivered;

/// Counters of the gateway.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Handshakes, by protocol and HTTP status.
    pub(crate) handshakes: StatusCounters,
    /// API calls, by name and HTTP status.
    pub(crate) calls: StatusCounters,
    /// Connections whose TLS handshake failed.
    pub(crate) tls_failures: Counter,
    /// Events to several receivers.
    pub(crate) broadcasts: Arc<Broadcasts>,
    /// Requests beyond a limit, by the name of the limit.
    pub(crate) refused: Arc<LabelledCounters>,
    namespaces: Mutex<Vec<Arc<NamespaceCounters>>>,
}

/// Statistics of events to several receivers.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts {
    /// Number of receivers per event.
    pub(crate) receivers: Histogram<6>,
    /// Time to queue an event for all receivers, in microseconds.
    pub(crate) micros: Histogram<6>,
    /// Receivers that missed a volatile event.
    pub(crate) dropped: Counter,
    /// Receivers that missed an event because too much was queued for them.
    pub(crate) refused: Counter,
}

impl Broadcasts {
    /// Bucket bounds of `receivers`.
    pub(crate) const RECEIVERS: [u64; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
    /// Bucket bounds of `micros`.
    pub(crate) const MICROS: [u64; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

    pub(crate) fn add(&self, delivered: &Delivered) {
        self.receivers.add(&Self::RECEIVERS, delivered.receivers as u64);
        let micros = u64::try_from(delivered.took.as_micros()).unwrap_or(u64::MAX);
        self.micros.add(&Self::MICROS, micros);
        self.dropped.0.fetch_add(delivered.dropped as u64, Ordering::Relaxed);
        self.refused.0.fetch_add(delivered.refused as u64, Ordering::Relaxed);
    }
}

/// Histogram with fixed bucket bounds, each inclusive.
#[derive(Debug)]
pub(crate) struct Histogram<const BOUNDS: usize> {
    within: [Counter; BOUNDS],
    above: Counter,
    sum: AtomicU64,
}

impl<const BOUNDS: usize> Default for Histogram<BOUNDS> {
    fn default() -> Self {
        let within = std::array::from_fn(|_| Counter::default());
        Self { within, above: Counter::default(), sum: AtomicU64::new(0) }
    }
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    fn add(&self, bounds: &[u64; BOUNDS], value: u64) {
        let at = bounds.iter().position(|bound| value <= *bound);
        at.map_or(&self.above, |at| &self.within[at]).add();
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Cumulative bucket counts, total count, and sum of the values.
    pub(crate) fn now(&self) -> ([u64; BOUNDS], u64, u64) {
        let mut sum = 0;
        let cumulated = self.within.each_ref().map(|counter| {
            sum += counter.now();
            sum
        });
        (cumulated, sum + self.above.now(), self.sum.load(Ordering::Relaxed))
    }
}

/// Counters of a namespace, or of all namespaces that match a pattern. A name chosen by a client never
/// becomes a label, because each would be another time series for the collector.
#[derive(Debug)]
pub(crate) struct NamespaceCounters {
    /// Name or pattern in the configuration.
    pub(crate) name: String,
    /// Connected sockets.
    pub(crate) connected: Counter,
    /// Disconnected sockets.
    pub(crate) disconnected: Counter,
    /// Events that were refused, or whose arguments did not fit their handlers.
    pub(crate) refused_events: Counter,
    /// Acknowledgements that were lost because the outbox was full.
    pub(crate) lost_acks: Counter,
}

impl Counters {
    /// Adds counters for a namespace.
    pub(crate) fn namespace(&self, name: &str) -> Arc<NamespaceCounters> {
        let counters = Arc::new(NamespaceCounters {
            name: name.to_owned(),
            connected: Counter::default(),
            disconnected: Counter::default(),
            refused_events: Counter::default(),
            lost_acks: Counter::default(),
        });
        self.namespaces.lock().push(Arc::clone(&counters));
        counters
    }

    /// Counters of all namespaces.
    pub(crate) fn namespaces(&self) -> Vec<Arc<NamespaceCounters>> {
        self.namespaces.lock().clone()
    }
}

/// Counter that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_many(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by label.
#[derive(Debug, Default)]
pub(crate) struct LabelledCounters(Mutex<BTreeMap<&'static str, u64>>);

impl LabelledCounters {
    pub(crate) fn add(&self, label: &'static str) {
        // No change can be interrupted, so a poisoned lock is still consistent.
        *self.0.lock().entry(label).or_default() += 1;
    }

    pub(crate) fn now(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().clone()
    }
}

/// Counters by name and HTTP status.
#[derive(Debug, Default)]
pub(crate) struct StatusCounters(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl StatusCounters {
    pub(crate) fn add(&self, what: &'static str, status: StatusCode) {
        // No change can be interrupted, so a poisoned lock is still consistent.
        let mut counts = self.0.lock();
        *counts.entry((what, status.as_u16())).or_default() += 1;
    }

    pub(crate) fn now(&self) -> BTreeMap<(&'static str, u16), u64> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_bounds_are_inclusive() {
        let histogram = Histogram::default();
        for value in [0, 10, 11, 100, 101] {
            histogram.add(&[10, 100], value);
        }
        assert_eq!(histogram.now(), ([2, 4], 5, 222));
    }
}
