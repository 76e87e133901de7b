//! The sockets of a namespace on this node, by room.

mod delivered;
mod dense;
mod index;
mod into_rooms;
mod local_rooms;
mod target;
#[cfg(test)]
mod tests;
mod walk;

pub use self::delivered::Delivered;
pub(crate) use self::index::MemberKey;
#[cfg(test)]
pub(crate) use self::index::test_key;
pub use self::into_rooms::IntoRooms;
pub(crate) use self::local_rooms::{LocalRooms, Member};
pub use self::target::{Room, RoomEvent, Target};
