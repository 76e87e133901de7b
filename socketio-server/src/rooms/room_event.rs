//! Changes of rooms.

use std::sync::Arc;

use socketio_cluster::Room;

/// A change of the set of rooms. Each socket is in a room under its own id while it is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// The events of one operation, which are reported after the rooms are unlocked. If nobody wants them, none
/// is made.
#[derive(Debug, Default)]
pub(crate) struct RoomEvents {
    list: Vec<RoomEvent>,
    are_wanted: bool,
}

impl RoomEvents {
    pub(crate) fn new(are_wanted: bool) -> Self {
        Self { list: Vec::new(), are_wanted }
    }

    pub(super) fn add(&mut self, event: impl FnOnce() -> RoomEvent) {
        if self.are_wanted {
            self.list.push(event());
        }
    }

    pub(super) fn are_wanted(&self) -> bool {
        self.are_wanted
    }

    pub(crate) fn list(&self) -> &[RoomEvent] {
        &self.list
    }
}
