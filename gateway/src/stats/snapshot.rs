//! Statistics that the page shows.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use socketio_server::Server;

use crate::native;
use crate::stats::disconnects::{Disconnect, Disconnects};

/// Number of rooms that are listed by name, the largest first.
const NAMED_ROOMS: usize = 50;

/// Statistics at one moment. Counters of messages and disconnects start at zero with the gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Seconds since the gateway was created.
    pub uptime_seconds: u64,
    /// Open connections by transport: `polling`, `websocket` and `native`.
    pub connections: BTreeMap<&'static str, usize>,
    /// Connections opened since the start.
    pub opened: u64,
    /// Sockets per namespace.
    pub namespaces: BTreeMap<String, usize>,
    /// The largest rooms, largest first.
    pub rooms: Vec<RoomSize>,
    /// Number of rooms.
    pub room_count: usize,
    /// Messages received from clients.
    pub received: Traffic,
    /// Messages written to clients.
    pub sent: Traffic,
    /// Bytes queued for clients.
    pub queued_bytes: usize,
    /// Disconnected clients by reason.
    pub disconnects: BTreeMap<&'static str, u64>,
    /// The most recently disconnected clients.
    pub recent_disconnects: Vec<Disconnect>,
}

/// Number of messages and of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Number of messages.
    pub messages: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// Room with the number of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomSize {
    /// Namespace of the room.
    pub namespace: String,
    /// Name of the room.
    pub room: String,
    /// Number of sockets in the room.
    pub members: usize,
}

impl From<engineio::Flow> for Traffic {
    fn from(flow: engineio::Flow) -> Self {
        Self { messages: flow.messages, bytes: flow.bytes }
    }
}

/// Open connections.
pub(crate) struct Connections {
    /// Number of connections by transport.
    pub(crate) connections: BTreeMap<&'static str, usize>,
    /// Bytes queued for them.
    pub(crate) queued_bytes: usize,
}

/// Counts the open connections. It iterates over all sessions.
pub(crate) fn connections(io: &Server) -> Connections {
    let mut connections = BTreeMap::from([("polling", 0), ("websocket", 0), ("native", 0)]);
    let mut queued_bytes = 0;
    for session in io.engine().sessions() {
        *connections.entry(native::transport(&session)).or_default() += 1;
        queued_bytes += session.queued_bytes();
    }
    Connections { connections, queued_bytes }
}

impl Stats {
    /// Collects the statistics. It iterates over all sessions and rooms.
    pub(crate) fn collect(io: &Server, disconnects: &Disconnects, uptime: Duration) -> Self {
        let Connections { connections, queued_bytes } = connections(io);
        let mut namespaces = BTreeMap::new();
        let (mut rooms, mut room_count) = (Vec::new(), 0);
        for namespace in io.namespaces().iter().filter_map(|name| io.namespace(name)) {
            namespaces.insert(namespace.name().to_owned(), namespace.len());
            room_count += namespace.room_count();
            rooms.extend(namespace.largest_rooms(NAMED_ROOMS).into_iter().map(|(room, members)| RoomSize {
                namespace: namespace.name().to_owned(),
                members,
                room: room.to_string(),
            }));
        }
        rooms.sort_by(|a, b| {
            (Reverse(a.members), &a.namespace, &a.room).cmp(&(Reverse(b.members), &b.namespace, &b.room))
        });
        rooms.truncate(NAMED_ROOMS);
        let traffic = io.engine().traffic();
        Self {
            uptime_seconds: uptime.as_secs(),
            connections,
            opened: traffic.opened,
            namespaces,
            rooms,
            room_count,
            received: traffic.received.into(),
            sent: traffic.sent.into(),
            queued_bytes,
            disconnects: disconnects.counts(),
            recent_disconnects: disconnects.recent(),
        }
    }
}
