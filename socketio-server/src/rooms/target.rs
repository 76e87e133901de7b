//! Names of rooms, and the sockets that an operation selects by room.

use std::sync::Arc;

/// The name of a room.
pub type Room = Arc<str>;

/// Which sockets of a namespace a broadcast or an operation is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Members of any of these rooms; everybody when there are none.
    pub rooms: Vec<Room>,
    /// But not the members of these.
    pub except: Vec<Room>,
}

impl Target {
    /// Whether a socket in these rooms is meant.
    pub fn means(&self, rooms: &[Room]) -> bool {
        let meets = |listed: &[Room]| listed.iter().any(|room| rooms.contains(room));
        (self.rooms.is_empty() || meets(&self.rooms)) && !meets(&self.except)
    }
}

/// What changed in the set of rooms, for those who want to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// A room came to be.
    Created(Room),
    /// A socket, by its id, joined a room.
    Joined(Room, Arc<str>),
    /// A socket, by its id, left a room.
    Left(Room, Arc<str>),
    /// The last socket left a room.
    Deleted(Room),
}
