//! What is counted from the start, for those who watch: beside what the server counts itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use socketio_server::Delivered;

/// Everything that only grows.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    /// Requests for a connection, by protocol and the status of the answer.
    pub(crate) handshakes: ByStatus,
    /// Calls of the HTTP API, by name and the status of the answer.
    pub(crate) calls: ByStatus,
    /// Connections that came to no TLS.
    pub(crate) tls_failures: Counter,
    /// Events to many.
    pub(crate) broadcasts: Arc<Broadcasts>,
    /// Who wanted more than the limits allow, by what.
    pub(crate) excess: Arc<Words>,
    places: Mutex<Vec<Arc<Place>>>,
}

/// Events that were sent to many at once.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts {
    /// How many they reached.
    pub(crate) receivers: Histogram<6>,
    /// How many microseconds it took to hand them out.
    pub(crate) micros: Histogram<6>,
    /// How many did not get a volatile one.
    pub(crate) dropped: Counter,
    /// How many did not get one because too much waits for them.
    pub(crate) refused: Counter,
}

impl Broadcasts {
    /// The bounds of `receivers`.
    pub(crate) const RECEIVERS: [u64; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
    /// The bounds of `micros`.
    pub(crate) const MICROS: [u64; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];

    pub(crate) fn add(&self, delivered: &Delivered) {
        self.receivers.add(&Self::RECEIVERS, delivered.receivers as u64);
        let micros = u64::try_from(delivered.took.as_micros()).unwrap_or(u64::MAX);
        self.micros.add(&Self::MICROS, micros);
        self.dropped.0.fetch_add(delivered.dropped as u64, Ordering::Relaxed);
        self.refused.0.fetch_add(delivered.refused as u64, Ordering::Relaxed);
    }
}

/// Counts values by how large they are: up to each of some bounds, or above the last.
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

    /// How many were up to each bound, those below the others included; how many there were in all; and their sum.
    pub(crate) fn now(&self) -> ([u64; BOUNDS], u64, u64) {
        let mut sum = 0;
        let cumulated = self.within.each_ref().map(|counter| {
            sum += counter.now();
            sum
        });
        (cumulated, sum + self.above.now(), self.sum.load(Ordering::Relaxed))
    }
}

/// What happened in a namespace, or in all that fit a pattern. A name that clients choose never becomes a label, of
/// which whoever collects them would have to keep every one.
#[derive(Debug)]
pub(crate) struct Place {
    /// As the configuration has it.
    pub(crate) name: String,
    /// Sockets that came.
    pub(crate) came: Counter,
    /// Sockets that went.
    pub(crate) went: Counter,
    /// What clients sent and was refused, or is not what its handlers take.
    pub(crate) refused_events: Counter,
    /// What clients were to get as an answer and there was no room for.
    pub(crate) lost_answers: Counter,
}

impl Tallies {
    /// A new place.
    pub(crate) fn place(&self, name: &str) -> Arc<Place> {
        let place = Arc::new(Place {
            name: name.to_owned(),
            came: Counter::default(),
            went: Counter::default(),
            refused_events: Counter::default(),
            lost_answers: Counter::default(),
        });
        self.places.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&place));
        place
    }

    /// All places.
    pub(crate) fn places(&self) -> Vec<Arc<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts one by one.
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

/// Counts by a word.
#[derive(Debug, Default)]
pub(crate) struct Words(Mutex<BTreeMap<&'static str, u64>>);

impl Words {
    pub(crate) fn add(&self, word: &'static str) {
        // Counting leaves nothing half done, so a panic elsewhere is no reason to stop.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default() += 1;
    }

    pub(crate) fn now(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts what was asked for, by how it was answered.
#[derive(Debug, Default)]
pub(crate) struct ByStatus(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl ByStatus {
    pub(crate) fn add(&self, what: &'static str, status: StatusCode) {
        // Counting leaves nothing half done, so a panic elsewhere is no reason to stop.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((what, status.as_u16())).or_default() += 1;
    }

    pub(crate) fn now(&self) -> BTreeMap<(&'static str, u16), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_a_bound_is_below_it() {
        let histogram = Histogram::default();
        for value in [0, 10, 11, 100, 101] {
            histogram.add(&[10, 100], value);
        }
        assert_eq!(histogram.now(), ([2, 4], 5, 222));
    }
}
