//! Checks of the rooms that a client wants to join.

use socketio_server::{Namespace, Socket};

/// Maximum length of a room name, in bytes.
const MAX_NAME: usize = 100;
/// Maximum number of rooms per client.
const MAX_ROOMS: usize = 32;

/// The client chooses the names and the number, so both have limits. A room named like another socket's id is
/// refused: its members would receive the private events of that socket.
pub(crate) fn may_join(namespace: &Namespace, socket: &Socket, room: &str) -> Result<(), String> {
    if room.is_empty() || room.len() > MAX_NAME {
        return Err(format!("a room's name has 1 to {MAX_NAME} bytes"));
    }
    if namespace.socket(room).is_some() {
        return Err("this room belongs to another client".to_owned());
    }
    let joined = socket.joined_rooms();
    if joined.len() >= MAX_ROOMS && !joined.iter().any(|name| **name == *room) {
        return Err(format!("more than {MAX_ROOMS} rooms"));
    }
    Ok(())
}
