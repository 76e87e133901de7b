//! What clients can do when nobody has programmed anything: ask how things are, join rooms, and talk to each other.
//!
//! The events are the same for both protocols. Each answers by an event of its own, for clients that cannot ask for
//! answers, and by an acknowledgement, for those that do.

mod rooms;
mod talk;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use socketio_server::{Ack, Namespace, RawArgs, Socket};

use crate::config::Config;
use crate::native;
use crate::person::{self, user};
use crate::tallies::Words;

/// By this event clients bring a newer token.
pub(crate) const AUTHENTICATE: &str = "authenticate";

/// The events that are handled here: name, and what it does. For people.
pub(crate) const EVENTS: &[(&str, &str)] = &[
    ("ping", "answers pong {timestamp}"),
    ("status", "answers status_response {server, connection}"),
    ("echo", "answers echo_response {received, timestamp, socketId}"),
    ("info", "answers info_response {server, websocket, session}"),
    ("join", "joins a room, given as a string or {room}; answers joined {room}. Also room:join, join_room"),
    ("leave", "leaves a room; answers left {room}. Also room:leave, leave_room"),
    (AUTHENTICATE, "takes a newer token, {token}, where tokens are taken; answers {user, expiresAt}"),
    (
        "message",
        "reaches the members of {room}, or everybody; answers message_received {success, message, data}",
    ),
];

/// Whether an event has a handler here.
fn is_own(event: &str) -> bool {
    let name = event.strip_prefix("room:").or_else(|| event.strip_suffix("_room")).unwrap_or(event);
    EVENTS.iter().any(|(own, _)| *own == name)
}

/// Makes the events known to a namespace.
pub(crate) fn register(namespace: &Namespace, config: &Arc<Config>, excess: &Arc<Words>) {
    let started = Instant::now();
    namespace.on_connect(|socket: Socket| async move {
        tracing::debug!(id = socket.id(), namespace = socket.namespace(), "connected");
        // A client that is gone already needs no welcome; that holds for the other answers too.
        let _ = socket.emit(
            "connected",
            &json!({"message": "Connected", "socketId": socket.id(), "isLoggedIn": user(&socket).is_some(), "user": user(&socket)}),
        );
    });
    namespace.on("ping", |socket: Socket| async move { both(&socket, "pong", json!({"timestamp": now()})) });
    namespace.on("echo", |socket: Socket, args: RawArgs| async move {
        let received = args.get(0).and_then(|first| first.parse().ok());
        let received: Value = received.unwrap_or_default();
        both(
            &socket,
            "echo_response",
            json!({"received": received, "timestamp": now(), "socketId": socket.id()}),
        )
    });
    namespace.on("status", move |socket: Socket| async move {
        let server =
            json!({"status": "ok", "uptimeSeconds": started.elapsed().as_secs(), "timestamp": now()});
        both(&socket, "status_response", json!({"server": server, "connection": connection(&socket)}))
    });
    let path = config.server.path.clone();
    namespace.on("info", move |socket: Socket| {
        let server = json!({"name": "socketio-gateway", "version": crate::VERSION, "timestamp": now()});
        let websocket = json!({"socketio": path, "native": "any other path"});
        let session = connection(&socket);
        let info = json!({"server": server, "websocket": websocket, "session": session});
        async move { both(&socket, "info_response", info) }
    });
    rooms::register(namespace, &config.events, excess);
    talk::register(namespace, &config.events);
}

/// What a socket's client may know of its own connection.
fn connection(socket: &Socket) -> Value {
    let since = humantime::format_rfc3339_millis(socket.handshake().issued()).to_string();
    let protocol = if native::is_native(socket.handshake()) { "native" } else { "socket.io" };
    json!({
        "socketId": socket.id(),
        "namespace": socket.namespace(),
        "user": user(socket),
        "isLoggedIn": user(socket).is_some(),
        "rooms": person::rooms(socket),
        "protocol": protocol,
        "transport": socket.session().transport().as_str(),
        "connectedAt": since,
    })
}

/// Says it by an event, and as the acknowledgement if one is wanted.
fn both(socket: &Socket, event: &str, said: Value) -> Ack<Value> {
    let _ = socket.emit(event, &said);
    Ack(said)
}

/// What went wrong, as the acknowledgement has it, and as an event for those that wait for none.
pub(crate) fn wrong(socket: &Socket, event: &str, error: impl std::fmt::Display) -> String {
    let error = error.to_string();
    let _ = socket.emit("error", &json!({"event": event, "message": error}));
    error
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
