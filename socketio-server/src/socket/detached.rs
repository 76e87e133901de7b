//! Handlers of disconnected clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts running handlers and waiting events of disconnected clients.
#[derive(Debug, Default)]
pub(crate) struct DetachedHandlers(AtomicUsize);

/// The part of one client in the total, until it is dropped.
#[derive(Debug)]
pub(crate) struct DetachedCount {
    all: Arc<DetachedHandlers>,
    count: usize,
}

impl DetachedHandlers {
    pub(crate) fn total(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn counter(self: &Arc<Self>) -> DetachedCount {
        DetachedCount { all: Arc::clone(self), count: 0 }
    }
}

impl DetachedCount {
    /// Sets the number of this client.
    pub(crate) fn set(&mut self, count: usize) {
        if count > self.count {
            self.all.0.fetch_add(count - self.count, Ordering::Relaxed);
        } else if count < self.count {
            self.all.0.fetch_sub(self.count - count, Ordering::Relaxed);
        }
        self.count = count;
    }
}

impl Drop for DetachedCount {
    fn drop(&mut self) {
        self.set(0);
    }
}
