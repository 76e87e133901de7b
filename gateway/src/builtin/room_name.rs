//! Validation of room names.

use thiserror::Error;

use crate::auth::user::USER_ROOM;

/// Limit of the length in bytes. It suffices for paths and addresses. All members share one copy of the name.
const MAX_LEN: usize = 256;

/// Error of a room name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The name is empty.
    #[error("a room name is empty")]
    Empty,
    /// The name is too long.
    #[error("a room name is longer than 256 bytes")]
    TooLong,
    /// The name is reserved for the room of a user.
    #[error("room names with the prefix user: are reserved")]
    Reserved,
}

/// Length of the ids of sockets.
const ID_LEN: usize = 20;

/// Whether a name has the form of a socket's id: 20 letters, digits, `-` and `_`.
pub(crate) fn may_be_id(name: &str) -> bool {
    let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.len() == ID_LEN && name.bytes().all(is_of_id)
}

/// Checks a room name of a request.
pub(crate) fn check(name: &str) -> Result<(), RoomError> {
    match name {
        "" => Err(RoomError::Empty),
        _ if name.len() > MAX_LEN => Err(RoomError::TooLong),
        _ if name.starts_with(USER_ROOM) => Err(RoomError::Reserved),
        _ => Ok(()),
    }
}
