//! The commands of services.

use std::time::Duration;

use socketio_parser::reserved_event;
use socketio_server::{Broadcast, Socket};

use crate::command::{Command, CommandError, Outcome};
use crate::event::Event;
use crate::kept::{Queued, ROOM};
use crate::names::{MAX_NAME, SERVICE_ROOM, SERVICES, USER_ROOM};
use crate::state::BusState;

/// Maximum time that the acknowledgement of an event waits for those of subscriptions.
const SETTLE: Duration = Duration::from_secs(2);

/// Executes a command of the service `source`; `asking` is its socket, if it has one.
pub(crate) async fn carry_out(
    bus: &BusState,
    command: Command,
    source: &str,
    asking: Option<&Socket>,
) -> Result<Outcome, CommandError> {
    if let Some(reserved) = command.event().and_then(|event| reserved_event(event.kind.name())) {
        // Also if no client would receive it.
        return Err(CommandError::Invalid(format!("the type {reserved} is reserved")));
    }
    let BusState { namespace, presence, .. } = bus;
    if let Some(id) = command.event().and_then(|event| event.id.as_ref()) {
        if !(1..=MAX_NAME).contains(&id.len()) {
            return Err(CommandError::Invalid(format!("an event's id has 1 to {MAX_NAME} bytes")));
        }
    }
    match command {
        Command::EmitToClient { client_id, event } => {
            let event = event.stamped(source);
            let client = namespace.socket(&client_id).ok_or(CommandError::NoClient)?;
            client.emit(event.kind.name(), &event)?;
            Ok(Outcome::reached(1))
        }
        Command::EmitToUser { user_id, event } => {
            to_room(bus, &format!("{USER_ROOM}{user_id}"), &event.stamped(source)).await
        }
        Command::EmitToRoom { room, event } => to_room(bus, &room, &event.stamped(source)).await,
        Command::EmitToService { service, event } => {
            let outcome = to_room(bus, &service_room(&service), &event.stamped(source)).await?;
            let is_known = outcome != Outcome::default() || bus.kept.services().contains(&service);
            if is_known { Ok(outcome) } else { Err(CommandError::NoService) }
        }
        Command::Publish { event } => publish(bus, &event.stamped(source), source, asking).await,
        Command::Broadcast { event } => {
            let event = event.stamped(source);
            let queued = bus.kept.keep(&event, |_| true);
            let reached = namespace.len();
            send(namespace.except(Vec::<String>::new()), &event, reached, queued).await
        }
        Command::JoinRoom { client_id, room } => {
            if room.is_empty() || room.len() > MAX_NAME || room.starts_with(ROOM) {
                let message =
                    format!("a room's name has 1 to {MAX_NAME} bytes, and does not begin with {ROOM}");
                return Err(CommandError::Invalid(message));
            }
            let socket = meant(namespace, client_id, asking)?;
            socket.join(room.as_str());
            if let Some(user) = room.strip_prefix(USER_ROOM) {
                presence.assign_user(&socket, user).await;
            }
            Ok(Outcome::reached(1))
        }
        Command::LeaveRoom { client_id, room } => {
            let socket = meant(namespace, client_id, asking)?;
            socket.leave(&room);
            if let Some(user) = room.strip_prefix(USER_ROOM) {
                presence.withdraw_user(&socket, user).await;
            }
            Ok(Outcome::reached(1))
        }
    }
}

fn service_room(service: &str) -> String {
    format!("{SERVICE_ROOM}{service}")
}

async fn to_room(bus: &BusState, room: &str, event: &Event) -> Result<Outcome, CommandError> {
    let queued = match room.strip_prefix(SERVICE_ROOM) {
        Some(service) => bus.kept.keep(event, |of| of == service),
        None if room == SERVICES => bus.kept.keep(event, |_| true),
        None => Queued::default(),
    };
    let reached = bus.namespace.room_len(room);
    send(bus.namespace.to(room), event, reached, queued).await
}

/// Sends to all services except the one that asks.
pub(crate) async fn publish(
    bus: &BusState,
    event: &Event,
    source: &str,
    asking: Option<&Socket>,
) -> Result<Outcome, CommandError> {
    let queued = bus.kept.keep(event, |of| of != source);
    let own = service_room(source);
    let reached = bus.namespace.room_len(SERVICES).saturating_sub(bus.namespace.room_len(&own));
    // Clients are in no room of a service.
    let to = asking.map_or_else(|| bus.namespace.to(SERVICES), |socket| socket.to(SERVICES));
    send(to.except(own), event, reached, queued).await
}

/// Sends an event at once to those that have not subscribed to its type, and waits for the subscriptions.
async fn send(to: Broadcast, event: &Event, sockets: usize, queued: Queued) -> Result<Outcome, CommandError> {
    let kind = event.kind.name();
    let subscribed = queued.sockets();
    let to = if queued.is_empty() { to } else { to.except([ROOM.to_owned(), format!("{ROOM}/{kind}")]) };
    to.emit(kind, event).await?;
    let delivery = queued.settled(SETTLE).await;
    let reached = sockets.saturating_sub(subscribed) + delivery.delivered;
    Ok(Outcome { reached, delivered: delivery.delivered, kept: delivery.kept })
}

fn meant(
    namespace: &socketio_server::Namespace,
    client_id: Option<String>,
    asking: Option<&Socket>,
) -> Result<Socket, CommandError> {
    match (client_id, asking) {
        (Some(id), _) => namespace.socket(&id).ok_or(CommandError::NoClient),
        (None, Some(socket)) => Ok(socket.clone()),
        (None, None) => Err(CommandError::Invalid("client_id is missing".to_owned())),
    }
}
