//! Answers that a socket owes us.
//!
//! An id is unique in its namespace, so that a broadcast with acknowledgements is encoded once. A waiting answer is
//! an entry in the socket's own table: no task and, unless somebody awaits it, no timer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use socketio_parser::RawArgs;
use tokio::sync::{mpsc, oneshot};

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
        let waiting = self.lock().waiting.remove(&id);
        match waiting {
            Some(Waiting::One(one)) => drop(one.send(args)),
            Some(Waiting::Many(many)) => drop(many.send(args)),
            None => {}
        }
    }

    /// Nobody waits for this one any more.
    pub(crate) fn forget(&self, id: u64) {
        self.lock().waiting.remove(&id);
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
