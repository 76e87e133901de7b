//! Event `error`: informs a client that one of its events failed.

use serde_json::json;
use socketio_server::Socket;

/// Emits the event `error` about a failed event, and returns the message for the acknowledgement. A client
/// that has disconnected needs no event, so the error of the emit is ignored.
pub(crate) fn emit(socket: &Socket, event: &str, error: impl std::fmt::Display) -> String {
    let message = error.to_string();
    let _ = socket.emit("error", &json!({"event": event, "message": message}));
    message
}
