//! Statistics that the page shows.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socketio_server::Server;

use crate::native;
use crate::stats::disconnects::{Disconnect, Disconnects, MAX_RECENT};

/// Number of rooms that are listed by name, the largest first.
const NAMED_ROOMS: usize = 50;

/// Statistics at one moment. Counters of messages and disconnects start at zero with the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Seconds since the gateway was created.
    pub uptime_seconds: u64,
    /// Open connections by transport: `polling`, `websocket` and `native`.
    pub connections: BTreeMap<Cow<'static, str>, usize>,
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
    pub disconnects: BTreeMap<Cow<'static, str>, u64>,
    /// The most recently disconnected clients.
    pub recent_disconnects: Vec<Disconnect>,
}

/// Number of messages and of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Number of messages.
    pub messages: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// Room with the number of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        largest(&mut rooms);
        let traffic = io.engine().traffic();
        Self {
            uptime_seconds: uptime.as_secs(),
            connections: connections.into_iter().map(|(name, count)| (name.into(), count)).collect(),
            opened: traffic.opened,
            namespaces,
            rooms,
            room_count,
            received: traffic.received.into(),
            sent: traffic.sent.into(),
            queued_bytes,
            disconnects: disconnects.counts().into_iter().map(|(name, count)| (name.into(), count)).collect(),
            recent_disconnects: disconnects.recent(),
        }
    }

    /// Number of open connections.
    pub(crate) fn connected(&self) -> usize {
        self.connections.values().fold(0, |total, count| total.saturating_add(*count))
    }

    /// Adds the statistics of another node. The number of rooms stays, since a room may be on both.
    pub(crate) fn add(&mut self, other: Self) {
        fn sum<K: Ord>(to: &mut BTreeMap<K, usize>, from: BTreeMap<K, usize>) {
            for (key, count) in from {
                let total = to.entry(key).or_default();
                *total = total.saturating_add(count);
            }
        }
        sum(&mut self.connections, other.connections);
        sum(&mut self.namespaces, other.namespaces);
        for (reason, count) in other.disconnects {
            let total = self.disconnects.entry(reason).or_default();
            *total = total.saturating_add(count);
        }
        self.opened = self.opened.saturating_add(other.opened);
        self.received.add(other.received);
        self.sent.add(other.sent);
        self.queued_bytes = self.queued_bytes.saturating_add(other.queued_bytes);
        for room in other.rooms.into_iter().take(NAMED_ROOMS) {
            let is_same =
                |known: &&mut RoomSize| known.namespace == room.namespace && known.room == room.room;
            match self.rooms.iter_mut().find(is_same) {
                Some(known) => known.members = known.members.saturating_add(room.members),
                None => self.rooms.push(room),
            }
        }
        largest(&mut self.rooms);
        self.recent_disconnects.extend(other.recent_disconnects.into_iter().take(MAX_RECENT));
        self.recent_disconnects.sort_by(|a, b| b.at.cmp(&a.at));
        self.recent_disconnects.truncate(MAX_RECENT);
    }
}

impl Traffic {
    fn add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Sorts rooms by their size, and keeps the largest.
fn largest(rooms: &mut Vec<RoomSize>) {
    rooms.sort_by(|a, b| {
        (Reverse(a.members), &a.namespace, &a.room).cmp(&(Reverse(b.members), &b.namespace, &b.room))
    });
    rooms.truncate(NAMED_ROOMS);
}
