//! Counters of a medium.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start, and the current load. All counts are of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that Redis has taken.
    pub published: u64,
    /// Messages that were not sent: the queue was full, or Redis has refused them.
    pub lost: u64,
    /// Messages whose connection ended before Redis had answered. They are not sent again, since Redis may
    /// have taken them.
    pub unconfirmed: u64,
    /// Messages that have arrived, those of this node and those without effect here among them.
    pub received: u64,
    /// Messages that have arrived and were dropped, because more of them waited than
    /// [`Redis::max_received_bytes`](crate::Redis::max_received_bytes) allows.
    pub dropped: u64,
    /// Messages that have arrived and could not be read. They are skipped.
    pub bad_messages: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Connections that could not be opened, those to sentinels and to single servers of a cluster among them. Each attempt
    /// counts.
    pub failed_connections: u64,
    /// Changes of the master that Sentinel has named.
    pub failovers: u64,
    /// Commands that a server of a Redis Cluster has sent to another one, since a slot has moved.
    pub redirections: u64,
    /// Times in which this node may have missed messages.
    pub gaps: u64,
    /// Bytes of messages that wait for Redis.
    pub queued_bytes: u64,
    /// Bytes of received messages that wait for their namespace.
    pub received_bytes: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) published: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) unconfirmed: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) bad_messages: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) failed_connections: AtomicU64,
    pub(crate) failovers: AtomicU64,
    pub(crate) redirections: AtomicU64,
    pub(crate) gaps: AtomicU64,
}

impl Counters {
    pub(crate) fn stats(&self, queued_bytes: usize, received_bytes: usize) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            published: load(&self.published),
            lost: load(&self.lost),
            unconfirmed: load(&self.unconfirmed),
            received: load(&self.received),
            dropped: load(&self.dropped),
            bad_messages: load(&self.bad_messages),
            connections: load(&self.connections),
            failed_connections: load(&self.failed_connections),
            failovers: load(&self.failovers),
            redirections: load(&self.redirections),
            gaps: load(&self.gaps),
            queued_bytes: queued_bytes as u64,
            received_bytes: received_bytes as u64,
        }
    }
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}
