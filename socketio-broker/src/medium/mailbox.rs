//! Received messages that wait for the task of their namespace, within one bound for all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::driver::TopicKind;
use engineio::sync::Mutex;

/// Memory of a waiting message beside its bytes.
pub(super) const OVERHEAD: usize = 96;

/// A received message.
#[derive(Debug)]
pub struct Arrival {
    /// The kind of the subscription; `None` for an entry of a stream.
    pub kind: Option<TopicKind>,
    /// The channel on which the message was published, or the id of the entry.
    pub channel: Bytes,
    /// The message; empty for an entry.
    pub payload: Bytes,
    /// The fields of an entry.
    pub fields: Vec<(Bytes, Bytes)>,
}

/// Received messages that wait for their namespace.
#[derive(Debug)]
pub struct Mailbox {
    arrivals: Mutex<VecDeque<Arrival>>,
    changed: Notify,
    load: Arc<Load>,
    closed: AtomicBool,
    ended: Notify,
    /// Whether messages are taken although too many bytes wait: those of the node to itself.
    always: bool,
}

/// Bytes that count as received ones that wait: see [`Mailbox::hold`].
#[derive(Debug)]
#[must_use = "the bytes count until it is dropped"]
pub struct Held {
    load: Arc<Load>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The bytes in all mailboxes.
#[derive(Debug)]
pub(super) struct Load {
    bytes: AtomicUsize,
    max_bytes: usize,
}

impl Load {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), max_bytes }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether less than half of the bound is taken.
    pub(super) fn has_space(&self) -> bool {
        self.bytes() < self.max_bytes / 2
    }
}

impl Mailbox {
    /// A mailbox; with `always`, one that takes messages although too many bytes wait.
    pub(super) fn new(load: &Arc<Load>, always: bool) -> Self {
        Self {
            arrivals: Mutex::default(),
            changed: Notify::new(),
            load: Arc::clone(load),
            closed: AtomicBool::new(false),
            ended: Notify::new(),
            always,
        }
    }

    /// The next message; `None` when the mailbox is closed.
    pub async fn next(&self) -> Option<Arrival> {
        loop {
            if let Some(arrival) = self.arrivals.lock().pop_front() {
                self.load.bytes.fetch_sub(arrival.bytes(), Ordering::Relaxed);
                return Some(arrival);
            }
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            self.changed.notified().await;
        }
    }

    /// Counts bytes that a message has brought beside its own, as a row to which it refers, until the value is dropped. They
    /// were taken already, so that they are counted although they are too many: then messages that arrive are dropped.
    pub fn hold(&self, bytes: usize) -> Held {
        self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        Held { load: Arc::clone(&self.load), bytes }
    }

    /// Drops what waits, and ends [`next`](Self::next).
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let arrivals = std::mem::take(&mut *self.arrivals.lock());
        let bytes = arrivals.iter().map(Arrival::bytes).sum();
        self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.changed.notify_one();
        self.ended.notify_waiters();
    }

    /// Returns when the mailbox is closed.
    pub async fn closed(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            ended.await;
        }
    }

    /// Adds a message, or returns `false` if too many bytes wait.
    pub(super) fn push(&self, arrival: Arrival) -> bool {
        let bytes = arrival.bytes();
        let waiting = self.load.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if waiting > self.load.max_bytes && !self.always {
            self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        {
            let mut arrivals = self.arrivals.lock();
            if self.closed.load(Ordering::Acquire) {
                self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
                return true;
            }
            arrivals.push_back(arrival);
        }
        self.changed.notify_one();
        true
    }
}

impl Arrival {
    fn bytes(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| OVERHEAD + name.len() + value.len());
        OVERHEAD + self.channel.len() + self.payload.len() + fields.sum::<usize>()
    }
}
