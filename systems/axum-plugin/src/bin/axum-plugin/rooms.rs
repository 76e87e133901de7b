//! Which rooms clients may join by themselves.

use socketio_server::{Namespace, Socket};

/// The longest name, in bytes.
const MAX_NAME: usize = 100;
/// In how many rooms a client may be.
const MAX_ROOMS: usize = 32;

/// Names and numbers are the client's choice, so they have limits. And whoever is in the room under another's id hears
/// what is meant for that one alone.
pub(crate) fn may_join(namespace: &Namespace, socket: &Socket, room: &str) -> Result<(), String> {
    if room.is_empty() || room.len() > MAX_NAME {
        return Err(format!("a room's name has 1 to {MAX_NAME} bytes"));
    }
    if namespace.socket(room).is_some() {
        return Err("this room is somebody's own".to_owned());
    }
    let joined = socket.joined_rooms();
    if joined.len() >= MAX_ROOMS && !joined.iter().any(|name| **name == *room) {
        return Err(format!("more than {MAX_ROOMS} rooms"));
    }
    Ok(())
}
