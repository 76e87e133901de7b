//! Details of sockets, as cluster nodes exchange them.

mod handshake;
mod lenient;

use std::fmt;
use std::sync::OnceLock;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;
use socketio_parser::RawValue;

pub use self::handshake::{HandshakeDetails, HandshakeSource, HandshakeView, LazyHandshake};
use crate::target::Room;

/// A socket on any node. Its serialized form is that of the official adapters.
///
/// What another node has sent is read when it is first asked for, except the id: a request for many sockets is usually
/// about few of them, or about their number.
#[derive(Clone)]
pub struct SocketDetails {
    id: Room,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Parts(SocketParts),
    /// As another node has sent it.
    Received {
        value: RawValue,
        read: fn(&RawValue) -> SocketParts,
        parts: OnceLock<Box<SocketParts>>,
    },
}

/// The details of a socket beside its id.
#[derive(Clone, Default)]
pub(crate) struct SocketParts {
    pub(crate) handshake: LazyHandshake,
    pub(crate) rooms: Vec<Room>,
    pub(crate) data: Value,
}

impl SocketDetails {
    /// A socket with this public id.
    pub fn new(id: Room, handshake: impl Into<LazyHandshake>, rooms: Vec<Room>, data: Value) -> Self {
        let parts = SocketParts { handshake: handshake.into(), rooms, data };
        Self { id, source: Source::Parts(parts) }
    }

    /// A socket that another node has sent, and how to read it.
    #[cfg_attr(not(feature = "codec"), expect(dead_code, reason = "messages are read by the codec alone"))]
    pub(crate) fn received(id: Room, value: RawValue, read: fn(&RawValue) -> SocketParts) -> Self {
        Self { id, source: Source::Received { value, read, parts: OnceLock::new() } }
    }

    /// The socket's public id.
    pub fn id(&self) -> &Room {
        &self.id
    }

    /// Handshake of the socket.
    pub fn handshake(&self) -> &LazyHandshake {
        &self.parts().handshake
    }

    /// The rooms of the socket, its own id among them.
    pub fn rooms(&self) -> &[Room] {
        &self.parts().rooms
    }

    /// The application's data: an object, unless a Node.js application has replaced it.
    pub fn data(&self) -> &Value {
        &self.parts().data
    }

    fn parts(&self) -> &SocketParts {
        match &self.source {
            Source::Parts(parts) => parts,
            Source::Received { value, read, parts } => parts.get_or_init(|| Box::new(read(value))),
        }
    }
}

impl fmt::Debug for SocketDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketDetails")
            .field("id", &self.id)
            .field("handshake", self.handshake())
            .field("rooms", &self.rooms())
            .field("data", self.data())
            .finish()
    }
}

impl PartialEq for SocketDetails {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.rooms() == other.rooms()
            && self.data() == other.data()
            && self.handshake() == other.handshake()
    }
}

impl Serialize for SocketDetails {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rooms: Vec<&str> = self.rooms().iter().map(|room| &**room).collect();
        let mut details = serializer.serialize_struct("SocketDetails", 4)?;
        details.serialize_field("id", &*self.id)?;
        details.serialize_field("handshake", self.handshake())?;
        details.serialize_field("rooms", &rooms)?;
        details.serialize_field("data", self.data())?;
        details.end()
    }
}
