//! The namespace `/private`, for clients with a token: in the query string, or as `auth.token`.

use std::sync::Arc;

use axum_plugin::SocketEvents;
use serde::Deserialize;
use socketio_server::{ConnectError, Handshake, Socket, State};

/// The token that clients must present.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) Arc<str>);

pub(crate) fn events() -> SocketEvents {
    SocketEvents::of("/private").middleware(authenticate).on_connect(greet)
}

#[derive(Deserialize)]
struct Credentials {
    token: Option<String>,
}

async fn authenticate(handshake: Handshake, State(expected): State<Token>) -> Result<(), ConnectError> {
    let Credentials { token } =
        handshake.auth().map_err(|_| ConnectError::new("the credentials cannot be read"))?;
    match token.as_deref().or_else(|| handshake.query().get("token")) {
        Some(token) if system_support::is_equal(token, &expected.0) => Ok(()),
        _ => Err(ConnectError::new("not authenticated")),
    }
}

async fn greet(socket: Socket) {
    // The client may already be disconnected.
    let _ = socket.emit("authenticated", &socketio_server::Args(()));
}
