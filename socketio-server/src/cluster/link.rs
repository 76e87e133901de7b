//! The link of a namespace to the other nodes, which an adapter implements.

use std::sync::Arc;
use std::time::Duration;

use socketio_cluster::{AdapterError, Message, NodeId};
use tokio::sync::watch;

use super::{AdapterHealth, BoxFuture, EchoId, SessionStore};
use crate::rooms::RoomEvent;

/// Link from one namespace of this node to the same namespace on the other nodes.
///
/// # Contract
///
/// - **Order.** Messages of this node reach each other node in the order in which the futures of
///   [`publish`](Self::publish) are first polled. A link that cannot keep it between two kinds of messages,
///   for example between a room's channel and the main one, says so in its documentation.
/// - **Bounded time.** `publish` and [`respond`](Self::respond) settle within a bound of about a second,
///   whatever the state of the medium. Handlers of events await emits, and a connection with many pending
///   handlers is not read any more, so a link that waits for a reconnect would stop all clients that emit.
/// - **Bounded memory.** A message that can be neither sent nor queued within a limit fails with an
///   [`AdapterError`] of the kind [`Down`](socketio_cluster::AdapterErrorKind::Down) or
///   [`Full`](socketio_cluster::AdapterErrorKind::Full). No queue is unbounded.
/// - **No silent loss.** A link that receives nothing any more changes its [`health`](Self::health), and
///   reports the lost time with [`ClusterInbox::gap`](super::ClusterInbox::gap).
/// - **Free reader.** [`ClusterInbox::receive`](super::ClusterInbox::receive) awaits `respond`, so `respond`
///   must not need the task that calls `receive`.
pub trait ClusterLink: Send + Sync + 'static {
    /// Sends a message to all other nodes. It settles when the message is written or queued, within a bounded
    /// time.
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>>;

    /// Whether this message comes back to this node through the medium, which orders the messages of all nodes. Default
    /// `false`.
    ///
    /// This node then applies the operation to its own sockets when it comes back, so that the sockets of all nodes get
    /// all events in one order and with growing offsets. The call that caused the message waits for that. If publishing
    /// fails, if the message does not come back within [`echo_timeout`](Self::echo_timeout), or while the link is not
    /// connected, the operation is applied at once, without an offset.
    ///
    /// Asked for broadcasts without acknowledgements, and for sockets that join, leave and are disconnected.
    fn echoes(&self, message: &Message) -> bool {
        let _ = message;
        false
    }

    /// Sends a message for which [`echoes`](Self::echoes) is true. When it comes back, the adapter passes `echo` to
    /// [`ClusterInbox::receive_echo`](super::ClusterInbox::receive_echo), so it has to be sent along.
    ///
    /// The call is cancelled after [`echo_timeout`](Self::echo_timeout). An error means that the message does not come
    /// back, or may not.
    fn publish_echoed<'a>(
        &'a self,
        message: &'a Message,
        echo: EchoId,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        let _ = echo;
        self.publish(message)
    }

    /// Maximum wait for the echo of a published message. Default 1 s. A message costs its size and a caller that waits
    /// until then; at most 10,000 wait, and further ones are applied at once.
    fn echo_timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// The store of sessions, if the medium keeps them and the events, and every broadcast has an offset. Asked once,
    /// when the link is opened, and used if
    /// [`connection_state_recovery`](crate::ServerBuilder::connection_state_recovery) is enabled. Default `None`: each
    /// node keeps the sessions of its clients itself.
    fn sessions(&self) -> Option<Arc<dyn SessionStore>> {
        None
    }

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

    /// Maximum wait for the replies of other nodes (`requestsTimeout`), where the caller sets no timeout.
    /// Default 5 s. A request costs an entry in a table, and the replies that have arrived, until then.
    fn request_timeout(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// State of the link. Called once, when the link is opened. Default: always connected.
    ///
    /// While the link is not connected, the results of requests to other nodes are
    /// [partial](crate::GatherError::Partial), even if no reply is missing: this node may not know of all
    /// nodes.
    fn health(&self) -> watch::Receiver<AdapterHealth> {
        watch::channel(AdapterHealth::Connected).1
    }

    /// A room of this node has changed, a room under a socket's own id included. For adapters with one
    /// channel per room.
    ///
    /// This is a hint: the events of two threads may arrive in another order than they happened. The adapter
    /// should compare its subscription with [`ClusterInbox::has_room`](super::ClusterInbox::has_room), which
    /// is the current state.
    fn on_room_event(&self, event: &RoomEvent) {
        let _ = event;
    }

    /// A socket has joined the namespace on this node, or has left it. A hint too: see
    /// [`on_room_event`](Self::on_room_event) and
    /// [`ClusterInbox::has_socket`](super::ClusterInbox::has_socket).
    fn on_socket_event(&self, id: &str, is_here: bool) {
        let _ = (id, is_here);
    }

    /// The namespace is closed: no further messages are sent, and the adapter must not pass any to the inbox.
    /// The future is complete when the earlier messages, which may still be queued, are sent;
    /// [`Server::drain`](crate::Server::drain) waits for it.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
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
