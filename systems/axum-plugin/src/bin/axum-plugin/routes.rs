//! The HTTP routes, most of which emit.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum_plugin::SocketApi;
use http::StatusCode;
use serde_json::{Value, json};
use socketio_server::EmitError;
use system_support::failure;

/// Error of a client that is not connected.
const NO_CLIENT: &str = "there is no such client";

pub(crate) async fn about(api: SocketApi) -> Json<Value> {
    Json(
        json!({ "title": "an axum application with Socket.IO", "clients": api.len(), "path": "/socket.io/" }),
    )
}

/// Emits to all clients.
pub(crate) async fn notify(api: SocketApi, Json(message): Json<Value>) -> Response {
    answer(&api.emit("notification", &json!({ "message": message })).await, api.len())
}

/// Emits to a room.
pub(crate) async fn tell_room(api: SocketApi, Path(room): Path<String>, Json(data): Json<Value>) -> Response {
    let members = api.room_len(&room);
    answer(&api.to(room).emit("room_event", &json!({ "data": data })).await, members)
}

/// Emits to one client.
pub(crate) async fn tell_client(
    api: SocketApi,
    Path(sid): Path<String>,
    Json(data): Json<Value>,
) -> Response {
    match api.socket(&sid) {
        Some(socket) => answer(&socket.emit("private_msg", &json!({ "message": data })), 1),
        None => failure(StatusCode::NOT_FOUND, NO_CLIENT),
    }
}

pub(crate) async fn put_out(api: SocketApi, Path(sid): Path<String>) -> Response {
    if api.socket(&sid).is_none() {
        return failure(StatusCode::NOT_FOUND, NO_CLIENT);
    }
    match api.disconnect("/", &sid).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failure(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

/// A response with the number of reached clients, or with the error.
fn answer(emitted: &Result<(), EmitError>, reached: usize) -> Response {
    match emitted {
        Ok(()) => Json(json!({ "reached": reached })).into_response(),
        Err(error) => failure(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}
