//! What the nodes of a cluster tell each other of a socket.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rooms::Room;

/// A socket, wherever it is, as [`fetch_sockets`](crate::Namespace::fetch_sockets) finds it. Serialised it has the
/// official adapters' shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SocketDetails {
    /// The socket's public id.
    pub id: String,
    /// How its client came.
    pub handshake: HandshakeDetails,
    /// The rooms that it was in, its own id among them.
    #[serde(with = "room_names")]
    pub rooms: Vec<Room>,
    /// The application's data: see [`Socket::data`](crate::Socket::data).
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// A handshake as plain data. See [`Handshake`](crate::Handshake) for what the fields mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HandshakeDetails {
    /// The request's headers, names in lower case; a header that came several times joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// When the socket was made, for people.
    pub time: String,
    /// The peer's address.
    pub address: String,
    /// Whether the request named an origin.
    pub xdomain: bool,
    /// Whether the client reached us over TLS.
    pub secure: bool,
    /// When the socket was made, in milliseconds since 1970.
    pub issued: u64,
    /// Path and query of the request.
    pub url: String,
    /// The query's parameters.
    pub query: BTreeMap<String, String>,
    /// What the CONNECT packet brought.
    pub auth: Value,
}

mod room_names {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::rooms::Room;

    pub(super) fn serialize<S: Serializer>(rooms: &[Room], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rooms.iter().map(AsRef::as_ref as fn(&Room) -> &str))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Room>, D::Error> {
        Ok(Vec::<String>::deserialize(deserializer)?.into_iter().map(Room::from).collect())
    }
}
