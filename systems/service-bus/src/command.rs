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
    /// Sends to all instances of a service, or keeps the event for it.
    EmitToService {
        /// The name of the service.
        service: String,
        /// The event to send.
        event: Event,
    },
    /// Sends to all other services, and keeps the event for those with a subscription.
    Publish {
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
    pub const OPS: [&str; 8] = [
        "emit_to_client",
        "emit_to_user",
        "emit_to_room",
        "emit_to_service",
        "publish",
        "broadcast",
        "join_room",
        "leave_room",
    ];

    /// Parses the command `op` with its `data`.
    pub(crate) fn read(op: &str, data: &Value) -> Result<Self, CommandError> {
        let invalid = |error: serde_json::Error| CommandError::Invalid(error.to_string());
        let Object(Fields { client_id, user_id, room, service, event }) = data.parse().map_err(invalid)?;
        Ok(match op {
            "emit_to_client" => Self::EmitToClient {
                client_id: given(client_id, "client_id")?,
                event: given(event, "event")?,
            },
            "emit_to_user" => {
                Self::EmitToUser { user_id: given(user_id, "user_id")?, event: given(event, "event")? }
            }
            "emit_to_room" => Self::EmitToRoom { room: given(room, "room")?, event: given(event, "event")? },
            "emit_to_service" => {
                Self::EmitToService { service: given(service, "service")?, event: given(event, "event")? }
            }
            "publish" => Self::Publish { event: given(event, "event")? },
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
            | Self::EmitToService { event, .. }
            | Self::Publish { event }
            | Self::Broadcast { event } => Some(event),
            Self::JoinRoom { .. } | Self::LeaveRoom { .. } => None,
        }
    }

    /// The same command, whose event has an id.
    pub(crate) fn identified(mut self) -> Self {
        if let Self::EmitToClient { event, .. }
        | Self::EmitToUser { event, .. }
        | Self::EmitToRoom { event, .. }
        | Self::EmitToService { event, .. }
        | Self::Publish { event }
        | Self::Broadcast { event } = &mut self
        {
            let named = std::mem::replace(event, Event::new("")).identified();
            *event = named;
        }
        self
    }

    /// The name of the command.
    pub(crate) fn op(&self) -> &'static str {
        match self {
            Self::EmitToClient { .. } => "emit_to_client",
            Self::EmitToUser { .. } => "emit_to_user",
            Self::EmitToRoom { .. } => "emit_to_room",
            Self::EmitToService { .. } => "emit_to_service",
            Self::Publish { .. } => "publish",
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
    service: Option<String>,
    event: Option<Event>,
}

fn given<T>(field: Option<T>, name: &str) -> Result<T, CommandError> {
    field.ok_or_else(|| CommandError::Invalid(format!("missing field `{name}`")))
}

/// The result of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The number of sockets to which the event was sent, or by a subscription delivered.
    pub reached: usize,
    /// The number of subscriptions that have acknowledged the event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delivered: usize,
    /// The number of subscriptions for which the event is kept, as their service is away or has not acknowledged it yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept: usize,
}

impl Outcome {
    pub(crate) fn reached(reached: usize) -> Self {
        Self { reached, ..Self::default() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
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
    /// The service has no connection, and no subscription.
    #[error("there is no such service")]
    NoService,
    /// The service did not answer a request in time.
    #[error("the service did not answer in time")]
    Timeout,
    /// The service left before it answered a request: it may have been carried out.
    #[error("the service left before it answered")]
    Left,
    /// The service refused a request.
    #[error("the service refused: {0}")]
    Refused(String),
    /// A limit is reached.
    #[error("there are too many {0}")]
    TooMany(&'static str),
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

impl CommandError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NoClient => "no_client",
            Self::NoService => "no_service",
            Self::Timeout => "timeout",
            Self::Left => "left",
            Self::Refused(_) => "refused",
            Self::TooMany(_) => "too_many",
            Self::Closed => "closed",
            Self::NotAService => "not_a_service",
            Self::Emit(_) => "not_sent",
        }
    }
}
