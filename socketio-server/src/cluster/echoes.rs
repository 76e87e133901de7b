//! Operations of this node that are applied when the medium returns them: the table of those that are on their way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engineio::sync::Mutex;
use socketio_cluster::Message;
use tokio::sync::oneshot;

use crate::encode::Marks;
use crate::error::EmitError;
use crate::recovery::{DirectQueue, DirectTicket, EchoId};

/// Maximum number of operations of one namespace that wait for their echoes. Further ones are applied at once.
const MAX_PENDING: usize = 10_000;

/// An operation on its way through the medium.
pub(super) struct Operation {
    pub(super) message: Message,
    pub(super) marks: Marks,
}

/// An operation that was taken out of the table, so that it is applied once.
pub(super) struct TakenOperation {
    pub(super) operation: Arc<Operation>,
    /// The place of an emit to one socket, which later emits must not overtake.
    ticket: Option<DirectTicket>,
    done: oneshot::Sender<Result<(), EmitError>>,
}

impl TakenOperation {
    /// Passes the result to the caller of the operation, who may have gone.
    pub(super) fn finish(self, result: Result<(), EmitError>) {
        let Self { ticket, done, .. } = self;
        drop(ticket);
        let _ = done.send(result);
    }
}

/// The operations that wait for their echoes.
#[derive(Default)]
pub(super) struct Echoes {
    next: AtomicU64,
    pending: Mutex<HashMap<EchoId, TakenOperation>>,
    /// Number of operations that were applied without their echo.
    missed: AtomicU64,
}

/// Result of an operation whose echo has arrived.
pub(super) type Applied = oneshot::Receiver<Result<(), EmitError>>;

impl Echoes {
    /// Adds an operation before it is published, an emit to one socket with the queue of that socket. `None` if too
    /// many are pending.
    pub(super) fn expect(
        &self,
        operation: &Arc<Operation>,
        queue: Option<&Arc<DirectQueue>>,
    ) -> Option<(EchoId, Applied)> {
        let (done, applied) = oneshot::channel();
        let id = EchoId::from(self.next.fetch_add(1, Ordering::Relaxed));
        let mut pending = self.pending.lock();
        if pending.len() >= MAX_PENDING {
            return None;
        }
        let ticket = queue.map(|queue| queue.expect(id));
        pending.insert(id, TakenOperation { operation: Arc::clone(operation), ticket, done });
        Some((id, applied))
    }

    /// Takes an operation out of the table. `None` if it was applied before.
    pub(super) fn take(&self, id: EchoId) -> Option<TakenOperation> {
        self.pending.lock().remove(&id)
    }

    /// The pending operations, in their order.
    pub(super) fn all(&self) -> Vec<EchoId> {
        let mut all: Vec<EchoId> = self.pending.lock().keys().copied().collect();
        all.sort_unstable_by_key(|echo| echo.number());
        all
    }

    pub(super) fn len(&self) -> usize {
        self.pending.lock().len()
    }

    pub(super) fn count_missed(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_pending_operations_is_limited() {
        let echoes = Echoes::default();
        let operation = Arc::new(Operation { message: Message::Heartbeat, marks: Marks::NONE });
        let expected: Vec<_> = (0..MAX_PENDING).map(|_| echoes.expect(&operation, None).unwrap()).collect();
        assert!(echoes.expect(&operation, None).is_none());
        assert_eq!(echoes.len(), MAX_PENDING);
        assert!(echoes.take(expected[0].0).is_some() && echoes.take(expected[0].0).is_none());
        assert!(echoes.expect(&operation, None).is_some());
    }
}
