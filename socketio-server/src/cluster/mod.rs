//! Clusters: the namespaces of several servers act as one.
//!
//! An [`Adapter`] connects servers. It transports [`Message`]s and knows nothing of sockets; their meaning is
//! implemented here, for all adapters. Without an adapter nothing leaves the process, and a cluster costs
//! nothing.

mod inbox;
mod local_rooms;
mod node;
mod peers;
mod requests;
pub(crate) mod server_event;
mod server_side;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::inbox::ClusterInbox;
pub(crate) use self::local_rooms::Member;
pub(crate) use self::node::NamespaceNode;
pub(crate) use self::requests::{Answer, Gathered};
pub use crate::error::AdapterError;
use crate::rooms::RoomEvent;
pub use socketio_cluster::{Flags, HandshakeDetails, Message, NodeId, RequestId, SocketDetails};

/// A boxed future, as the return type of trait object methods.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Connection of this server to the others of a cluster. Passed to
/// [`ServerBuilder::adapter`](crate::ServerBuilder::adapter).
pub trait Adapter: Send + Sync + 'static {
    /// Opens the link to the other nodes for one namespace. The adapter passes their messages to `inbox`, in
    /// the order of arrival; the messages of this node go through the returned link.
    ///
    /// The call happens on first use of the namespace, without any lock, so it may use the server and create
    /// further namespaces. Messages from `inbox`, messages to other nodes and joining clients wait until
    /// `open` returns; `open` must not wait for them itself.
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink>;
}

/// Link from one namespace of this node to the same namespace on the other nodes.
pub trait ClusterLink: Send + Sync + 'static {
    /// Sends a message to all other nodes. Two messages of one task arrive in the order of publication.
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>>;

    /// Sends a reply to the requesting node. Default: publishes it to all nodes; the others ignore it.
    fn respond<'a>(
        &'a self,
        to: &'a NodeId,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        let _ = to;
        self.publish(message)
    }

    /// Presence detection of the other nodes.
    fn presence(&self) -> Presence {
        Presence::default()
    }

    /// Number of other nodes, for [`Presence::Counted`].
    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        Box::pin(async { Ok(0) })
    }

    /// A room of this node has changed. For adapters with one channel per room.
    fn on_room_event(&self, event: &RoomEvent) {
        let _ = event;
    }

    /// The namespace is closed: no further messages are sent, and the adapter must not pass any to the inbox.
    fn close(&self) {}
}

/// Presence detection of other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// Nodes send heartbeats. A node that was silent for `timeout` is not awaited.
    Heartbeats {
        /// Maximum silence of a node before it sends a heartbeat. Default 5 s.
        interval: Duration,
        /// Time after which a silent node counts as lost. Default 10 s.
        timeout: Duration,
    },
    /// The medium counts the nodes: see [`ClusterLink::count_others`].
    Counted,
}

impl Default for Presence {
    fn default() -> Self {
        Self::Heartbeats { interval: Duration::from_secs(5), timeout: Duration::from_secs(10) }
    }
}
