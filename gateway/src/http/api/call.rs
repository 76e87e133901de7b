//! What can be asked for.

/// A call of the API. Calls that change something come with a body, the others with parameters.
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
    AcquireSession,
}

/// All of those that can be in a batch.
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
    /// As its path ends, as a batch names it, and as it is counted.
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
            Self::AcquireSession => "auth/acquire-session",
        }
    }

    /// The call that a batch names so.
    pub(super) fn in_batch(name: &str) -> Option<Self> {
        BATCHED.into_iter().find(|call| call.name() == name)
    }
}
