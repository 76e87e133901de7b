//! How many of everything there is right now. What leaks shows here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The counts of a server at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that clients can reach: the official server's `clientsCount`.
    pub sessions: usize,
    /// Tasks that drive a session, those that are saying goodbye included.
    pub tasks: usize,
    /// Sessions whose memory is held, be it only by a handle that the application kept.
    pub outboxes: usize,
    /// TCP connections that [`serve`](crate::Server::serve) is answering HTTP requests on.
    pub connections: usize,
    /// The bytes of memory that wait for clients, counted as [`Config::max_buffered`](crate::Config::max_buffered) says;
    /// answers to polls that have left their session are included until they are taken. What a session is just writing may
    /// be missing. [`ServerBuilder::max_queued_bytes`](crate::ServerBuilder::max_queued_bytes) bounds them.
    pub queued_bytes: usize,
    /// Sessions that ended because their handler panicked, since the start.
    pub panics: usize,
}

/// Something that only ever grows.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicUsize);

impl Tally {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A count that things enter and leave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<Crowd>);

#[derive(Debug, Default)]
struct Crowd {
    size: AtomicUsize,
    /// Told when the last one leaves.
    left: Notify,
}

/// One thing in a [`Count`], until it is dropped.
#[derive(Debug)]
pub(crate) struct Gauge(Arc<Crowd>);

impl Count {
    pub(crate) fn enter(&self) -> Gauge {
        self.0.size.fetch_add(1, Ordering::Relaxed);
        Gauge(Arc::clone(&self.0))
    }

    pub(crate) fn now(&self) -> usize {
        self.0.size.load(Ordering::Relaxed)
    }

    /// Waits until nothing is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.0.left.notified();
            if self.now() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        if self.0.size.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.left.notify_waiters();
        }
    }
}
