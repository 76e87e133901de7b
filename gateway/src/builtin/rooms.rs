//! Built-in events by which clients join and leave rooms.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use socketio_server::{Ack, Data, Namespace, Object, Socket};

use super::{respond, table};
use crate::auth::user;
use crate::builtin::room_name;
use crate::config::Events;
use crate::error_event;
use crate::stats::counters::LabelledCounters;

/// Argument that names a room: a string, or an object with a `room`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the name of a room, or an object {room}, is expected")]
pub(super) enum Named {
    Alone(String),
    In(Object<Inside>),
}

#[derive(Deserialize)]
pub(super) struct Inside {
    room: String,
}

impl Named {
    fn name(self) -> String {
        match self {
            Self::Alone(room) | Self::In(Object(Inside { room })) => room,
        }
    }
}

pub(super) fn register(
    namespace: &Namespace,
    events: &Events,
    is_clustered: bool,
    refused: &Arc<LabelledCounters>,
) {
    let max = if events.join { Some(events.max_rooms) } else { None };
    let is_id = move |namespace: &Namespace, room: &str| {
        namespace.socket(room).is_some() || is_clustered && room_name::may_be_id(room)
    };
    for event in table::names("join") {
        let refused = Arc::clone(refused);
        namespace.on(event, move |socket: Socket, namespace: Namespace, Data(room): Data<Named>| {
            let room = room.name();
            let is_id = is_id(&namespace, &room);
            let joined = join(&socket, &room, is_id, max, &refused)
                .map_err(|error| error_event::emit(&socket, event, error));
            async move { joined }
        });
    }
    for event in table::names("leave") {
        namespace.on(event, move |socket: Socket, Data(room): Data<Named>| {
            let left = leave(&socket, &room.name()).map_err(|error| error_event::emit(&socket, event, error));
            async move { left }
        });
    }
}

fn join(
    socket: &Socket,
    room: &str,
    is_id: bool,
    max: Option<usize>,
    refused: &LabelledCounters,
) -> Result<Ack<Value>, String> {
    let Some(max) = max else { return Err("events.join is off: clients cannot join rooms".to_owned()) };
    room_name::check(room).map_err(|error| error.to_string())?;
    // Each socket has a room named by its id. A client in that room would receive the socket's private
    // events. The ids of other nodes are not known, so in a cluster the form of an id suffices.
    if is_id {
        return Err("the room name is the id of a socket".to_owned());
    }
    let joined = user::rooms(socket);
    if joined.len() >= max && !joined.iter().any(|name| name == room) {
        refused.add("rooms");
        return Err(format!("more than {max} rooms"));
    }
    socket.join(room);
    Ok(respond(socket, "joined", json!({"room": room})))
}

fn leave(socket: &Socket, room: &str) -> Result<Ack<Value>, String> {
    room_name::check(room).map_err(|error| error.to_string())?;
    socket.leave(room);
    Ok(respond(socket, "left", json!({"room": room})))
}
