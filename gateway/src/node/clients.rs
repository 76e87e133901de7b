//! Operations on one client of this node, and on the members of rooms of this node.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use socketio_server::{EmitError, Server, Socket};
use thiserror::Error;

use super::listing;
use crate::auth::user;

/// Operation on one client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientCall {
    /// Emits an event with this data, as JSON text. It reaches the client byte for byte.
    Emit {
        event: String,
        data: String,
    },
    Join(String),
    Leave(String),
    Disconnect {
        close: bool,
    },
    SetMetadata(Map<String, Value>),
}

/// Error of an operation that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientError {
    /// The event cannot be encoded.
    #[error("{0}")]
    Invalid(String),
    /// The client can receive nothing more.
    #[error("{0}")]
    NotSent(String),
}

/// Result of an operation: the data of the response.
pub(crate) type ClientResult = Result<Value, ClientError>;

impl From<EmitError> for ClientError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Encode(error) => Self::Invalid(error.to_string()),
            error => Self::NotSent(error.to_string()),
        }
    }
}

/// Carries out an operation on a client; `None` if it is not a client of this node.
pub(crate) fn call(io: &Server, namespace: &str, id: &str, call: ClientCall) -> Option<ClientResult> {
    let socket = listing::namespace(io, namespace)?.socket(id)?;
    Some(apply(io, &socket, call))
}

fn apply(io: &Server, socket: &Socket, call: ClientCall) -> ClientResult {
    match call {
        ClientCall::Emit { event, data } => {
            let data = serde_json::from_str::<&RawValue>(&data);
            let data = data.map_err(|error| ClientError::Invalid(error.to_string()))?;
            socket.emit(&event, data)?;
            Ok(json!({"reached": 1}))
        }
        ClientCall::Join(room) => {
            socket.join(room.as_str());
            Ok(json!({"members": listing::clients(io, socket.namespace(), Some(&room))}))
        }
        ClientCall::Leave(room) => {
            socket.leave(&room);
            Ok(json!({"members": listing::clients(io, socket.namespace(), Some(&room))}))
        }
        ClientCall::Disconnect { close } => {
            socket.disconnect(close);
            Ok(json!({"disconnected": 1}))
        }
        ClientCall::SetMetadata(change) => {
            user::change_metadata(socket, change);
            Ok(json!({"metadata": user::metadata(socket)}))
        }
    }
}

/// Emits an event to the members of a room, or to a whole namespace, on all nodes.
pub(crate) async fn emit(
    io: &Server,
    namespace: &str,
    room: Option<&str>,
    event: &str,
    data: &str,
) -> Result<(), ClientError> {
    let data = serde_json::from_str::<&RawValue>(data);
    let data = data.map_err(|error| ClientError::Invalid(error.to_string()))?;
    let Some(namespace) = listing::namespace(io, namespace) else { return Ok(()) };
    match room {
        Some(room) => namespace.to(room).emit(event, data).await?,
        None => namespace.emit(event, data).await?,
    }
    Ok(())
}

/// Disconnects the members of a room on this node, in one namespace or in all. Returns their number.
pub(crate) async fn disconnect(io: &Server, namespace: Option<&str>, room: &str, close: bool) -> usize {
    let namespaces = match namespace {
        Some(name) => listing::namespace(io, name).into_iter().collect(),
        None => listing::namespaces(io),
    };
    // The number is determined before the disconnects: closing a connection also disconnects its sockets in the other
    // namespaces.
    let disconnected = namespaces.iter().map(|namespace| namespace.room_len(room)).sum();
    for namespace in namespaces {
        // Nothing that concerns this node alone can fail.
        let _ = namespace.local().to(room).disconnect_sockets(close).await;
    }
    disconnected
}
