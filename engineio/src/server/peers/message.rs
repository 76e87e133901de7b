//! The messages between nodes.

use crate::close_reason::CloseReason;
use crate::config::Transport;
use crate::protocol::packet::Packet;
use crate::protocol::sid::Sid;

/// A message to another node. The variants are the message types of the official engine, in its order, and one of this
/// crate behind them.
///
/// `request` is a number of the node that asks, and comes back in the answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PeerMessage {
    /// Asks the owner of a session to accept a request of the client.
    AcquireLock {
        /// The number of the request.
        request: u64,
        /// The session.
        sid: Sid,
        /// The transport of the client's request.
        transport: Transport,
        /// The direction.
        access: Access,
        /// The packets of a POST. Empty if the medium does not carry them: see
        /// [`PeerLink::has_extensions`](crate::peers::PeerLink::has_extensions).
        packets: Vec<Packet>,
    },
    /// The answer of the owner. Behind a granted [`Access::Read`] of polling, one [`Drain`](Self::Drain)
    /// follows.
    AcquireLockResponse {
        /// The number of the request.
        request: u64,
        /// The request is accepted.
        success: bool,
    },
    /// Packets of the owner for the client, whose GET or WebSocket is at the receiver. It ends the wait of
    /// a GET.
    Drain {
        /// The session.
        sid: Sid,
        /// The packets, in order.
        packets: Vec<Packet>,
    },
    /// A packet of the client for the owner.
    Packet {
        /// The session.
        sid: Sid,
        /// The packet.
        packet: Packet,
    },
    /// The probe of a WebSocket has ended.
    Upgrade {
        /// The number of the request, if it was successful.
        request: u64,
        /// The session.
        sid: Sid,
        /// The client has sent its upgrade packet.
        success: bool,
    },
    /// The answer of the owner to a successful probe.
    UpgradeResponse {
        /// The number of the request.
        request: u64,
        /// The session is at the receiver from now on. Otherwise the receiver relays the WebSocket.
        take_over: bool,
        /// The packets that the owner has received and not handled, if the receiver takes the session over.
        packets: Vec<Packet>,
    },
    /// The connection of the client is lost, or violated the protocol: the session ends.
    Close {
        /// The session.
        sid: Sid,
        /// The reason. Only its [name](CloseReason::as_str) is part of the official format.
        reason: CloseReason,
    },
    /// The messages of a [`Drain`](Self::Drain) were written to the client, as the answer to its GET. Until then the owner
    /// holds further ones back, and the session ends if the node is lost. See
    /// [`PeerLink::has_extensions`](crate::peers::PeerLink::has_extensions).
    Delivered {
        /// The session.
        sid: Sid,
    },
}

/// The direction of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A GET, or a WebSocket.
    Read,
    /// A POST.
    Write,
}

impl Access {
    /// The name in the official format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The direction with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            _ => None,
        }
    }
}
