//! The names of rooms: which may be joined by those who ask.

use thiserror::Error;

/// The rooms of users are named by this and the user's name. Nobody joins them by asking.
pub const USER_ROOM: &str = "user:";
/// Long enough for paths and addresses. The name of a room is kept once for all of its members.
const MAX_LEN: usize = 256;

/// Why a room cannot be joined or addressed by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RoomError {
    /// It is empty.
    #[error("the name of a room is empty")]
    Empty,
    /// It is too long.
    #[error("the name of a room is longer than 256 bytes")]
    TooLong,
    /// It belongs to a user.
    #[error("rooms named user:… belong to users")]
    Reserved,
}

/// Whether somebody may ask for a room of this name.
pub(crate) fn check(name: &str) -> Result<(), RoomError> {
    match name {
        "" => Err(RoomError::Empty),
        _ if name.len() > MAX_LEN => Err(RoomError::TooLong),
        _ if name.starts_with(USER_ROOM) => Err(RoomError::Reserved),
        _ => Ok(()),
    }
}
