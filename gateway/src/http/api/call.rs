//! Calls of the HTTP API.

/// Call of the API. Calls that change state have a JSON body, the others have query parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Call {
    EmitToClient,
    EmitToRoom,
    EmitToUser,
    Broadcast,
    JoinRoom,
    LeaveRoom,
    Disconnect,
    RevokeUser,
    SetMetadata,
    Batch,
    Rooms,
    Sockets,
    Counts,
    Info,
    AcquireSession,
}

/// Calls that are allowed in a batch.
const BATCHED: [Call; 9] = [
    Call::EmitToClient,
    Call::EmitToRoom,
    Call::EmitToUser,
    Call::Broadcast,
    Call::JoinRoom,
    Call::LeaveRoom,
    Call::Disconnect,
    Call::RevokeUser,
    Call::SetMetadata,
];

impl Call {
    /// Name of the call: the end of its path, its name in batches, and its label in the metrics.
    pub(in crate::http) fn name(self) -> &'static str {
        match self {
            Self::EmitToClient => "emit_to_client",
            Self::EmitToRoom => "emit_to_room",
            Self::EmitToUser => "emit_to_user",
            Self::Broadcast => "broadcast",
            Self::JoinRoom => "join_room",
            Self::LeaveRoom => "leave_room",
            Self::Disconnect => "disconnect",
            Self::RevokeUser => "revoke_user",
            Self::SetMetadata => "set_metadata",
            Self::Batch => "batch",
            Self::Rooms => "rooms",
            Self::Sockets => "sockets",
            Self::Counts => "counts",
            Self::Info => "info",
            Self::AcquireSession => "auth/acquire-session",
        }
    }

    /// Call with this name, if it is allowed in a batch.
    pub(super) fn in_batch(name: &str) -> Option<Self> {
        BATCHED.into_iter().find(|call| call.name() == name)
    }
}
