//! Built-in events of clients: queries, rooms, and messages to other clients. They need no backend and no
//! program.
//!
//! The events are the same for both protocols. Each is answered by an event, for clients without
//! acknowledgements, and by an acknowledgement if the client requested one.

mod relay;
pub(crate) mod room_name;
mod rooms;
mod table;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use socketio_server::{Ack, AckSender, Answer, Namespace, RawArgs, Socket};

pub(crate) use self::relay::relay;
pub(crate) use self::table::EVENTS;

use crate::auth::user::{self, user};
use crate::config::Config;
use crate::native;
use crate::stats::counters::LabelledCounters;

/// Registers the built-in events in a namespace.
pub(crate) fn register(namespace: &Namespace, config: &Arc<Config>, refused: &Arc<LabelledCounters>) {
    let started = Instant::now();
    namespace.on_connect(|socket: Socket| async move {
        tracing::debug!(id = socket.id(), namespace = socket.namespace(), "connected");
        // Errors are ignored here and in the other handlers: a disconnected client needs no response.
        let _ = socket.emit(
            "connected",
            &json!({"message": "Connected", "socketId": socket.id(), "isLoggedIn": user(&socket).is_some(), "user": user(&socket)}),
        );
    });
    namespace
        .on("ping", |socket: Socket| async move { respond(&socket, "pong", json!({"timestamp": now()})) });
    namespace.on("echo", |socket: Socket, args: RawArgs, ack: Option<AckSender>| async move {
        let echoed = Echoed { received: first(&args), timestamp: now(), socket_id: socket.id() };
        // Serialized into the packet at once, because most clients request no acknowledgement.
        let _ = socket.emit("echo_response", &echoed);
        if let Some(ack) = ack {
            ack.answer(&echoed);
        }
    });
    namespace.on("status", move |socket: Socket| async move {
        let server =
            json!({"status": "ok", "uptimeSeconds": started.elapsed().as_secs(), "timestamp": now()});
        respond(&socket, "status_response", json!({"server": server, "connection": connection(&socket)}))
    });
    let path = config.server.path.clone();
    namespace.on("info", move |socket: Socket| {
        let server = json!({"name": "socketio-gateway", "version": crate::VERSION, "timestamp": now()});
        let websocket = json!({"socketio": path, "native": "any other path"});
        let session = connection(&socket);
        let info = json!({"server": server, "websocket": websocket, "session": session});
        async move { respond(&socket, "info_response", info) }
    });
    rooms::register(namespace, &config.events, config.cluster.is_enabled(), refused);
    relay::register(namespace, &config.events);
}

/// Information for a client about its own connection.
fn connection(socket: &Socket) -> Value {
    let since = humantime::format_rfc3339_millis(socket.handshake().issued()).to_string();
    let protocol = if native::is_native(socket.handshake()) { "native" } else { "socket.io" };
    json!({
        "socketId": socket.id(),
        "namespace": socket.namespace(),
        "user": user(socket),
        "isLoggedIn": user(socket).is_some(),
        "rooms": user::rooms(socket),
        "protocol": protocol,
        "transport": socket.session().transport().as_str(),
        "connectedAt": since,
    })
}

/// Argument of a client with its echo.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Echoed<'a> {
    received: Option<First<'a>>,
    socket_id: &'a str,
    timestamp: String,
}

/// First argument of an event, as it is sent back.
#[derive(Serialize)]
#[serde(untagged)]
enum First<'a> {
    /// Raw JSON. A parsed tree would use several times the memory.
    Json(&'a RawValue),
    /// A value with its binary data.
    Binary(socketio_server::Value),
}

fn first(args: &RawArgs) -> Option<First<'_>> {
    let first = args.get(0)?;
    if args.attachments().is_empty() {
        serde_json::from_slice(first.as_bytes()).ok().map(First::Json)
    } else {
        first.value().ok().map(First::Binary)
    }
}

/// A response that is serialized once, for both the event and the acknowledgement.
#[derive(Serialize)]
#[serde(untagged)]
enum Prepared {
    Json(Box<RawValue>),
    Binary(socketio_server::Value),
}

impl Prepared {
    /// A response to an event with these arguments.
    fn new(response: &impl Serialize, args: &RawArgs) -> Result<Self, String> {
        let prepared = if args.attachments().is_empty() {
            serde_json::value::to_raw_value(response).map(Self::Json)
        } else {
            socketio_server::Value::from_serialize(response).map(Self::Binary)
        };
        prepared.map_err(|error| error.to_string())
    }
}

/// Emits a response as an event, and returns it as the acknowledgement.
fn respond<T: Serialize>(socket: &Socket, event: &str, response: T) -> Ack<T> {
    let _ = socket.emit(event, &response);
    Ack(response)
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
