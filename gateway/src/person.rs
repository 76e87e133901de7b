//! Who a socket is known to be, and what else is known of it.

use serde_json::{Map, Value};
use socketio_server::Socket;

use crate::room_name::USER_ROOM;

/// The longest name of a user, in bytes.
pub(crate) const MAX_USER: usize = 256;
/// Under this name the user's is kept in the socket's data.
const USER: &str = "user";
/// And under this one what else is known.
const METADATA: &str = "metadata";

/// Who a socket is known to be.
pub(crate) fn user(socket: &Socket) -> Option<String> {
    socket.data().get(USER)
}

/// Whether a user can have this name.
pub(crate) fn is_user(name: &str) -> bool {
    (1..=MAX_USER).contains(&name.len())
}

/// From here on everybody knows who it is, and it is among the connections of this user.
pub(crate) fn introduce(socket: &Socket, user: &str) {
    if let Some(before) = self::user(socket).filter(|before| before != user) {
        socket.leave(&format!("{USER_ROOM}{before}"));
    }
    // A text is always JSON.
    let _ = socket.data().set(USER, user);
    socket.join(format!("{USER_ROOM}{user}"));
}

/// The rooms that it is in, without its own and its user's.
pub(crate) fn rooms(socket: &Socket) -> Vec<String> {
    let rooms = socket.joined_rooms();
    let rooms = rooms.iter().filter(|room| !room.starts_with(USER_ROOM));
    rooms.map(|room| room.to_string()).collect()
}

/// What else is known of it.
pub(crate) fn metadata(socket: &Socket) -> Map<String, Value> {
    socket.data().get(METADATA).unwrap_or_default()
}

/// Changes what is known: each key gets its value, or goes if that is null.
pub(crate) fn change_metadata(socket: &Socket, change: Map<String, Value>) {
    if change.is_empty() {
        return;
    }
    let mut known = metadata(socket);
    for (key, value) in change {
        if value.is_null() {
            known.remove(&key);
        } else {
            known.insert(key, value);
        }
    }
    // What was read as JSON is JSON.
    let _ = socket.data().set(METADATA, known);
}
