//! Messages between the cluster nodes of one namespace.

use std::fmt;
use std::time::Duration;

use socketio_parser::{Event, RawValue};

use crate::details::SocketDetails;
use crate::id::RequestId;
use crate::target::{Room, Target};

/// A message between nodes. The variants are those of the official adapters; [`kind`](Self::kind) is the
/// number in the official cluster adapter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message {
    /// A node has started and requests a heartbeat from the others.
    InitialHeartbeat,
    /// A node is alive.
    Heartbeat,
    /// An event for the clients of all nodes. A request id requests their acknowledgements.
    Broadcast {
        /// Selected sockets.
        target: Target,
        /// Delivery options.
        flags: Flags,
        /// The event.
        event: Event,
        /// Request id for the replies.
        request: Option<RequestId>,
    },
    /// The selected sockets join rooms.
    SocketsJoin {
        /// Selected sockets.
        target: Target,
        /// Rooms to join.
        rooms: Vec<Room>,
    },
    /// The selected sockets leave rooms.
    SocketsLeave {
        /// Selected sockets.
        target: Target,
        /// Rooms to leave.
        rooms: Vec<Room>,
    },
    /// The selected sockets are disconnected.
    DisconnectSockets {
        /// Selected sockets.
        target: Target,
        /// Whether their connections are closed too.
        close: bool,
    },
    /// Request for the details of the selected sockets.
    FetchSockets {
        /// Selected sockets.
        target: Target,
        /// Request id for the replies.
        request: RequestId,
    },
    /// The selected sockets of one node.
    FetchSocketsResponse {
        /// Id of the request.
        request: RequestId,
        /// Details of the sockets.
        sockets: Vec<SocketDetails>,
    },
    /// An event for the servers themselves. A request id requests their answers.
    ServerSideEmit {
        /// The event.
        event: Event,
        /// Request id for the replies.
        request: Option<RequestId>,
    },
    /// The answer of a server: its first argument.
    ServerSideEmitResponse {
        /// Id of the request.
        request: RequestId,
        /// The value; `None` if the answer has no arguments.
        answer: Option<RawValue>,
    },
    /// Number of clients on one node that received a broadcast with acknowledgements.
    BroadcastClientCount {
        /// Id of the request.
        request: RequestId,
        /// Number of clients.
        count: usize,
    },
    /// The acknowledgement of one client: its first argument.
    BroadcastAck {
        /// Id of the request.
        request: RequestId,
        /// The value; `None` if the acknowledgement has no arguments.
        answer: Option<RawValue>,
    },
    /// A node leaves.
    Close,
    /// Request for the names of all rooms. Among the official adapters only the classic Redis adapter has it.
    AllRooms {
        /// Request id for the replies.
        request: RequestId,
    },
    /// The rooms of one node.
    AllRoomsResponse {
        /// Id of the request.
        request: RequestId,
        /// Names of the rooms, the ids of sockets among them.
        rooms: Vec<Room>,
    },
}

/// Delivery options of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flags {
    /// Whether clients that cannot take the event at once are skipped.
    pub volatile: bool,
    /// Whether the event may be compressed.
    pub compress: bool,
    /// Maximum wait for acknowledgements.
    pub timeout: Option<Duration>,
    /// A note for the servers of this project that receive the event. Official servers ignore it.
    pub note: Option<Note>,
}

impl Default for Flags {
    fn default() -> Self {
        Self { volatile: false, compress: true, timeout: None, note: None }
    }
}

/// A short text that belongs to an event and that clients do not receive, such as the id of its sender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Note {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Note {
    /// Maximum length in bytes.
    pub const MAX_LEN: usize = 23;

    /// The note with this text; `None` if it is too long.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, len: u8::try_from(text.len()).ok()? })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It was a text of this length.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Message {
    /// The number of this message in the official cluster adapter. Messages that it does not have are
    /// numbered from 101; official nodes ignore them.
    pub fn kind(&self) -> u8 {
        match self {
            Self::InitialHeartbeat => 1,
            Self::Heartbeat => 2,
            Self::Broadcast { .. } => 3,
            Self::SocketsJoin { .. } => 4,
            Self::SocketsLeave { .. } => 5,
            Self::DisconnectSockets { .. } => 6,
            Self::FetchSockets { .. } => 7,
            Self::FetchSocketsResponse { .. } => 8,
            Self::ServerSideEmit { .. } => 9,
            Self::ServerSideEmitResponse { .. } => 10,
            Self::BroadcastClientCount { .. } => 11,
            Self::BroadcastAck { .. } => 12,
            Self::Close => 13,
            Self::AllRooms { .. } => 101,
            Self::AllRoomsResponse { .. } => 102,
        }
    }

    /// The request id, if this message is a reply.
    pub fn answers(&self) -> Option<&RequestId> {
        match self {
            Self::FetchSocketsResponse { request, .. }
            | Self::ServerSideEmitResponse { request, .. }
            | Self::BroadcastClientCount { request, .. }
            | Self::BroadcastAck { request, .. }
            | Self::AllRoomsResponse { request, .. } => Some(request),
            _ => None,
        }
    }

    /// Whether there is binary data in the event or the answer.
    #[cfg(feature = "codec")]
    pub fn has_binary(&self) -> bool {
        match self {
            Self::Broadcast { event, .. } | Self::ServerSideEmit { event, .. } => event.has_binary(),
            Self::ServerSideEmitResponse { answer: Some(answer), .. }
            | Self::BroadcastAck { answer: Some(answer), .. } => answer.has_binary(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_short_texts() {
        for text in ["", "a", "é", &"x".repeat(Note::MAX_LEN)] {
            let note = Note::new(text).unwrap();
            assert_eq!((note.as_str(), format!("{note:?}")), (text, format!("{text:?}")));
        }
        assert_eq!(Note::new(&"x".repeat(Note::MAX_LEN + 1)), None);
    }
}
