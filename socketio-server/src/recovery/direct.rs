//! Emits to one socket while earlier ones are on their way through the medium of the cluster.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use engineio::sync::{Mutex, hold_wakeups};
use engineio::{Prepared, SendError, Session};

/// Maximum number of messages that wait for the echoes of earlier emits to the same socket.
const MAX_WAITING: usize = 1000;

/// Number of a message that is applied on its own node when the medium returns it: see
/// [`ClusterLink::publish_echoed`](crate::cluster::ClusterLink::publish_echoed). It has a meaning only for the node
/// that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EchoId(u64);

impl EchoId {
    /// The number, which the adapter sends along with the message.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl From<u64> for EchoId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for EchoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The order of emits to one socket: those that the medium returns, and those that are sent at once, such as events with
/// acknowledgement, which must not overtake the former.
pub(crate) struct DirectQueue {
    session: Session,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// The emits on their way, by their order.
    on_their_way: BTreeMap<u64, EchoId>,
    /// Messages that wait until all emits before this number have arrived.
    waiting: VecDeque<(u64, Prepared, bool)>,
}

/// An emit on its way. The later messages are sent when it is dropped.
pub(crate) struct DirectTicket {
    queue: Arc<DirectQueue>,
    number: u64,
}

impl DirectQueue {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, state: Mutex::default() }
    }

    /// Adds an emit that the medium will return.
    pub(crate) fn expect(self: &Arc<Self>, echo: EchoId) -> DirectTicket {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.on_their_way.insert(number, echo);
        DirectTicket { queue: Arc::clone(self), number }
    }

    /// Sends a message after the emits that are on their way.
    pub(crate) fn send(&self, message: Prepared, volatile: bool) -> Result<(), SendError> {
        let _held = hold_wakeups();
        let mut state = self.state.lock();
        if state.on_their_way.is_empty() {
            // The last handle is dropped after the lock is released: its bytes may belong to the application.
            return self.send_now(message.clone(), volatile);
        }
        if state.waiting.len() >= MAX_WAITING {
            return Err(SendError::Full);
        }
        let after = state.next;
        state.waiting.push_back((after, message, volatile));
        Ok(())
    }

    /// The emits that are on their way, in their order.
    pub(crate) fn on_their_way(&self) -> Vec<EchoId> {
        self.state.lock().on_their_way.values().copied().collect()
    }

    fn send_now(&self, message: Prepared, volatile: bool) -> Result<(), SendError> {
        if volatile { self.session.send_volatile(message).map(drop) } else { self.session.send(message) }
    }
}

impl Drop for DirectTicket {
    fn drop(&mut self) {
        let _held = hold_wakeups();
        // Dropped after the lock is released.
        let mut sent = Vec::new();
        let mut state = self.queue.state.lock();
        state.on_their_way.remove(&self.number);
        let first = state.on_their_way.keys().next().copied().unwrap_or(u64::MAX);
        while state.waiting.front().is_some_and(|(after, ..)| *after <= first) {
            if let Some((_, message, volatile)) = state.waiting.pop_front() {
                // The client may have disconnected meanwhile.
                let _ = self.queue.send_now(message.clone(), volatile);
                sent.push(message);
            }
        }
    }
}
