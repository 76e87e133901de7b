//! One client, as the server sees it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::line::{Line, SendError};
use crate::message::Message;
use crate::state::{CloseReason, ConnectionState};

/// What is known of a connection besides its bytes: names and values of the application's choice.
pub type Metadata = Map<String, Value>;

/// A client's connection. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    id: Arc<str>,
    user: Option<Arc<str>>,
    connected_at: SystemTime,
    peer: Option<SocketAddr>,
    metadata: Mutex<Metadata>,
    rooms: Mutex<BTreeSet<Arc<str>>>,
    line: Line,
}

impl Connection {
    pub(crate) fn new(
        id: Arc<str>,
        user: Option<Arc<str>>,
        metadata: Metadata,
        peer: Option<SocketAddr>,
        line: Line,
    ) -> Self {
        Self(Arc::new(Shared {
            id,
            user,
            connected_at: SystemTime::now(),
            peer,
            metadata: Mutex::new(metadata),
            rooms: Mutex::default(),
            line,
        }))
    }

    /// Its id: unique, and not to be guessed.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Whose connection it is, if it was said when it was made. A user may have several.
    pub fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    /// The rooms that it is in.
    pub fn rooms(&self) -> BTreeSet<Arc<str>> {
        self.joined().clone()
    }

    /// Since when it is there.
    pub fn connected_at(&self) -> SystemTime {
        self.0.connected_at
    }

    /// Where it comes from, if that is known.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// A copy of its metadata.
    pub fn metadata(&self) -> Metadata {
        self.0.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets a value of its metadata; the one before is returned.
    pub fn set_metadata(&self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.metadata.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), value.into())
    }

    /// The state that it is in.
    pub fn state(&self) -> ConnectionState {
        self.0.line.state()
    }

    /// How long the last ping and its answer took. `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        self.0.line.pulse().latency
    }

    /// How many bytes wait to be sent to it.
    pub fn queued_bytes(&self) -> usize {
        self.0.line.queued_bytes()
    }

    /// Sends it a message. Nothing is waited for: what cannot be written at once waits within the limits of
    /// [`LineOptions`](crate::LineOptions).
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.0.line.send(message.into())
    }

    /// Sends it a value as JSON.
    pub fn send_json(&self, value: &impl Serialize) -> Result<(), SendError> {
        self.send(Message::json(value).map_err(|_| SendError::Json)?)
    }

    /// Ends it: what was sent before goes out, then the code and the reason.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.line.close_with(code, reason);
    }

    /// Waits until it is over, and says why.
    pub async fn closed(&self) -> CloseReason {
        self.0.line.ended().await
    }

    pub(crate) fn line(&self) -> &Line {
        &self.0.line
    }

    pub(crate) fn id_shared(&self) -> Arc<str> {
        Arc::clone(&self.0.id)
    }

    pub(crate) fn user_shared(&self) -> Option<Arc<str>> {
        self.0.user.clone()
    }

    pub(crate) fn joined(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Connection");
        shown.field("id", &self.0.id).field("user", &self.0.user).field("state", &self.state());
        shown.finish_non_exhaustive()
    }
}
