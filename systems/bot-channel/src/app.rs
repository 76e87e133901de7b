//! The application around a channel: health endpoints, and the shutdown.

use axum::Json;
use axum_plugin::{App, SocketApi};
use http::StatusCode;
use serde::Serialize;

use crate::channel::Channel;

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
}

/// The status 503 during a shutdown makes load balancers choose another server for new clients.
pub(crate) fn health(channel: &Channel) -> (StatusCode, Json<Health>) {
    if channel.is_open() {
        (StatusCode::OK, Json(Health { status: "ok" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "draining" }))
    }
}

/// An application with a channel, `GET /` and `GET /health`. `ready` is called with its Socket.IO server, for messages that
/// the bot sends on its own and for [`Channel::metrics`].
pub fn application(channel: &Channel, ready: impl FnOnce(&SocketApi) + Send + Sync + 'static) -> App {
    let home = channel.clone();
    without_home(channel, ready).get("/", move || async move { health(&home) })
}

/// The application without `GET /`.
pub(crate) fn without_home(channel: &Channel, ready: impl FnOnce(&SocketApi) + Send + Sync + 'static) -> App {
    let own = channel.clone();
    App::new("a conversational channel")
        .configure(channel.plugin().when_ready(ready))
        .get("/health", move || async move { health(&own) })
}
