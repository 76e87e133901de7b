//! The default namespace: messages go to all clients, and rooms may be joined.

use axum_plugin::{SocketApi, SocketEvents};
use serde::{Deserialize, Serialize};
use serde_json::json;
use socketio_server::{Data, DisconnectReason, EmitError, Object, Socket, Value};
use tracing::info;

use crate::rooms;

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn events() -> SocketEvents {
    SocketEvents::of("/")
        .on_connect(connect)
        .on_disconnect(disconnect)
        .on("message", message)
        .on("join_room", join_room)
        .on("leave_room", leave_room)
        .on("send_to_room", send_to_room)
}

async fn connect(socket: Socket) {
    info!(sid = socket.id(), "connected");
    // The client may already be disconnected.
    let _ = socket.emit("welcome", &json!({ "msg": "Welcome!" }));
}

async fn disconnect(socket: Socket, reason: DisconnectReason) {
    info!(sid = socket.id(), %reason, "disconnected");
}

/// A message as it is sent on. [`Value`] keeps binary data, for which serde_json's has no place.
#[derive(Serialize)]
struct Sent<'a> {
    message: Value,
    from: &'a str,
}

async fn message(socket: Socket, api: SocketApi, Data(message): Data<Value>) -> Result<(), EmitError> {
    api.emit("response", &Sent { message, from: socket.id() }).await
}

async fn join_room(socket: Socket, api: SocketApi, Data(room): Data<String>) -> Result<(), Failure> {
    rooms::may_join(&api.of("/"), &socket, &room)?;
    socket.join(room.as_str());
    Ok(socket.emit("joined_room", &json!({ "room": room }))?)
}

async fn leave_room(socket: Socket, Data(room): Data<String>) -> Result<(), EmitError> {
    socket.leave(&room);
    socket.emit("left_room", &json!({ "room": room }))
}

#[derive(Deserialize)]
struct ForRoom {
    room: String,
    message: Value,
}

async fn send_to_room(
    socket: Socket,
    api: SocketApi,
    Data(Object(said)): Data<Object<ForRoom>>,
) -> Result<(), EmitError> {
    let message = Sent { message: said.message, from: socket.id() };
    api.to(said.room).emit("room_message", &message).await
}
