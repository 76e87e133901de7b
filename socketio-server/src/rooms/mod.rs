//! The index of rooms and their members, and the selection of members.

mod delivered;
mod dense;
mod index;
mod into_rooms;
mod listing;
mod room_event;
#[cfg(test)]
mod tests;
mod walk;

pub use self::delivered::Delivered;
#[cfg(test)]
pub(crate) use self::index::test_key;
pub(crate) use self::index::{MemberKey, Rooms};
pub use self::into_rooms::IntoRooms;
pub use self::room_event::RoomEvent;
pub(crate) use self::room_event::RoomEvents;
pub use socketio_cluster::{Room, Target};
