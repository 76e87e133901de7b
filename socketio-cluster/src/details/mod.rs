//! Details of sockets, as cluster nodes exchange them.

mod handshake;
mod lenient;

use serde::Serialize;
use serde_json::Value;

pub use self::handshake::{HandshakeDetails, HandshakeSource, HandshakeView, LazyHandshake};
use crate::target::Room;

/// A socket on any node. Its serialized form is that of the official adapters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SocketDetails {
    /// The socket's public id.
    pub id: String,
    /// Handshake of the socket.
    pub handshake: LazyHandshake,
    /// The rooms of the socket, its own id among them.
    #[serde(serialize_with = "room_names")]
    pub rooms: Vec<Room>,
    /// The application's data: an object, unless a Node.js application has replaced it.
    pub data: Value,
}

fn room_names<S: serde::Serializer>(rooms: &[Room], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rooms.iter().map(AsRef::as_ref as fn(&Room) -> &str))
}
