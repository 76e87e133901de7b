//! What services may ask for, over Socket.IO or HTTP, and what becomes of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketio_server::EmitError;

use crate::event::Event;

/// What a service asks for, over Socket.IO or HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Command {
    /// To one client.
    EmitToClient {
        /// The id of its socket.
        client_id: String,
        /// What is said.
        event: Event,
    },
    /// To a user, on all its clients.
    EmitToUser {
        /// Who.
        user_id: String,
        /// What is said.
        event: Event,
    },
    /// To all clients and services in a room.
    EmitToRoom {
        /// Which.
        room: String,
        /// What is said.
        event: Event,
    },
    /// To all clients and services.
    Broadcast {
        /// What is said.
        event: Event,
    },
    /// Puts a client into a room; a service itself where none is named.
    JoinRoom {
        /// The id of its socket.
        client_id: Option<String>,
        /// Which room.
        room: String,
    },
    /// Takes a client, or the service itself, out of a room.
    LeaveRoom {
        /// The id of its socket.
        client_id: Option<String>,
        /// Which room.
        room: String,
    },
}

impl Command {
    /// The names of what can be asked for.
    pub const OPS: [&str; 6] =
        ["emit_to_client", "emit_to_user", "emit_to_room", "broadcast", "join_room", "leave_room"];

    /// What `data` asks for by this name.
    pub(crate) fn read(op: &str, mut data: Value) -> Result<Self, CommandError> {
        let object =
            data.as_object_mut().ok_or_else(|| CommandError::Invalid("expected an object".to_owned()))?;
        object.insert("op".to_owned(), op.into());
        serde_json::from_value(data).map_err(|error| CommandError::Invalid(error.to_string()))
    }

    /// What is to be said by it.
    pub(crate) fn event(&self) -> Option<&Event> {
        match self {
            Self::EmitToClient { event, .. }
            | Self::EmitToUser { event, .. }
            | Self::EmitToRoom { event, .. }
            | Self::Broadcast { event } => Some(event),
            Self::JoinRoom { .. } | Self::LeaveRoom { .. } => None,
        }
    }

    /// The name by which it is asked for.
    pub(crate) fn op(&self) -> &'static str {
        match self {
            Self::EmitToClient { .. } => "emit_to_client",
            Self::EmitToUser { .. } => "emit_to_user",
            Self::EmitToRoom { .. } => "emit_to_room",
            Self::Broadcast { .. } => "broadcast",
            Self::JoinRoom { .. } => "join_room",
            Self::LeaveRoom { .. } => "leave_room",
        }
    }
}

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many sockets it reached.
    pub reached: usize,
}

/// A command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It says nothing that can be done.
    #[error("{0}")]
    Invalid(String),
    /// The client is not connected.
    #[error("there is no such client")]
    NoClient,
    /// The bus is closed.
    #[error("the bus is closed")]
    Closed,
    /// It is for services.
    #[error("only services may do this")]
    NotAService,
    /// It cannot be sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
}
