//! How many handlers still run for clients that have left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the handlers of clients that have left, and the events of such clients that still wait for theirs.
#[derive(Debug, Default)]
pub(crate) struct Unfinished(AtomicUsize);

/// What one client has of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    all: Arc<Unfinished>,
    count: usize,
}

impl Unfinished {
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { all: Arc::clone(self), count: 0 }
    }
}

impl Share {
    /// There are so many now.
    pub(crate) fn set(&mut self, count: usize) {
        if count > self.count {
            self.all.0.fetch_add(count - self.count, Ordering::Relaxed);
        } else if count < self.count {
            self.all.0.fetch_sub(self.count - count, Ordering::Relaxed);
        }
        self.count = count;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}
