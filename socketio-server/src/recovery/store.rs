//! Recovery across nodes: sessions and missed events in the medium of the cluster.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;
use socketio_cluster::{AdapterError, Offset, Room, Target};
use socketio_parser::Event;

use super::NotRecovered;

/// A boxed future, as the return type of trait object methods.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Store of the sessions of disconnected clients, and of the events that they miss. An adapter provides it if its medium
/// keeps both: see [`ClusterLink::sessions`](crate::cluster::ClusterLink::sessions).
pub trait SessionStore: Send + Sync + 'static {
    /// Keeps the session of a client that has disconnected for this time, which is
    /// [`max_disconnection_duration`](crate::Recovery::max_disconnection_duration). It settles within a bounded time. It
    /// has no effect if another lease has taken over the session.
    fn persist(
        &self,
        session: StoredSession,
        lease: Lease,
        keep_for: Duration,
    ) -> BoxFuture<'_, Result<(), AdapterError>>;

    /// Takes a session out of the store, so that it is recovered once, and reads the events after `offset`, which the
    /// client has sent. Volatile events and events with acknowledgement are left out.
    ///
    /// A session that was written ahead may still have a socket, whose node has not noticed that the client is gone, or
    /// has crashed. The new lease takes over the session, and the store has that socket disconnected on all nodes, this one
    /// included, at a position that is not behind `read_to`.
    ///
    /// The call is cancelled after [`ClusterLink::request_timeout`](crate::cluster::ClusterLink::request_timeout). The
    /// client then gets a new socket.
    fn restore<'a>(
        &'a self,
        pid: &'a str,
        offset: &'a str,
        lease: Lease,
    ) -> BoxFuture<'a, Result<Restored, NotRecovered>>;

    /// Whether the sessions of connected clients are written ahead, so that they survive the crash of their node. Default
    /// `false`: a session is kept when its client disconnects.
    fn writes_ahead(&self) -> bool {
        false
    }

    /// Keeps the session of a connected client for this time: when the client has connected, when its rooms or its data
    /// have changed, and every 30 s. It only queues the write, in the order of the calls. It has no effect if another lease
    /// has taken over the session.
    fn write_ahead(
        &self,
        session: StoredSession,
        lease: Lease,
        keep_for: Duration,
    ) -> Result<(), AdapterError> {
        let _ = (session, lease, keep_for);
        Ok(())
    }

    /// Removes a session that was written ahead: its client has left and will not be recovered. It has no effect if another
    /// lease has taken over the session.
    fn forget(&self, pid: &str, lease: Lease) {
        let _ = (pid, lease);
    }
}

/// Number of a socket that holds a session, unique in a namespace of a node. A client that returns gets the same session
/// with a new lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lease(u64);

impl Lease {
    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl From<u64> for Lease {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// The session of a disconnected client.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSession {
    /// The public id of the socket.
    pub sid: String,
    /// The secret by which the client proves that the session is its own.
    pub pid: String,
    /// The rooms of the socket, its own id among them.
    pub rooms: Vec<Room>,
    /// The application's data.
    pub data: Value,
}

/// A restored session with the events that the client has missed.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The session.
    pub session: StoredSession,
    /// The events after the offset of the client, in their order. Those to other rooms are ignored.
    pub missed: Vec<MissedEvent>,
    /// The position up to which the store has read. The client is admitted when the messages that this node has received
    /// include this position, and gets the later ones from there.
    pub read_to: Offset,
}

/// An event that a disconnected client has missed.
#[derive(Clone, Debug)]
pub struct MissedEvent {
    /// The position of the event.
    pub offset: Offset,
    /// The sockets that it was for.
    pub target: Target,
    /// The event.
    pub event: Event,
}
