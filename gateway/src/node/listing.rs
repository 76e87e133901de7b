//! Rooms, sockets and counts of this node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio_server::{Namespace, Server, Socket};

use super::distinct::Distinct;
use crate::auth::user::{self, USER_ROOM};
use crate::config::STATS_NAMESPACE;
use crate::native;
use crate::stats::snapshot;

/// Limit of the numbers of a node's rooms and users that are told to other nodes, of all namespaces together.
const MAX_NUMBERS: usize = 100_000;

/// A room, with the ids of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoomMembers {
    pub(crate) namespace: String,
    pub(crate) room: String,
    pub(crate) clients: Vec<String>,
}

/// A page of the sockets of a namespace, optionally only those of rooms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SocketsPage {
    pub(crate) namespace: String,
    pub(crate) rooms: Vec<String>,
    /// The id behind which the page begins.
    pub(crate) after: String,
    pub(crate) limit: usize,
}

/// Numbers of connections, clients, rooms and users.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) connections: BTreeMap<String, usize>,
    pub(crate) namespaces: BTreeMap<String, NamespaceCounts>,
}

/// Numbers of one namespace. A room or a user may be on several nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct NamespaceCounts {
    pub(crate) clients: usize,
    pub(crate) rooms: Distinct,
    pub(crate) users: Distinct,
}

/// Numbers of sockets and rooms, of all namespaces together.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) sockets: usize,
    /// A room may be on several nodes.
    pub(crate) rooms: Distinct,
}

/// All namespaces except the one for operators.
pub(crate) fn namespaces(io: &Server) -> Vec<Namespace> {
    let names = io.namespaces();
    let names = names.iter().filter(|name| *name != STATS_NAMESPACE);
    names.filter_map(|name| io.namespace(name)).collect()
}

/// The namespace of this name, unless it is the one for operators.
pub(crate) fn namespace(io: &Server, name: &str) -> Option<Namespace> {
    if name == STATS_NAMESPACE { None } else { io.namespace(name) }
}

/// Room of a user.
pub(crate) fn user_room(user: &str) -> String {
    format!("{USER_ROOM}{user}")
}

/// All rooms, up to this number of members together. The second value is whether there are more.
pub(crate) fn rooms(io: &Server, max_members: usize) -> (Vec<RoomMembers>, bool) {
    let (mut rooms, mut left) = (Vec::new(), max_members);
    for namespace in namespaces(io) {
        let mut members = BTreeMap::<_, Vec<String>>::new();
        for socket in namespace.sockets() {
            for room in socket.joined_rooms() {
                if left == 0 {
                    break;
                }
                left -= 1;
                members.entry(room).or_default().push(socket.id().to_owned());
            }
        }
        rooms.extend(members.into_iter().map(|(room, mut clients)| {
            clients.sort();
            RoomMembers { namespace: namespace.name().to_owned(), room: room.to_string(), clients }
        }));
    }
    (rooms, left == 0)
}

/// Sockets in the order of their ids; `None` if there is no such namespace.
pub(crate) fn sockets(io: &Server, page: &SocketsPage) -> Option<Vec<Value>> {
    let rooms: Vec<&str> = page.rooms.iter().map(String::as_str).collect();
    let found = namespace(io, &page.namespace)?.sockets_page(&rooms, &page.after, page.limit);
    Some(found.iter().map(describe).collect())
}

fn describe(socket: &Socket) -> Value {
    json!({
        "id": socket.id(),
        "namespace": socket.namespace(),
        "user": user::user(socket),
        "rooms": user::rooms(socket),
        "metadata": user::metadata(socket),
        "transport": native::transport(socket.session()),
        "address": socket.handshake().address().map(|address| address.ip().to_string()),
        "connectedAt": humantime::format_rfc3339_millis(socket.handshake().issued()).to_string(),
    })
}

/// Number of the clients in a room, or in the whole namespace.
pub(crate) fn clients(io: &Server, name: &str, room: Option<&str>) -> usize {
    let count = |namespace: Namespace| room.map_or(namespace.len(), |room| namespace.room_len(room));
    namespace(io, name).map_or(0, count)
}

/// Names of the rooms of all namespaces, to be counted together with those of other nodes.
pub(crate) fn room_names(io: &Server) -> Distinct {
    let names: Vec<String> = io
        .namespaces()
        .iter()
        .filter_map(|name| io.namespace(name))
        .flat_map(|namespace| {
            let name = namespace.name().to_owned();
            namespace.rooms().into_iter().map(move |room| format!("{name},{room}"))
        })
        .collect();
    Distinct::of(names.iter().map(String::as_str), 2_000)
}

/// Numbers of this node. With `for_others` they can be added to those of other nodes.
pub(crate) fn counts(io: &Server, for_others: bool) -> Counts {
    let all = namespaces(io);
    let most = if for_others { (MAX_NUMBERS / all.len().max(1)).clamp(64, 10_000) } else { 0 };
    let count = |namespace: &Namespace| {
        let rooms = namespace.rooms();
        let (users, rooms): (Vec<&str>, Vec<&str>) =
            rooms.iter().map(|room| &**room).partition(|room| room.starts_with(USER_ROOM));
        NamespaceCounts {
            clients: namespace.len(),
            rooms: Distinct::of(rooms.into_iter(), most),
            users: Distinct::of(users.into_iter(), most),
        }
    };
    let connections = snapshot::connections(io).connections;
    Counts {
        connections: connections.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        namespaces: all.iter().map(|namespace| (namespace.name().to_owned(), count(namespace))).collect(),
    }
}

impl Totals {
    /// The numbers of this node.
    pub(crate) fn of(io: &Server) -> Self {
        Self { sockets: namespaces(io).iter().map(Namespace::len).sum(), rooms: room_names(io) }
    }

    /// Adds the numbers of another node.
    pub(crate) fn add(&mut self, other: Self) {
        self.sockets = self.sockets.saturating_add(other.sockets);
        self.rooms.add(other.rooms);
    }
}

impl Counts {
    /// Adds the numbers of another node.
    pub(crate) fn add(&mut self, other: Self) {
        for (transport, count) in other.connections {
            let total = self.connections.entry(transport).or_default();
            *total = total.saturating_add(count);
        }
        for (name, counts) in other.namespaces {
            let total = self.namespaces.entry(name).or_default();
            total.clients = total.clients.saturating_add(counts.clients);
            total.rooms.add(counts.rooms);
            total.users.add(counts.users);
        }
    }

    /// Number of clients of all namespaces.
    pub(crate) fn clients(&self) -> usize {
        self.namespaces.values().fold(0, |total, counts| total.saturating_add(counts.clients))
    }

    /// The numbers as the API shows them.
    pub(crate) fn to_json(&self) -> Value {
        let shown = |counts: &NamespaceCounts| json!({"clients": counts.clients, "rooms": counts.rooms.count(), "users": counts.users.count()});
        let namespaces: BTreeMap<_, _> =
            self.namespaces.iter().map(|(name, counts)| (name, shown(counts))).collect();
        json!({"connections": self.connections, "namespaces": namespaces})
    }
}
