//! Room names, and the selection of sockets by room.

use std::sync::Arc;

/// Name of a room.
pub type Room = Arc<str>;

/// Selection of sockets for a broadcast or an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Members of any of these rooms; all sockets if the list is empty.
    pub rooms: Vec<Room>,
    /// Members of these rooms are excluded.
    pub except: Vec<Room>,
}

impl Target {
    /// Whether a socket in these rooms is selected.
    pub fn matches(&self, rooms: &[Room]) -> bool {
        let meets = |listed: &[Room]| listed.iter().any(|room| rooms.contains(room));
        (self.rooms.is_empty() || meets(&self.rooms)) && !meets(&self.except)
    }
}
