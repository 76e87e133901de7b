//! Events of the connection that all sockets of a manager share.

use engineio::client::UpgradeError;
use socketio_parser::Packet;

use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;

/// Event of the connection: see [`Manager::on_event`](crate::Manager::on_event).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ManagerEvent {
    /// The connection is open (`open`).
    Open,
    /// The connection could not be opened (`error`).
    Error(ConnectError),
    /// The connection is closed (`close`).
    Close(DisconnectReason),
    /// The connection was upgraded to WebSocket.
    Upgraded,
    /// The upgrade failed; the connection remains on polling.
    UpgradeFailed(UpgradeError),
    /// A reconnection attempt starts; the number counts the attempts from 1 (`reconnect_attempt`).
    ReconnectAttempt(u32),
    /// A reconnection attempt failed (`reconnect_error`).
    ReconnectError(ConnectError),
    /// The connection is open again, after this number of attempts (`reconnect`).
    Reconnect(u32),
    /// The last permitted reconnection attempt failed (`reconnect_failed`). The
    /// [`ReconnectError`](Self::ReconnectError) of that attempt follows, as at the official client.
    ReconnectFailed,
    /// The server sent a ping (`ping`). Only servers of Socket.IO v3 and later send pings.
    Ping,
    /// The server sent a packet, which is about to be handled (`packet`). Cost: while a hook exists, a
    /// reference count per packet and attachment.
    Packet(Packet),
}
