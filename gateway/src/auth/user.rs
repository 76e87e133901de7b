//! User and metadata of a socket.

use serde_json::{Map, Value};
use socketio_server::Socket;

/// Prefix of the rooms of users, followed by the user's name. They cannot be joined by request.
pub const USER_ROOM: &str = "user:";
/// Limit of the length of a user's name, in bytes.
pub(crate) const MAX_NAME_LEN: usize = 256;
/// Key of the user's name in the socket's data.
const USER: &str = "user";
/// Key of the metadata in the socket's data.
const METADATA: &str = "metadata";

/// User of a socket; `None` if the client is anonymous.
pub fn user(socket: &Socket) -> Option<String> {
    socket.data().get(USER)
}

/// Whether the name of a user has a valid length.
pub(crate) fn is_valid_name(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
}

/// Sets the user of a socket, and moves the socket to the room of the user.
pub(crate) fn set_user(socket: &Socket, user: &str) {
    if let Some(before) = self::user(socket).filter(|before| before != user) {
        socket.leave(&format!("{USER_ROOM}{before}"));
    }
    // A string always serializes to JSON.
    let _ = socket.data().set(USER, user);
    socket.join(format!("{USER_ROOM}{user}"));
}

/// Makes a recovered socket anonymous, until its token or the backend names a user again.
pub(crate) fn reset_user(socket: &Socket) {
    if let Some(user) = Some(socket).filter(|socket| socket.recovered()).and_then(user) {
        socket.leave(&format!("{USER_ROOM}{user}"));
        socket.data().remove(USER);
    }
}

/// Rooms of the socket, except its own and that of its user.
pub(crate) fn rooms(socket: &Socket) -> Vec<String> {
    let rooms = socket.joined_rooms();
    let rooms = rooms.iter().filter(|room| !room.starts_with(USER_ROOM));
    rooms.map(|room| room.to_string()).collect()
}

/// Metadata of a socket: the claims of `auth.metadata_claims`, and changes by operators and the backend.
pub fn metadata(socket: &Socket) -> Map<String, Value> {
    socket.data().get(METADATA).unwrap_or_default()
}

/// Changes the metadata: each key gets its value, or is removed if the value is null.
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
    // Parsed JSON always serializes again.
    let _ = socket.data().set(METADATA, known);
}
