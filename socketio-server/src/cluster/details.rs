//! Details of sockets, as cluster nodes exchange them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rooms::Room;

/// A socket on any node, as [`fetch_sockets`](crate::Namespace::fetch_sockets) finds it. Its serialized form
/// is that of the official adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SocketDetails {
    /// The socket's public id.
    pub id: String,
    /// Handshake of the socket.
    pub handshake: HandshakeDetails,
    /// The rooms of the socket, its own id among them.
    #[serde(with = "room_names")]
    pub rooms: Vec<Room>,
    /// The application's data: see [`Socket::data`](crate::Socket::data).
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// A handshake as plain data. [`Handshake`](crate::Handshake) documents the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HandshakeDetails {
    /// The request's headers with names in lower case; repeated headers are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Creation time of the socket as text.
    pub time: String,
    /// IP address of the client.
    pub address: String,
    /// Whether the request has an Origin header.
    pub xdomain: bool,
    /// Whether the client used TLS.
    pub secure: bool,
    /// Creation time of the socket in milliseconds since 1970.
    pub issued: u64,
    /// Path and query of the request.
    pub url: String,
    /// Query parameters of the request.
    pub query: BTreeMap<String, String>,
    /// Payload of the CONNECT packet.
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
