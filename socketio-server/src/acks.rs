//! Answers that a socket owes us.
//!
//! An id is unique in its namespace, so that a broadcast with acknowledgements is encoded once. A waiting answer is
//! an entry in the socket's own table: no task and, unless somebody awaits it, no timer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use socketio_parser::RawArgs;
use tokio::sync::{mpsc, oneshot};

/// Room for more answers than this is given back when none is owed any more.
const KEPT: usize = 64;

/// The answers that one socket owes.
#[derive(Debug, Default)]
pub(crate) struct PendingAcks(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<u64, Waiting>,
    closed: bool,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// An emit to one socket.
    One(oneshot::Sender<RawArgs>),
    /// A broadcast that collects them.
    Many(mpsc::UnboundedSender<RawArgs>),
}

/// Why an answer cannot be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    TooMany,
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id);
        // A few places are kept for the next ones.
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT {
            self.waiting = HashMap::new();
        }
        waiting
    }
}

impl PendingAcks {
    pub(crate) fn expect(&self, id: u64, waiting: Waiting, max: usize) -> Result<(), Refused> {
        let mut table = self.lock();
        if table.closed {
            return Err(Refused::Closed);
        }
        if table.waiting.len() >= max {
            return Err(Refused::TooMany);
        }
        table.waiting.insert(id, waiting);
        Ok(())
    }

    /// An answer came. One that nobody waits for (any more) is dropped: it was late, or the peer made it up.
    pub(crate) fn resolve(&self, id: u64, args: RawArgs) {
        let waiting = self.lock().remove(id);
        match waiting {
            Some(Waiting::One(one)) => drop(one.send(args)),
            Some(Waiting::Many(many)) => drop(many.send(args)),
            None => {}
        }
    }

    /// Nobody waits for this one any more.
    pub(crate) fn forget(&self, id: u64) {
        self.lock().remove(id);
    }

    /// The socket left: whoever waits learns it by the dropped sender.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut table = self.lock();
            table.closed = true;
            std::mem::take(&mut table.waiting)
        };
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_answers_that_came_takes_no_memory() {
        let acks = PendingAcks::default();
        for id in 0..10_000 {
            acks.expect(id, Waiting::One(oneshot::channel().0), 10_000).unwrap();
        }
        assert_eq!(acks.expect(10_000, Waiting::One(oneshot::channel().0), 10_000), Err(Refused::TooMany));
        for id in 0..5_000 {
            acks.resolve(id, RawArgs::empty());
            acks.forget(5_000 + id);
        }
        assert!(acks.lock().waiting.capacity() <= KEPT);
    }
}
