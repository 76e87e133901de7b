//! Commands of services, over Socket.IO or HTTP, and their results.

use serde::{Deserialize, Serialize};
use socketio_parser::Value;
use socketio_server::{EmitError, Object};

use crate::event::Event;

/// A command of a service, over Socket.IO or HTTP.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Command {
    /// Sends to one client.
    EmitToClient {
        /// The id of its socket.
        client_id: String,
        /// The event to send.
        event: Event,
    },
    /// Sends to a user, on all its clients.
    EmitToUser {
        /// The id of the user.
        user_id: String,
        /// The event to send.
        event: Event,
    },
    /// Sends to all clients and services in a room.
    EmitToRoom {
        /// The name of the room.
        room: String,
        /// The event to send.
        event: Event,
    },
    /// Sends to all clients and services.
    Broadcast {
        /// The event to send.
        event: Event,
    },
    /// Adds a client to a room; without a client id, the service itself.
    JoinRoom {
        /// The id of its socket.
        client_id: Option<String>,
        /// The name of the room.
        room: String,
    },
    /// Removes a client, or the service itself, from a room.
    LeaveRoom {
        /// The id of its socket.
        client_id: Option<String>,
        /// The name of the room.
        room: String,
    },
}

impl Command {
    /// The names of the commands.
    pub const OPS: [&str; 6] =
        ["emit_to_client", "emit_to_user", "emit_to_room", "broadcast", "join_room", "leave_room"];

    /// Parses the command `op` with its `data`.
    pub(crate) fn read(op: &str, data: &Value) -> Result<Self, CommandError> {
        let invalid = |error: serde_json::Error| CommandError::Invalid(error.to_string());
        let Object(Fields { client_id, user_id, room, event }) = data.parse().map_err(invalid)?;
        Ok(match op {
            "emit_to_client" => Self::EmitToClient {
                client_id: given(client_id, "client_id")?,
                event: given(event, "event")?,
            },
            "emit_to_user" => {
                Self::EmitToUser { user_id: given(user_id, "user_id")?, event: given(event, "event")? }
            }
            "emit_to_room" => Self::EmitToRoom { room: given(room, "room")?, event: given(event, "event")? },
            "broadcast" => Self::Broadcast { event: given(event, "event")? },
            "join_room" => Self::JoinRoom { client_id, room: given(room, "room")? },
            "leave_room" => Self::LeaveRoom { client_id, room: given(room, "room")? },
            _ => return Err(CommandError::Invalid(format!("there is no command {op}"))),
        })
    }

    /// The event that the command sends.
    pub(crate) fn event(&self) -> Option<&Event> {
        match self {
            Self::EmitToClient { event, .. }
            | Self::EmitToUser { event, .. }
            | Self::EmitToRoom { event, .. }
            | Self::Broadcast { event } => Some(event),
            Self::JoinRoom { .. } | Self::LeaveRoom { .. } => None,
        }
    }

    /// The name of the command.
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

/// The fields of all commands. An enum with a tag would not name the field that is missing.
#[derive(Deserialize)]
struct Fields {
    client_id: Option<String>,
    user_id: Option<String>,
    room: Option<String>,
    event: Option<Event>,
}

fn given<T>(field: Option<T>, name: &str) -> Result<T, CommandError> {
    field.ok_or_else(|| CommandError::Invalid(format!("missing field `{name}`")))
}

/// The result of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The number of sockets that it reached.
    pub reached: usize,
}

/// Errors of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The command is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The client is not connected.
    #[error("there is no such client")]
    NoClient,
    /// The bus is closed.
    #[error("the bus is closed")]
    Closed,
    /// The command is for services only.
    #[error("only services may do this")]
    NotAService,
    /// The event cannot be sent.
    #[error(transparent)]
    Emit(#[from] EmitError),
}
