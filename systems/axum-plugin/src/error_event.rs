//! The event `error`, for clients that request no acknowledgement.

use serde_json::json;
use socketio_server::{HandlerError, Namespace, Server};

/// Tells the clients of all namespaces which of their events were refused or failed.
pub(crate) fn register(io: &Server) {
    tell(&io.of("/"));
    io.on_new_namespace(tell);
}

fn tell(namespace: &Namespace) {
    namespace.on_error(|socket, error| {
        let (event, message) = match error {
            // Life-cycle handlers have no event of the client.
            HandlerError::Extract { event, .. } if is_life_cycle(event) => return,
            HandlerError::Extract { event, source } => (event, source.to_string()),
            HandlerError::Refused { event, refusal } => (event, refusal.clone()),
            HandlerError::Failed { event, error } if !is_life_cycle(event) => (event, error.clone()),
            _ => return,
        };
        // A client that has disconnected needs no event.
        let _ = socket.emit("error", &json!({ "event": event, "message": message }));
    });
}

fn is_life_cycle(event: &str) -> bool {
    ["connect", "disconnect", "disconnecting"].contains(&event)
}
