//! Changes of rooms.

use std::sync::Arc;

use socketio_cluster::Room;

/// A change of the set of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// A room was created.
    Created(Room),
    /// A socket, given by its id, joined a room.
    Joined(Room, Arc<str>),
    /// A socket, given by its id, left a room.
    Left(Room, Arc<str>),
    /// A room was deleted with its last socket.
    Deleted(Room),
}
