//! Webhooks: a backend in any language admits clients, handles their events, and is notified of disconnects.
//!
//! `request` is the webhook request and `response` its response. `queue` is the request queue with its limits
//! and retries, `gate` lets webhooks wait for the `circuit`, and `quota` limits the queued events of one
//! socket. `backend` makes one request, and `signature` signs it. `shared` is the state of all sockets
//! together, and `state` that of one socket.
//!
//! The webhooks of one socket are ordered: `connect`, then its events one after the other, then `disconnect`.
//! A slow backend delays its own webhooks, and eventually the clients that cause them; other clients are not
//! affected.

mod backend;
mod circuit;
mod counts;
mod gate;
mod metrics;
mod queue;
mod quota;
mod request;
mod response;
mod shared;
mod signature;
mod socket_state;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::StatusCode;
use socketio_server::{
    AckSender, ConnectError, DisconnectReason, EventName, Namespace, RawArgs, Server, Socket,
};
use thiserror::Error;
use tokio::sync::oneshot;

use self::backend::TryError;
pub(crate) use self::metrics::Metrics;
use self::queue::CallError;
use self::request::WebhookRequest;
use self::response::WebhookResponse;
use self::shared::{EventError, Shared};
use self::signature::SecretError;
use self::socket_state::SocketState;
use crate::auth::refusal::Refusal;
use crate::builtin;
use crate::cluster::Cluster;
use crate::config::webhooks::{WebhookType, Webhooks as Settings, WhenDown};
use crate::native;

/// Error in the settings of webhooks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The URL is not an HTTP address.
    #[error("webhooks.url: {0:?} is not the URL of an HTTP server")]
    Url(String),
    /// A secret with the prefix of base64 is not valid base64.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificates of the system cannot be read.
    #[error("webhooks.url: the certificates of the system cannot be read")]
    Certificates(#[source] std::io::Error),
}

/// Webhooks of a gateway; `None` without a backend.
#[derive(Clone, Debug)]
pub(crate) struct Webhooks(Option<Arc<Shared>>);

impl Webhooks {
    pub(crate) fn new(settings: &Settings, io: &Server, cluster: &Cluster) -> Result<Self, WebhookError> {
        if settings.url.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Arc::new(Shared::new(settings, io, cluster)?))))
    }

    /// Registers the webhooks of a namespace, after the gateway's own handlers. With `relay` the events that
    /// go to the backend are relayed first.
    pub(crate) fn register(&self, namespace: &Namespace, relay: bool) {
        let Some(shared) = &self.0 else { return };
        let of_middleware = Arc::clone(shared);
        namespace.middleware(move |socket: Socket| request_admission(Arc::clone(&of_middleware), socket));
        namespace.on_connect(|socket: Socket| async move {
            if let Some(state) = socket.extensions().get::<Arc<SocketState>>() {
                let on_join = std::mem::take(&mut *state.on_join.lock());
                state.shared.emit(&on_join, &socket).await;
            }
        });
        if shared.calls.contains(&WebhookType::Event) {
            for event in &shared.events {
                namespace.off_event(event);
            }
            namespace.fallback(
                move |socket: Socket, EventName(event): EventName, args: RawArgs, ack: Option<AckSender>| async move {
                    if relay {
                        builtin::relay(&socket, &event, &args).await;
                    }
                    if let Some(state) = socket.extensions().get::<Arc<SocketState>>() {
                        state.event(&socket, &event, &args, ack).await;
                    }
                },
            );
        }
        // At this moment the socket is still in its rooms, which the webhook lists.
        namespace.on_disconnecting(|socket: Socket, reason: DisconnectReason| async move {
            if let Some(state) = socket.extensions().remove::<Arc<SocketState>>() {
                state.disconnected(&socket, reason.as_str()).await;
            }
        });
    }

    /// Completes when no webhook is under way or queued.
    pub(crate) async fn idle(&self) {
        if let Some(shared) = &self.0 {
            shared.queue.idle().await;
        }
    }

    /// Disconnect webhooks that have failed so far.
    pub(crate) fn lost_disconnects(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.lost_disconnects.load(Ordering::Relaxed))
    }

    /// Disconnect webhooks that have failed or are still pending.
    pub(crate) fn unnotified(&self) -> u64 {
        self.lost_disconnects()
            + self.0.as_ref().map_or(0, |shared| shared.pending_disconnects.load(Ordering::Relaxed))
    }

    /// Metrics; `None` without a backend.
    pub(crate) fn metrics(&self) -> Option<Metrics> {
        self.0.as_ref().map(|shared| Metrics::of(&shared.queue))
    }
}

