//! The current numbers of sessions, tasks and connections, which also reveal leaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The gauges of a server at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that accept requests: the official server's `clientsCount`.
    pub sessions: usize,
    /// Tasks that drive a session, with those that send their close packet, and those of WebSockets that are
    /// relayed to other nodes.
    pub tasks: usize,
    /// Sessions whose memory is in use, even if only by a handle of the application.
    pub outboxes: usize,
    /// TCP connections of [`serve`](crate::Server::serve) that speak HTTP.
    pub connections: usize,
    /// Bytes of memory that wait for clients, counted as
    /// [`Config::max_buffered`](crate::Config::max_buffered) says. Polling responses are included until the
    /// client has taken them. Bytes that a session is currently writing may be missing.
    /// [`ServerBuilder::max_queued_bytes`](crate::ServerBuilder::max_queued_bytes) bounds them.
    pub queued_bytes: usize,
    /// Bytes of received data that is incomplete or waits for its handlers, without the first 4 KiB of small
    /// messages. [`ServerBuilder::max_received_bytes`](crate::ServerBuilder::max_received_bytes) bounds them.
    pub received_bytes: usize,
    /// Messages that were dropped for slow clients, since the start: see
    /// [`SlowConsumer::DropNewest`](crate::SlowConsumer::DropNewest).
    pub dropped_messages: usize,
    /// Sessions that ended because of a panic in their handler, since the start.
    pub panics: usize,
}

/// A counter, which only increases.
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

/// A gauge: it counts live guards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<Guards>);

#[derive(Debug, Default)]
struct Guards {
    size: AtomicUsize,
    /// Notified when the last guard is dropped.
    emptied: Notify,
}

/// One guard of a [`Count`], counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Gauge(Arc<Guards>);

impl Count {
    pub(crate) fn enter(&self) -> Gauge {
        self.0.size.fetch_add(1, Ordering::Relaxed);
        Gauge(Arc::clone(&self.0))
    }

    pub(crate) fn now(&self) -> usize {
        self.0.size.load(Ordering::Relaxed)
    }

    /// Waits until the count is zero.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if self.now() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        if self.0.size.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}
