//! Clusters: the namespaces of several servers act as one.
//!
//! An [`Adapter`] connects servers. It transports [`Message`]s and knows nothing of sockets; their meaning is
//! implemented here, for all adapters. Without an adapter nothing leaves the process, and a cluster costs
//! nothing.

mod echoes;
mod gather;
mod inbox;
mod link;
mod local_rooms;
mod node;
mod order;
mod peers;
mod requests;
pub(crate) mod server_event;
mod server_side;

use std::sync::Arc;

pub use self::inbox::ClusterInbox;
pub use self::link::{ClusterLink, Presence};
pub(crate) use self::local_rooms::Member;
pub(crate) use self::node::NamespaceNode;
pub(crate) use self::requests::{Answer, Gathered};
pub use crate::cluster_health::{AdapterHealth, ClusterGap, ClusterStats};
pub use crate::recovery::{BoxFuture, EchoId, Lease, MissedEvent, Restored, SessionStore, StoredSession};
pub use socketio_cluster::{
    AdapterError, AdapterErrorKind, Flags, HandshakeDetails, HandshakeSource, HandshakeView, LazyHandshake,
    Message, NodeId, Offset, RequestId, SocketDetails,
};

/// Connection of this server to the others of a cluster. Passed to
/// [`ServerBuilder::adapter`](crate::ServerBuilder::adapter).
///
/// An adapter only transports messages. This one connects the servers of one process:
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use socketio_server::cluster::{
///     Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, Message, NodeId,
/// };
/// use tokio::sync::broadcast;
///
/// #[derive(Clone)]
/// struct Process(broadcast::Sender<(Arc<str>, NodeId, Message)>);
///
/// struct ProcessLink {
///     process: Process,
///     namespace: Arc<str>,
///     node: NodeId,
/// }
///
/// impl Adapter for Process {
///     fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
///         let (namespace, node) = (Arc::from(inbox.namespace()), inbox.node().clone());
///         let mut messages = self.0.subscribe();
///         tokio::spawn(async move {
///             while let Ok((namespace, from, message)) = messages.recv().await {
///                 if *namespace == *inbox.namespace() {
///                     inbox.receive(from, message, None).await;
///                 }
///             }
///         });
///         Arc::new(ProcessLink { process: self.clone(), namespace, node })
///     }
/// }
///
/// impl ClusterLink for ProcessLink {
///     fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
///         let message = (Arc::clone(&self.namespace), self.node.clone(), message.clone());
///         Box::pin(async move { self.process.0.send(message).map(drop).map_err(AdapterError::new) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let process = Process(broadcast::channel(1024).0);
/// let one = socketio_server::Server::builder().adapter(process.clone()).node_name("one").build()?;
/// let other = socketio_server::Server::builder().adapter(process).node_name("other").build()?;
/// one.emit("event", "for the clients of both").await?;
/// # Ok(())
/// # }
/// ```
pub trait Adapter: Send + Sync + 'static {
    /// Opens the link to the other nodes for one namespace. The adapter passes their messages to `inbox`, in
    /// the order of arrival; the messages of this node go through the returned link.
    ///
    /// The call happens on first use of the namespace, without any lock, so it may use the server and create
    /// further namespaces. Messages from `inbox`, messages to other nodes and joining clients wait until
    /// `open` returns; `open` must not wait for them itself.
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink>;
}
