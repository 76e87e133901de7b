//! API calls that only read: rooms, sockets and counts.

use std::collections::BTreeMap;

use engineio::Query;
use serde_json::{Value, json};
use socketio_server::{Namespace, Socket};

use super::actions::{namespace, namespaces, user_room};
use super::call::Call;
use super::failure::{Done, Failure};
use crate::auth::user;
use crate::auth::user::USER_ROOM;
use crate::gateway::Gateway;
use crate::native;
use crate::stats::snapshot;

/// Limit of the sockets in one response; `LISTED` is the default.
const MAX_LISTED: usize = 1000;
const LISTED: usize = 100;

/// Handles a reading call.
pub(super) fn response(gateway: &Gateway, call: Call, query: &Query) -> Done {
    match call {
        Call::Sockets => sockets(gateway, query),
        Call::Counts => Ok(counts(gateway)),
        _ => Ok(rooms(gateway)),
    }
}

/// All rooms, with the ids of their members.
fn rooms(gateway: &Gateway) -> Value {
    let mut rooms = Vec::new();
    for namespace in namespaces(gateway) {
        let mut members = BTreeMap::<_, Vec<String>>::new();
        for socket in namespace.sockets() {
            for room in socket.joined_rooms() {
                members.entry(room).or_default().push(socket.id().to_owned());
            }
        }
        rooms.extend(members.into_iter().map(|(room, mut clients)| {
            clients.sort();
            json!({"namespace": namespace.name(), "room": *room, "clients": clients})
        }));
    }
    json!({"rooms": rooms})
}

/// Sockets of a namespace, optionally only those of a room or user, in the order of their ids and in pages.
fn sockets(gateway: &Gateway, query: &Query) -> Done {
    let (mut name, mut rooms, mut limit, mut after) = (None, Vec::new(), LISTED, "");
    for (parameter, value) in query.iter() {
        match parameter {
            "namespace" => name = Some(value.to_owned()),
            "room" => rooms.push(value.to_owned()),
            "user" => rooms.push(user_room(value)),
            "after" => after = value,
            "limit" => {
                let number = value.parse().ok().filter(|number| (1..=MAX_LISTED).contains(number));
                limit = number.ok_or_else(|| Failure::bad_request("limit: 1 to 1000 is expected"))?;
            }
            _ => {
                let message = "the parameters are namespace, room, user, limit and after";
                return Err(Failure::bad_request(message));
            }
        }
    }
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut found = namespace(gateway, name)?.sockets_page(&rooms, after, limit + 1);
    let next = found.get(limit).and(found.get(limit - 1)).map(|last| last.id().to_owned());
    found.truncate(limit);
    Ok(json!({"sockets": found.iter().map(describe).collect::<Vec<_>>(), "next": next}))
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

/// Numbers of connections, clients, rooms and users.
fn counts(gateway: &Gateway) -> Value {
    let count = |namespace: &Namespace| {
        let all = namespace.rooms();
        let users = all.iter().filter(|room| room.starts_with(USER_ROOM)).count();
        json!({"clients": namespace.len(), "rooms": all.len() - users, "users": users})
    };
    let all = namespaces(gateway);
    let counted = all.iter().map(|namespace| (namespace.name().to_owned(), count(namespace)));
    json!({
        "connections": snapshot::connections(gateway.io()).connections,
        "namespaces": counted.collect::<BTreeMap<_, _>>(),
    })
}
