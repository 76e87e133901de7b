//! Counters of messages, connections and refusals.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use engineio::sync::Mutex;

/// Messages and bytes of all connections, without control frames.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    received: Count,
    sent: Count,
}

#[derive(Debug, Default)]
struct Count {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    fn add(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn now(&self) -> (u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl Traffic {
    pub(crate) fn receive(&self, bytes: usize) {
        self.received.add(bytes);
    }

    pub(crate) fn send(&self, bytes: usize) {
        self.sent.add(bytes);
    }

    /// Received messages and their bytes.
    pub(crate) fn received(&self) -> (u64, u64) {
        self.received.now()
    }

    /// Sent messages and their bytes.
    pub(crate) fn sent(&self) -> (u64, u64) {
        self.sent.now()
    }
}

/// Counts by a label from a fixed set.
#[derive(Debug, Default)]
pub(crate) struct Labels(Mutex<BTreeMap<&'static str, u64>>);

impl Labels {
    pub(crate) fn add(&self, label: &'static str) {
        *self.0.lock().entry(label).or_default() += 1;
    }

    pub(crate) fn now(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().clone()
    }
}

/// Counters of a server since its start.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) started: Instant,
    pub(crate) opened: AtomicU64,
    pub(crate) closed: Labels,
    pub(crate) refused: Labels,
    pub(crate) traffic: Arc<Traffic>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            opened: AtomicU64::new(0),
            closed: Labels::default(),
            refused: Labels::default(),
            traffic: Arc::default(),
        }
    }
}
