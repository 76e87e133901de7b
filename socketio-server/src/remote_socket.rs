//! A socket that may be on another server.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use socketio_parser::ToArgs;

use crate::adapter::{AdapterError, Answer, Flags, HandshakeDetails, Hub, SocketDetails};
use crate::emit;
use crate::error::{AckError, EmitError};
use crate::into_rooms::IntoRooms;
use crate::room::{Room, Target};

/// A socket as [`fetch_sockets`](crate::Namespace::fetch_sockets) found it, on this server or another one. What it
/// says of itself is as it was then; what is done to it reaches it wherever it is.
#[derive(Clone, Debug)]
pub struct RemoteSocket {
    hub: Arc<Hub>,
    details: SocketDetails,
    timeout: Duration,
}

impl RemoteSocket {
    pub(crate) fn new(hub: &Arc<Hub>, details: SocketDetails, timeout: Duration) -> Self {
        Self { hub: Arc::clone(hub), details, timeout }
    }

    /// The socket's public id.
    pub fn id(&self) -> &str {
        &self.details.id
    }

    /// How its client came.
    pub fn handshake(&self) -> &HandshakeDetails {
        &self.details.handshake
    }

    /// The rooms that it was in, its own id among them.
    pub fn rooms(&self) -> &[Room] {
        &self.details.rooms
    }

    /// The application's data.
    pub fn data(&self) -> &Map<String, Value> {
        &self.details.data
    }

    /// How long to wait for an answer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it an event.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let event = emit::to_event(self.hub.parser(), event, args)?;
        self.hub.broadcast(&self.target(), Flags::default(), event, None, self.is_here()).await
    }

    /// Sends it an event and waits for the answer, of which the first argument is read as `T`.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        let unread = emit::to_event(self.hub.parser(), event, args)?;
        let elsewhere = Some(unread.clone()).filter(|_| !self.is_here() && self.hub.is_clustered());
        let (hub, target) = (&self.hub, self.target());
        if hub.has_outgoing() {
            hub.tell_outgoing(&target, &unread);
        }
        let asked = hub.broadcast_with_ack(&target, Flags::default(), self.timeout, elsewhere, |id| {
            Ok(emit::event(hub.parser(), hub.name(), Some(id), event, unread.args(), None)?)
        });
        let gathered = asked.await?;
        match gathered.answers.first() {
            Some(answer) => Ok(Answer::parse(answer)?),
            None if gathered.missing > 0 => Err(AckError::Timeout),
            None => Err(AckError::Disconnected),
        }
    }

    /// Puts it into rooms.
    pub async fn join(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.hub.join(&self.target(), &rooms.into_rooms(), self.is_here()).await
    }

    /// Takes it out of rooms.
    pub async fn leave(&self, rooms: impl IntoRooms) -> Result<(), AdapterError> {
        self.hub.leave(&self.target(), &rooms.into_rooms(), self.is_here()).await
    }

    /// Puts it out of the namespace, and with `close` off its server.
    pub async fn disconnect(&self, close: bool) -> Result<(), AdapterError> {
        self.hub.disconnect(&self.target(), close, self.is_here()).await
    }

    fn target(&self) -> Target {
        Target { rooms: vec![self.id().into()], except: Vec::new() }
    }

    /// A socket of this server needs no other.
    fn is_here(&self) -> bool {
        self.hub.local.read().find(self.id()).is_some()
    }
}
