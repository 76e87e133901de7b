//! The commands of services.

use socketio_parser::reserved_event;
use socketio_server::{Namespace, Socket};

use crate::bus::{BusState, MAX_NAME, stamped};
use crate::command::{Command, CommandError, Outcome};
use crate::event::Event;
use crate::presence::USER_ROOM;

/// Executes a command of the service `source`; `asking` is its socket, if it has one.
pub(crate) async fn carry_out(
    BusState { namespace, presence }: &BusState,
    command: Command,
    source: &str,
    asking: Option<&Socket>,
) -> Result<Outcome, CommandError> {
    if let Some(reserved) = command.event().and_then(|event| reserved_event(event.kind.name())) {
        // Also if no client would receive it.
        return Err(CommandError::Invalid(format!("the type {reserved} is reserved")));
    }
    match command {
        Command::EmitToClient { client_id, event } => {
            let event = stamped(event, source);
            let client = namespace.socket(&client_id).ok_or(CommandError::NoClient)?;
            client.emit(event.kind.name(), &event)?;
            Ok(Outcome { reached: 1 })
        }
        Command::EmitToUser { user_id, event } => {
            to_room(namespace, &format!("{USER_ROOM}{user_id}"), &stamped(event, source)).await
        }
        Command::EmitToRoom { room, event } => to_room(namespace, &room, &stamped(event, source)).await,
        Command::Broadcast { event } => {
            let event = stamped(event, source);
            let reached = namespace.len();
            namespace.emit(event.kind.name(), &event).await?;
            Ok(Outcome { reached })
        }
        Command::JoinRoom { client_id, room } => {
            if room.is_empty() || room.len() > MAX_NAME {
                return Err(CommandError::Invalid(format!("a room's name has 1 to {MAX_NAME} bytes")));
            }
            let socket = meant(namespace, client_id, asking)?;
            socket.join(room.as_str());
            if let Some(user) = room.strip_prefix(USER_ROOM) {
                presence.assign_user(&socket, user).await;
            }
            Ok(Outcome { reached: 1 })
        }
        Command::LeaveRoom { client_id, room } => {
            let socket = meant(namespace, client_id, asking)?;
            socket.leave(&room);
            if let Some(user) = room.strip_prefix(USER_ROOM) {
                presence.withdraw_user(&socket, user).await;
            }
            Ok(Outcome { reached: 1 })
        }
    }
}

async fn to_room(namespace: &Namespace, room: &str, event: &Event) -> Result<Outcome, CommandError> {
    let reached = namespace.room_len(room);
    namespace.to(room).emit(event.kind.name(), event).await?;
    Ok(Outcome { reached })
}

fn meant(
    namespace: &Namespace,
    client_id: Option<String>,
    asking: Option<&Socket>,
) -> Result<Socket, CommandError> {
    match (client_id, asking) {
        (Some(id), _) => namespace.socket(&id).ok_or(CommandError::NoClient),
        (None, Some(socket)) => Ok(socket.clone()),
        (None, None) => Err(CommandError::Invalid("client_id is missing".to_owned())),
    }
}
