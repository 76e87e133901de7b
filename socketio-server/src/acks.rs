//! Acknowledgements that a socket has not yet sent.
//!
//! An id is unique in its namespace, so that a broadcast with acknowledgements is encoded once. A pending
//! acknowledgement is an entry in the socket's table. It needs no task, and a timer only while a caller
//! awaits it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use engineio::sync::Mutex;
use socketio_parser::RawArgs;
use tokio::sync::{mpsc, oneshot};

/// Capacity in entries that an empty table keeps. Larger tables are freed when the last acknowledgement
/// arrives.
const IDLE_CAPACITY: usize = 64;
/// Size in bytes that a collected acknowledgement, or an attachment of one, counts beside its data.
const PER_ACK: usize = 128;

/// The pending acknowledgements of one socket.
#[derive(Debug, Default)]
pub(crate) struct PendingAcks(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<u64, AckWaiter>,
    closed: bool,
}

/// Receiver of an acknowledgement.
#[derive(Debug)]
pub(crate) enum AckWaiter {
    /// An emit to one socket.
    One(oneshot::Sender<RawArgs>),
    /// A broadcast that collects the acknowledgements of many sockets.
    Many(AckCollector),
}

/// Destination of the acknowledgements of a broadcast.
#[derive(Clone, Debug)]
pub(crate) struct AckCollector {
    acks: mpsc::UnboundedSender<RawArgs>,
    budget: AckBudget,
}

/// Number of bytes that the acknowledgements of one broadcast may still take. Clones share the budget.
#[derive(Clone, Debug)]
pub(crate) struct AckBudget(Arc<AtomicUsize>);

impl AckCollector {
    pub(crate) fn new(budget: AckBudget) -> (Self, mpsc::UnboundedReceiver<RawArgs>) {
        let (acks, collected) = mpsc::unbounded_channel();
        (Self { acks, budget }, collected)
    }

    /// Collects an acknowledgement, or drops it if the budget is used up.
    fn collect(&self, args: RawArgs) {
        // The bounds of each argument take 8 bytes.
        if self.budget.take(args.as_bytes().len() + 8 * args.len(), args.attachments()) {
            let _ = self.acks.send(args);
        }
    }
}

impl AckBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Takes the size of an acknowledgement from the budget. `false` if the rest is too small.
    pub(crate) fn take(&self, bytes: usize, attachments: &[Bytes]) -> bool {
        let attached: usize = attachments.iter().map(|attachment| attachment.len() + PER_ACK).sum();
        let bytes = bytes.saturating_add(attached).saturating_add(PER_ACK);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// Reason why an acknowledgement cannot be awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckRefused {
    Closed,
    TooMany,
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<AckWaiter> {
        let waiting = self.waiting.remove(&id);
        // A small capacity is kept for the next entries.
        if self.waiting.is_empty() && self.waiting.capacity() > IDLE_CAPACITY {
            self.waiting = HashMap::new();
        }
        waiting
    }
}

impl PendingAcks {
    pub(crate) fn expect(&self, id: u64, waiting: AckWaiter, max: usize) -> Result<(), AckRefused> {
        let mut table = self.0.lock();
        if table.closed {
            return Err(AckRefused::Closed);
        }
        if table.waiting.len() >= max {
            return Err(AckRefused::TooMany);
        }
        table.waiting.insert(id, waiting);
        Ok(())
    }

    /// Completes an acknowledgement. An unknown id is ignored: the answer was late, or the peer invented it.
    pub(crate) fn resolve(&self, id: u64, args: RawArgs) {
        let waiting = self.0.lock().remove(id);
        match waiting {
            Some(AckWaiter::One(one)) => drop(one.send(args)),
            Some(AckWaiter::Many(many)) => many.collect(args),
            None => {}
        }
    }

    /// Removes an acknowledgement that no caller awaits any more.
    pub(crate) fn forget(&self, id: u64) {
        // Dropped after the table is unlocked, because a dropped sender wakes the waiting task.
        let waiting = self.0.lock().remove(id);
        drop(waiting);
    }

    /// Fails all acknowledgements of a socket that has left: their waiters see a dropped sender.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut table = self.0.lock();
            table.closed = true;
            std::mem::take(&mut table.waiting)
        };
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_acknowledgements_take_no_memory() {
        let acks = PendingAcks::default();
        for id in 0..10_000 {
            acks.expect(id, AckWaiter::One(oneshot::channel().0), 10_000).unwrap();
        }
        assert_eq!(
            acks.expect(10_000, AckWaiter::One(oneshot::channel().0), 10_000),
            Err(AckRefused::TooMany)
        );
        for id in 0..5_000 {
            acks.resolve(id, RawArgs::empty());
            acks.forget(5_000 + id);
        }
        assert!(acks.0.lock().waiting.capacity() <= IDLE_CAPACITY);
    }
}
