//! How things are: what the page shows.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use socketio_server::Server;

use crate::closes::{Close, Closes};
use crate::native;

/// So many rooms are named, the largest first.
const NAMED_ROOMS: usize = 50;

/// How things are at one moment. Messages and closes are counted from the start.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Numbers {
    /// How long the gateway has been there.
    pub uptime_seconds: u64,
    /// Open connections: `polling`, `websocket` and `native`.
    pub connections: BTreeMap<&'static str, usize>,
    /// Connections that were opened since the start.
    pub opened: u64,
    /// The namespaces with the number of their sockets.
    pub namespaces: BTreeMap<String, usize>,
    /// The largest rooms.
    pub rooms: Vec<RoomSize>,
    /// How many rooms there are.
    pub room_count: usize,
    /// Messages that clients sent.
    pub received: Counted,
    /// Messages that were written to clients.
    pub sent: Counted,
    /// What waits for clients to read it, in bytes.
    pub queued_bytes: usize,
    /// How many clients went for each reason.
    pub closes: BTreeMap<&'static str, u64>,
    /// The last that went.
    pub last_closes: Vec<Close>,
}

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many.
    pub messages: u64,
    /// How large.
    pub bytes: u64,
}

/// A room and how many are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomSize {
    /// The namespace that it belongs to.
    pub namespace: String,
    /// Its name.
    pub room: String,
    /// How many sockets are in it.
    pub members: usize,
}

impl From<engineio::Flow> for Counted {
    fn from(flow: engineio::Flow) -> Self {
        Self { messages: flow.messages, bytes: flow.bytes }
    }
}

/// The connections that are open.
pub(crate) struct Open {
    /// How many, by what carries them.
    pub(crate) connections: BTreeMap<&'static str, usize>,
    /// What waits to be written to them.
    pub(crate) queued_bytes: usize,
}

/// Counts the open connections. That takes a walk over all sessions.
pub(crate) fn open(io: &Server) -> Open {
    let mut connections = BTreeMap::from([("polling", 0), ("websocket", 0), ("native", 0)]);
    let mut queued_bytes = 0;
    for session in io.engine().sessions() {
        *connections.entry(native::carrier(&session)).or_default() += 1;
        queued_bytes += session.queued_bytes();
    }
    Open { connections, queued_bytes }
}

impl Numbers {
    /// Counts. That takes a walk over all sessions and rooms.
    pub(crate) fn now(io: &Server, closes: &Closes, uptime: Duration) -> Self {
        let Open { connections, queued_bytes } = open(io);
        let mut namespaces = BTreeMap::new();
        let mut rooms = Vec::new();
        for namespace in io.namespaces().iter().filter_map(|name| io.namespace(name)) {
            namespaces.insert(namespace.name().to_owned(), namespace.len());
            rooms.extend(namespace.rooms().into_iter().map(|room| RoomSize {
                namespace: namespace.name().to_owned(),
                members: namespace.room_len(&room),
                room: room.to_string(),
            }));
        }
        let room_count = rooms.len();
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
            closes: closes.counts(),
            last_closes: closes.last(),
        }
    }
}
