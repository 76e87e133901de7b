//! What is counted from the start, for those who watch: beside what the server counts itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;

/// Everything that only grows.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    /// Requests for a connection, by protocol and the status of the answer.
    pub(crate) handshakes: ByStatus,
    /// Calls of the HTTP API, by name and the status of the answer.
    pub(crate) calls: ByStatus,
    /// Connections that came to no TLS.
    pub(crate) tls_failures: Counter,
    places: Mutex<Vec<Arc<Place>>>,
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
}

impl Tallies {
    /// A new place.
    pub(crate) fn place(&self, name: &str) -> Arc<Place> {
        let place = Arc::new(Place {
            name: name.to_owned(),
            came: Counter::default(),
            went: Counter::default(),
            refused_events: Counter::default(),
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

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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
