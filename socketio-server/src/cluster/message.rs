//! What the nodes of a cluster say to each other about one namespace.

use std::time::Duration;

use socketio_parser::{Event, RawValue};

use super::details::SocketDetails;
use crate::id::RequestId;
use crate::rooms::{Room, Target};

/// What a node says to the others. The variants are those of the official cluster adapter, whose number
/// [`kind`](Self::kind) gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message {
    /// A node came and wants to know who else is there.
    InitialHeartbeat,
    /// A node is there.
    Heartbeat,
    /// An event for the clients of all nodes. With a request, their answers are wanted.
    Broadcast {
        /// Who is meant.
        target: Target,
        /// How it is delivered.
        flags: Flags,
        /// The event.
        event: Event,
        /// What answers refer to.
        request: Option<RequestId>,
    },
    /// Everybody meant joins rooms.
    SocketsJoin {
        /// Who is meant.
        target: Target,
        /// Which ones.
        rooms: Vec<Room>,
    },
    /// Everybody meant leaves rooms.
    SocketsLeave {
        /// Who is meant.
        target: Target,
        /// Which ones.
        rooms: Vec<Room>,
    },
    /// Everybody meant leaves the namespace.
    DisconnectSockets {
        /// Who is meant.
        target: Target,
        /// Whether their clients are put off the server.
        close: bool,
    },
    /// Who is meant?
    FetchSockets {
        /// Who is meant.
        target: Target,
        /// What answers refer to.
        request: RequestId,
    },
    /// These are, on this node.
    FetchSocketsResponse {
        /// What answers refer to.
        request: RequestId,
        /// The sockets.
        sockets: Vec<SocketDetails>,
    },
    /// An event for the other servers themselves. With a request, their answers are wanted.
    ServerSideEmit {
        /// The event.
        event: Event,
        /// What answers refer to.
        request: Option<RequestId>,
    },
    /// A server's answer: the first argument.
    ServerSideEmitResponse {
        /// What answers refer to.
        request: RequestId,
        /// The value, if there is one.
        answer: Option<RawValue>,
    },
    /// How many clients of this node got a broadcast that wants answers.
    BroadcastClientCount {
        /// What answers refer to.
        request: RequestId,
        /// How many.
        count: usize,
    },
    /// The answer of one client: the first argument.
    BroadcastAck {
        /// What answers refer to.
        request: RequestId,
        /// The value, if there is one.
        answer: Option<RawValue>,
    },
    /// A node leaves.
    Close,
}

/// How a broadcast is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flags {
    /// Clients that cannot take it at once do not get it.
    pub volatile: bool,
    /// It may be compressed.
    pub compress: bool,
    /// How long answers are waited for.
    pub timeout: Option<Duration>,
}

impl Default for Flags {
    fn default() -> Self {
        Self { volatile: false, compress: true, timeout: None }
    }
}

impl Message {
    /// The number of this message in the official cluster adapter.
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
        }
    }

    /// The request that this is an answer to.
    pub fn answers(&self) -> Option<&RequestId> {
        match self {
            Self::FetchSocketsResponse { request, .. }
            | Self::ServerSideEmitResponse { request, .. }
            | Self::BroadcastClientCount { request, .. }
            | Self::BroadcastAck { request, .. } => Some(request),
            _ => None,
        }
    }
}
