//! Relay of messages and events between clients.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use socketio_server::{
    AckSender, Binary, Broadcast, EmitError, EventName, Namespace, Object, RawArgs, Socket, Value,
};

use super::{First, Prepared, first, now, respond, table};
use crate::auth::user::user;
use crate::config::Events;
use crate::error_event;

/// Fields of a message that the relay reads.
#[derive(Deserialize)]
struct Envelope<'a> {
    room: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// Response to a relayed message, with its data.
#[derive(Serialize)]
struct Received<'a> {
    data: Option<First<'a>>,
    message: &'static str,
    success: bool,
}

pub(super) fn register(namespace: &Namespace, events: &Events) {
    let is_enabled = events.relay;
    namespace.on("message", move |socket: Socket, args: RawArgs| async move {
        let sent = if is_enabled { send(&socket, &args).await } else { Ok(()) };
        match sent {
            Ok(()) => {
                let received = Received { data: first(&args), message: "Message received", success: true };
                Prepared::new(&received, &args).map(|response| respond(&socket, "message_received", response))
            }
            Err(error) => {
                let refused = json!({"success": false, "message": error});
                let _ = socket.emit("message_received", &refused);
                Err(error_event::emit(&socket, "message", error))
            }
        }
    });
    if is_enabled {
        // Unlike a middleware, a fallback costs nothing for events that have a handler. It takes the ack
        // sender and does not use it, because the receivers do not acknowledge the event.
        namespace.fallback(
            |socket: Socket, EventName(event): EventName, args: RawArgs, _: Option<AckSender>| async move {
                relay(&socket, &event, &args).await;
            },
        );
    }
}

/// Relays a message to the members of the room that it names, if the sender is a member, or to all other
/// clients.
async fn send(socket: &Socket, args: &RawArgs) -> Result<(), String> {
    let Some(first) = args.get(0) else { return Err("the event has no data".to_owned()) };
    let envelope = envelope(first.as_bytes());
    let room = envelope.as_ref().and_then(|envelope| envelope.room.as_deref());
    let others = others(socket, room).ok_or("not a member of this room")?.note(sender(socket));
    let head = json!({"from": socket.id(), "user": user(socket), "room": room, "timestamp": now()});
    let sent = if args.attachments().is_empty() {
        let content = envelope.as_ref().and_then(|envelope| envelope.content);
        let whole = serde_json::from_slice::<&RawValue>(first.as_bytes()).ok();
        others.emit("message", &Message { head: &head, content: content.or(whole) }).await
    } else if first.parse::<Binary>().is_ok() {
        // Binary data alone has no place for the sender, and is a binary message for native clients.
        others.emit("message", args).await
    } else {
        let whole = first.value().map_err(|error| error.to_string())?;
        let content = whole.get("content").parse::<Option<Value>>().ok().flatten();
        others.emit("message", &Message { head: &head, content: content.unwrap_or(whole) }).await
    };
    sent.map_err(|error| match error {
        // The cause is for operators: the metrics count it.
        EmitError::Adapter(_) => "other servers were not reached".to_owned(),
        error => error.to_string(),
    })
}

/// Message for the receivers. The content is relayed byte for byte.
struct Message<'a, T> {
    head: &'a serde_json::Value,
    content: T,
}

impl<T: Serialize> Serialize for Message<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.head.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("content", &self.content)?;
        map.end()
    }
}

/// Relays an event without a built-in handler to the other members of the room that it names.
pub(crate) async fn relay(socket: &Socket, event: &str, args: &RawArgs) {
    if table::is_handled(event) {
        return;
    }
    let Some(first) = args.get(0) else { return };
    let Some(Envelope { room: Some(room), .. }) = envelope(first.as_bytes()) else { return };
    if let Some(others) = others(socket, Some(&room)) {
        // Receivers could not distinguish it from an event of the server.
        if table::is_sent(event) {
            error_event::emit(socket, event, "events of this name are reserved for the server");
            return;
        }
        if let Err(error) = others.note(sender(socket)).emit(event, args).await {
            tracing::debug!(%error, "event not relayed");
        }
    }
}

/// Id of the sender, by which native clients distinguish relayed events from those of the server.
fn sender(socket: &Socket) -> String {
    socket.id().to_owned()
}

/// Envelope of the data; `None` if the data is not an object and therefore all content.
fn envelope(data: &[u8]) -> Option<Envelope<'_>> {
    serde_json::from_slice(data).ok().map(|Object(envelope)| envelope)
}

/// Other members of a room, or all other clients. `None` if the socket is not in the room.
fn others(socket: &Socket, room: Option<&str>) -> Option<Broadcast> {
    match room {
        None => Some(socket.broadcast()),
        Some(room) => socket.joined_rooms().iter().any(|joined| **joined == *room).then(|| socket.to(room)),
    }
}
