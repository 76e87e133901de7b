//! One client, from the view of the server.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use engineio::sync::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::endpoint::{Endpoint, SendError};
use crate::message::Message;
use crate::state::{CloseReason, ConnectionState};

/// Metadata of a connection: names and values chosen by the application.
pub type Metadata = Map<String, Value>;

/// A client's connection. Clones share the same connection.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    id: Arc<str>,
    user: Option<Arc<str>>,
    connected_at: SystemTime,
    peer: Option<SocketAddr>,
    metadata: Mutex<Metadata>,
    rooms: Mutex<BTreeSet<Arc<str>>>,
    endpoint: Endpoint,
}

impl Connection {
    pub(crate) fn new(
        id: Arc<str>,
        user: Option<Arc<str>>,
        metadata: Metadata,
        peer: Option<SocketAddr>,
        endpoint: Endpoint,
    ) -> Self {
        Self(Arc::new(Shared {
            id,
            user,
            connected_at: SystemTime::now(),
            peer,
            metadata: Mutex::new(metadata),
            rooms: Mutex::default(),
            endpoint,
        }))
    }

    /// The id: unique and unguessable.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The user of the connection, if it was authenticated. A user may have several connections.
    pub fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    /// The rooms of the connection.
    pub fn rooms(&self) -> BTreeSet<Arc<str>> {
        self.joined().clone()
    }

    /// Time at which the connection was accepted.
    pub fn connected_at(&self) -> SystemTime {
        self.0.connected_at
    }

    /// The address of the peer, if known.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// A copy of its metadata.
    pub fn metadata(&self) -> Metadata {
        self.0.metadata.lock().clone()
    }

    /// Sets a value of its metadata and returns the previous one.
    pub fn set_metadata(&self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.metadata.lock().insert(name.into(), value.into())
    }

    /// The current state.
    pub fn state(&self) -> ConnectionState {
        self.0.endpoint.state()
    }

    /// Round-trip time of the last ping. `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        self.0.endpoint.pulse().latency
    }

    /// Number of bytes in its outbox.
    pub fn queued_bytes(&self) -> usize {
        self.0.endpoint.queued_bytes()
    }

    /// Queues a message without waiting. Messages that cannot be written at once wait within the limits of
    /// [`ConnectionOptions`](crate::ConnectionOptions).
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.0.endpoint.send(message.into())
    }

    /// Sends a value as JSON.
    pub fn send_json(&self, value: &impl Serialize) -> Result<(), SendError> {
        self.send(Message::json(value).map_err(|_| SendError::Json)?)
    }

    /// Closes the connection: the queued messages are sent, then a close frame with the code and the reason.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.endpoint.close_with(code, reason);
    }

    /// Waits for the end of the connection, and returns its reason.
    pub async fn closed(&self) -> CloseReason {
        self.0.endpoint.ended().await
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(crate) fn id_shared(&self) -> Arc<str> {
        Arc::clone(&self.0.id)
    }

    pub(crate) fn user_shared(&self) -> Option<Arc<str>> {
        self.0.user.clone()
    }

    pub(crate) fn joined(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.0.rooms.lock()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Connection");
        shown.field("id", &self.0.id).field("user", &self.0.user).field("state", &self.state());
        shown.finish_non_exhaustive()
    }
}
