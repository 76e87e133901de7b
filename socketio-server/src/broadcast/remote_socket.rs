//! Sockets that may be on another server.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use socketio_parser::ToArgs;

use crate::cluster::{AdapterError, Flags, HandshakeDetails, NamespaceNode, SocketDetails};
use crate::encode::{self, Marks};
use crate::error::{AckError, EmitError};
use crate::rooms::IntoRooms;
use crate::rooms::{Room, Target};

/// A socket that [`fetch_sockets`](crate::Namespace::fetch_sockets) found, on this server or on another one.
/// Its details are a snapshot; operations reach the socket on any server.
#[derive(Clone, Debug)]
pub struct RemoteSocket {
    node: Arc<NamespaceNode>,
    details: SocketDetails,
    timeout: Duration,
}

impl RemoteSocket {
    pub(crate) fn new(node: &Arc<NamespaceNode>, details: SocketDetails, timeout: Duration) -> Self {
        Self { node: Arc::clone(node), details, timeout }
    }

    /// The socket's public id.
    pub fn id(&self) -> &str {
        self.details.id()
    }

    /// Handshake of the socket.
    pub fn handshake(&self) -> &HandshakeDetails {
        self.details.handshake()
    }

    /// The rooms at the time of the snapshot, its own id among them.
    pub fn rooms(&self) -> &[Room] {
        self.details.rooms()
    }

    /// The application's data: an object, unless the application of a Node.js server has replaced it.
    pub fn data(&self) -> &Value {
        self.details.data()
    }

    /// Maximum wait for an acknowledgement.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends an event to the socket.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let event = encode::to_event(self.node.parser(), event, args)?;
        self.node.broadcast(&self.target(), Flags::default(), event, &Marks::NONE, self.is_local()).await
    }

    /// Sends an event and waits for the acknowledgement, whose first argument is deserialized as `T`.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        let decoded = encode::to_event(self.node.parser(), event, args)?;
        let remote = Some(decoded.clone()).filter(|_| !self.is_local() && self.node.is_clustered());
        let (node, target) = (&self.node, self.target());
        if node.has_outgoing() {
            node.notify_outgoing(&target, &decoded);
        }
        // The first acknowledgement is the one of the socket; nodes without it are not awaited.
        let (flags, one) = (Flags::default(), 1);
        let gathering = node.broadcast_with_ack(&target, flags, self.timeout, one, remote, |id| {
            Ok(encode::event(node.parser(), node.name(), Some(id), event, decoded.args(), None)?)
        });
        let gathered = gathering.await?;
        match gathered.answers.first() {
            Some(answer) => Ok(super::read(answer)?),
            None if gathered.missing > 0 => Err(AckError::Timeout),
            None => Err(AckError::Disconnected),
        }
    }

    /// Adds the socket to rooms.
    pub async fn join(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.node.join(&self.target(), &rooms.into_rooms(), self.is_local()).await
    }

    /// Removes the socket from rooms.
    pub async fn leave(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.node.leave(&self.target(), &rooms.into_rooms(), self.is_local()).await
    }

    /// Disconnects the socket from the namespace; with `close`, closes its connection.
    pub async fn disconnect(&self, close: bool) -> Result<(), AdapterError> {
        self.node.disconnect(&self.target(), close, self.is_local()).await
    }

    fn target(&self) -> Target {
        Target { rooms: vec![self.id().into()], except: Vec::new() }
    }

    /// Whether the socket is on this server, so that other servers are not involved.
    fn is_local(&self) -> bool {
        self.node.rooms.read().find(self.id()).is_some()
    }
}