/// Middleware that requests the backend's decision about a connecting client.
async fn request_admission(shared: Arc<Shared>, socket: Socket) -> Result<(), ConnectError> {
    let state = Arc::new(SocketState::new(&shared, &socket));
    if shared.calls.contains(&WebhookType::Connect) {
        let (decide, decision) = oneshot::channel();
        let (connecting, of_task) = (socket.clone(), Arc::clone(&shared));
        // The webhook runs in a task of its own, which completes even if the client disconnects. Otherwise
        // the backend could know of a client and never be notified of its disconnect.
        tokio::spawn(async move {
            let decided = of_task.connect(&connecting, state).await;
            // The receiver is dropped if the client has disconnected. Then the drop of `SocketState` notifies
            // the backend.
            let _ = decide.send(decided);
        });
        // The sender is dropped without a message only when the runtime shuts down.
        let state = match decision.await.map_err(|_| unavailable())? {
            Ok(state) => state,
            Err(Refused::Final(error)) => return Err(error),
            Err(Refused::ForNow) => {
                shared.close_session(&socket);
                return Err(unavailable());
            }
        };
        state.joined(&socket);
        socket.extensions().insert(state);
    } else {
        state.is_open.store(true, Ordering::Relaxed);
        state.joined(&socket);
        socket.extensions().insert(state);
    }
    Ok(())
}

/// Reason for which a client was refused.
#[derive(Debug)]
enum Refused {
    /// The backend refused the client, or the webhook can never succeed.
    Final(ConnectError),
    /// The backend could not decide now, and may later.
    ForNow,
}

fn unavailable() -> ConnectError {
    Refusal::BackendUnavailable.into()
}

impl Shared {
    /// Requests the backend's decision about a client.
    async fn connect(&self, socket: &Socket, state: Arc<SocketState>) -> Result<Arc<SocketState>, Refused> {
        match self.request_admission(socket, &state).await {
            Ok(WebhookResponse { allow: Some(false), message, data, .. }) => {
                state.is_open.store(false, Ordering::Relaxed);
                let refused = ConnectError::new(message.unwrap_or_else(|| "refused".to_owned()));
                Err(Refused::Final(match data {
                    Some(data) => refused.with_data(data),
                    None => refused,
                }))
            }
            Ok(mut response) => {
                response.apply(socket);
                *state.on_join.lock() = response.emit;
                Ok(state)
            }
            Err(EventError::Call(CallError::Try(TryError::Status(
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN,
            )))) => {
                state.is_open.store(false, Ordering::Relaxed);
                Err(Refused::Final(Refusal::Refused.into()))
            }
            Err(error) => {
                if let Some(suppressed) = self.log.admits("connect", Instant::now()) {
                    tracing::warn!(
                        id = socket.id(), %error, source = error.source().map(tracing::field::display), suppressed,
                        "connect webhook failed"
                    );
                }
                let call = if let EventError::Call(call) = &error { Some(call) } else { None };
                if self.when_down == WhenDown::Allow && call.is_some_and(CallError::is_down) {
                    state.is_open.store(true, Ordering::Relaxed);
                    return Ok(state);
                }
                let is_temporary = call.is_some_and(CallError::is_temporary);
                Err(if is_temporary { Refused::ForNow } else { Refused::Final(unavailable()) })
            }
        }
    }

    /// Closes the session of a client that is refused temporarily, so that it reconnects: Socket.IO clients
    /// do not retry after a CONNECT_ERROR. Native clients receive a status instead. A session with sockets in
    /// other namespaces stays open.
    fn close_session(&self, socket: &Socket) {
        let session = socket.session();
        if !native::is_native(socket.handshake()) && !self.sessions().contains_key(session.id()) {
            session.close();
        }
    }

    async fn request_admission(
        &self,
        socket: &Socket,
        state: &SocketState,
    ) -> Result<WebhookResponse, EventError> {
        let request = WebhookRequest::connect(socket, &self.headers)?;
        let _slot = self.queue.reserve(WebhookType::Connect, request.body.len())?;
        let called =
            self.queue.call(WebhookType::Connect, &request.id, request.body, Some(self.connect_limit)).await;
        // The backend may know of the client even if its response was lost.
        let is_unseen = called.as_ref().is_err_and(CallError::is_unseen);
        state.is_open.store(!is_unseen, Ordering::Relaxed);
        self.read(&called?)
    }
}
