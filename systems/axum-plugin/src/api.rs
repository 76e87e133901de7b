//! The accessor: the Socket.IO server, as an argument of any HTTP handler and any event handler.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use socketio_server::cluster::AdapterError;
use socketio_server::{Extract, ExtractError, IntoRooms, Server, Stateful};

/// The Socket.IO server of the application, with the methods of [`Server`]: `api.emit(…)` reaches all
/// clients, `api.to("lobby").emit(…)` a room, `api.to(sid).emit(…)` one client, `api.of("/chat")` is another
/// namespace.
///
/// HTTP handlers and event handlers alike take it as an argument.
#[derive(Clone, Debug)]
pub struct SocketApi(Server);

/// The application has no Socket.IO plug-in, or the plug-in is disabled. HTTP clients get a 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Socket.IO plug-in is not enabled")]
pub struct NoSocketPlugin;

impl SocketApi {
    pub(crate) fn new(server: Server) -> Self {
        Self(server)
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.0
    }

    /// Adds a client of a namespace to rooms. No effect if the client is not connected.
    pub async fn enter_room(
        &self,
        namespace: &str,
        sid: &str,
        rooms: impl IntoRooms,
    ) -> Result<(), AdapterError> {
        self.of(namespace).to(sid).sockets_join(rooms).await
    }

    /// Removes a client of a namespace from rooms. No effect if the client is not connected.
    pub async fn leave_room(
        &self,
        namespace: &str,
        sid: &str,
        rooms: impl IntoRooms,
    ) -> Result<(), AdapterError> {
        self.of(namespace).to(sid).sockets_leave(rooms).await
    }

    /// Disconnects a client from a namespace. No effect if the client is not connected.
    pub async fn disconnect(&self, namespace: &str, sid: &str) -> Result<(), AdapterError> {
        self.of(namespace).to(sid).disconnect_sockets(false).await
    }
}

impl Deref for SocketApi {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for SocketApi {
    type Rejection = NoSocketPlugin;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoSocketPlugin> {
        parts.extensions.get::<Self>().cloned().ok_or(NoSocketPlugin)
    }
}

impl IntoResponse for NoSocketPlugin {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, self.to_string()).into_response()
    }
}

impl<C: Stateful> Extract<C> for SocketApi {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Server::extract(context).map(Self)
    }
}
