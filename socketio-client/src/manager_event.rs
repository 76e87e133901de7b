//! What happens to the connection under all of a manager's sockets.

use engineio::client::UpgradeError;

use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;

/// Something that happened to the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ManagerEvent {
    /// It is open (`open`).
    Open,
    /// It could not be opened (`error`).
    Error(ConnectError),
    /// It is closed (`close`).
    Close(DisconnectReason),
    /// It has moved to WebSocket.
    Upgraded,
    /// It stays on polling.
    UpgradeFailed(UpgradeError),
    /// It is about to be opened again, for the n-th time (`reconnect_attempt`).
    ReconnectAttempt(u32),
    /// That failed (`reconnect_error`).
    ReconnectError(ConnectError),
    /// It is open again, after so many attempts (`reconnect`).
    Reconnect(u32),
    /// It was tried as often as it may be (`reconnect_failed`).
    ReconnectFailed,
}
