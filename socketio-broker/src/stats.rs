//! Counters of a medium.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start, and the current load. All counts are of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that the broker has taken.
    pub published: u64,
    /// Messages that were not sent: the queue was full, or the broker has refused them.
    pub lost: u64,
    /// Messages whose connection ended before the broker had answered. They are not sent again, since the broker may
    /// have taken them.
    pub unconfirmed: u64,
    /// Messages that have arrived, those of this node and those without effect here among them.
    pub received: u64,
    /// Messages that have arrived and were dropped, because more of them waited than `max_received_bytes` allows.
    pub dropped: u64,
    /// Messages that have arrived and could not be read. They are skipped.
    pub bad_messages: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Connections that could not be opened, those to sentinels of Redis and to single servers of a Redis Cluster among
    /// them. Each attempt counts.
    pub failed_connections: u64,
    /// Changes of the server that receives commands, which a directory of servers has named: the master of Redis Sentinel.
    pub failovers: u64,
    /// Commands that a server of a broker with several has sent to another one: in a Redis Cluster, since a slot has moved.
    pub redirections: u64,
    /// Times in which this node may have missed messages.
    pub gaps: u64,
    /// Bytes of messages that wait for the broker.
    pub queued_bytes: u64,
    /// Bytes of received messages that wait for their namespace.
    pub received_bytes: u64,
}

/// The counters of [`Stats`], as they are counted.
#[derive(Debug, Default)]
pub struct Counters {
    /// See [`Stats::published`].
    pub published: AtomicU64,
    /// See [`Stats::lost`].
    pub lost: AtomicU64,
    /// See [`Stats::unconfirmed`].
    pub unconfirmed: AtomicU64,
    /// See [`Stats::received`].
    pub received: AtomicU64,
    /// See [`Stats::dropped`].
    pub dropped: AtomicU64,
    /// See [`Stats::bad_messages`].
    pub bad_messages: AtomicU64,
    /// See [`Stats::connections`].
    pub connections: AtomicU64,
    /// See [`Stats::failed_connections`].
    pub failed_connections: AtomicU64,
    /// See [`Stats::failovers`].
    pub failovers: AtomicU64,
    /// See [`Stats::redirections`].
    pub redirections: AtomicU64,
    /// See [`Stats::gaps`].
    pub gaps: AtomicU64,
}

impl Counters {
    /// The current values, with the bytes that wait to be sent and to be handled.
    pub fn stats(&self, queued_bytes: usize, received_bytes: usize) -> Stats {
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
pub fn count(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}
