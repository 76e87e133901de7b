//! What clients can do when nobody has programmed anything: ask how things are, join rooms, and talk to each other.
//!
//! The events are the same for both protocols. Each answers by an event of its own, for clients that cannot ask for
//! answers, and by an acknowledgement, for those that do.

mod rooms;
mod table;
mod talk;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use socketio_server::{Ack, Namespace, RawArgs, Server, Socket};

pub(crate) use self::table::{AUTHENTICATE, EVENTS};

use crate::config::Config;
use crate::native;
use crate::person::{self, user};
use crate::tallies::Words;

/// Makes the events known to a namespace.
pub(crate) fn register(io: &Server, namespace: &Namespace, config: &Arc<Config>, excess: &Arc<Words>) {
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
        // No tree is made of it, which would be many times as large.
        let echoed = Echoed { received: first(&args), timestamp: now(), socket_id: socket.id() };
        said(&echoed).map(|answer| both(&socket, "echo_response", answer))
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
    rooms::register(io, namespace, &config.events, excess);
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

/// What a client sent, as it is sent back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Echoed<'a> {
    received: Option<&'a RawValue>,
    socket_id: &'a str,
    timestamp: String,
}

/// The first argument as it was written.
fn first(args: &RawArgs) -> Option<&RawValue> {
    args.get(0).and_then(|first| serde_json::from_slice(first.as_bytes()).ok())
}

/// An answer as JSON, written once for the event and for the acknowledgement.
fn said(answer: &impl Serialize) -> Result<Box<RawValue>, String> {
    serde_json::value::to_raw_value(answer).map_err(|error| error.to_string())
}

/// Says it by an event, and as the acknowledgement if one is wanted.
fn both<T: Serialize>(socket: &Socket, event: &str, said: T) -> Ack<T> {
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
