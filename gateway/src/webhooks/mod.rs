//! Webhooks: a backend in any language admits clients, handles their events, and is notified of disconnects.
//!
//! `told` is the webhook request and `said` its response. `line` is the request queue with its limits and
//! retries, `gate` lets webhooks wait for the `circuit`, and `share` limits the queued events of one socket.
//! `backend` makes one request, and `signature` signs it. `shared` is the state of all sockets together, and
//! `known` that of one socket.
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
mod request;
mod response;
mod share;
mod shared;
mod signature;
mod socket_state;

use std::error::Error as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
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
use self::request::Told;
use self::response::Said;
use self::shared::{EventError, Shared};
use self::signature::SecretError;
use self::socket_state::Known;
use crate::auth::refusal::Refusal;
use crate::builtin;
use crate::config::webhooks::{Hooks as Settings, Moment, WhenDown};
use crate::native;

/// Error in the settings of webhooks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HookError {
    /// The URL is not an HTTP address.
    #[error("hooks.url: {0:?} is not the URL of an HTTP server")]
    Url(String),
    /// A secret with the prefix of base64 is not valid base64.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificates of the system cannot be read.
    #[error("hooks.url: the certificates of the system cannot be read")]
    Certificates(#[source] std::io::Error),
}

/// Webhooks of a gateway; `None` without a backend.
#[derive(Clone, Debug)]
pub(crate) struct Hooks(Option<Arc<Shared>>);

impl Hooks {
    pub(crate) fn new(settings: &Settings, io: &Server) -> Result<Self, HookError> {
        if settings.url.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Arc::new(Shared::new(settings, io)?))))
    }

    /// Registers the webhooks of a namespace, after the gateway's own handlers. With `relay` the events that go to
    /// the backend are relayed first.
    pub(crate) fn register(&self, namespace: &Namespace, relay: bool) {
        let Some(shared) = &self.0 else { return };
        let asking = Arc::clone(shared);
        namespace.middleware(move |socket: Socket| ask(Arc::clone(&asking), socket));
        namespace.on_connect(|socket: Socket| async move {
            if let Some(known) = socket.extensions().get::<Arc<Known>>() {
                let welcome =
                    std::mem::take(&mut *known.welcome.lock().unwrap_or_else(PoisonError::into_inner));
                known.shared.emit(&welcome, &socket).await;
            }
        });
        if shared.calls.contains(&Moment::Event) {
            for event in &shared.events {
                namespace.off_event(event);
            }
            namespace.fallback(
                move |socket: Socket, EventName(event): EventName, args: RawArgs, ack: Option<AckSender>| async move {
                    if relay {
                        builtin::hand_on(&socket, &event, &args).await;
                    }
                    if let Some(known) = socket.extensions().get::<Arc<Known>>() {
                        known.event(&socket, &event, &args, ack).await;
                    }
                },
            );
        }
        // At this moment the socket is still in its rooms, which the webhook lists.
        namespace.on_disconnecting(|socket: Socket, reason: DisconnectReason| async move {
            if let Some(known) = socket.extensions().remove::<Arc<Known>>() {
                known.gone(&socket, reason.as_str()).await;
            }
        });
    }

    /// Completes when no webhook is under way or queued.
    pub(crate) async fn idle(&self) {
        if let Some(shared) = &self.0 {
            shared.line.idle().await;
        }
    }

    /// Disconnect webhooks that have failed so far.
    pub(crate) fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.lost.load(Ordering::Relaxed))
    }

    /// Disconnect webhooks that have failed or are still pending.
    pub(crate) fn unheard(&self) -> u64 {
        self.lost() + self.0.as_ref().map_or(0, |shared| shared.leaving.load(Ordering::Relaxed))
    }

    /// Metrics; `None` without a backend.
    pub(crate) fn metrics(&self) -> Option<Metrics> {
        self.0.as_ref().map(|shared| Metrics::of(&shared.line))
    }
}

/// Middleware that requests the backend's decision about a connecting client.
async fn ask(shared: Arc<Shared>, socket: Socket) -> Result<(), ConnectError> {
    let known = Arc::new(Known::new(&shared, &socket));
    if shared.calls.contains(&Moment::Connect) {
        let (told, hears) = oneshot::channel();
        let (asked, asking) = (socket.clone(), Arc::clone(&shared));
        // The webhook runs in a task of its own, which completes even if the client disconnects. Otherwise
        // the backend could know of a client and never be notified of its disconnect.
        tokio::spawn(async move {
            let verdict = asking.connect(&asked, known).await;
            // The receiver is dropped if the client has disconnected. Then the drop of `Known` notifies the
            // backend.
            let _ = told.send(verdict);
        });
        // The sender is dropped without a message only when the runtime shuts down.
        let known = match hears.await.map_err(|_| unavailable())? {
            Ok(known) => known,
            Err(Refused::Final(error)) => return Err(error),
            Err(Refused::ForNow) => {
                shared.turn_away(&socket);
                return Err(unavailable());
            }
        };
        known.is_in(&socket);
        socket.extensions().insert(known);
    } else {
        known.is_open.store(true, Ordering::Relaxed);
        known.is_in(&socket);
        socket.extensions().insert(known);
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
    Refusal::BackendDown.into()
}

impl Shared {
    /// Requests the backend's decision about a client.
    async fn connect(&self, socket: &Socket, known: Arc<Known>) -> Result<Arc<Known>, Refused> {
        match self.ask(socket, &known).await {
            Ok(Said { allow: Some(false), message, data, .. }) => {
                known.is_open.store(false, Ordering::Relaxed);
                let refused = ConnectError::new(message.unwrap_or_else(|| "refused".to_owned()));
                Err(Refused::Final(match data {
                    Some(data) => refused.with_data(data),
                    None => refused,
                }))
            }
            Ok(mut said) => {
                said.settle(socket);
                *known.welcome.lock().unwrap_or_else(PoisonError::into_inner) = said.emit;
                Ok(known)
            }
            Err(EventError::Call(CallError::Try(TryError::Status(
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN,
            )))) => {
                known.is_open.store(false, Ordering::Relaxed);
                Err(Refused::Final(Refusal::Refused.into()))
            }
            Err(error) => {
                if let Some(suppressed) = self.log.admits("connect", Instant::now()) {
                    tracing::warn!(
                        id = socket.id(), %error, source = error.source().map(tracing::field::display), suppressed,
                        "connect was not answered"
                    );
                }
                let call = if let EventError::Call(call) = &error { Some(call) } else { None };
                if self.when_down == WhenDown::Allow && call.is_some_and(CallError::is_down) {
                    known.is_open.store(true, Ordering::Relaxed);
                    return Ok(known);
                }
                let is_passing = call.is_some_and(CallError::is_passing);
                Err(if is_passing { Refused::ForNow } else { Refused::Final(unavailable()) })
            }
        }
    }

    /// Closes the session of a client that is refused temporarily, so that it reconnects: Socket.IO clients
    /// do not retry after a CONNECT_ERROR. Native clients receive a status instead. A session with sockets in
    /// other namespaces stays open.
    fn turn_away(&self, socket: &Socket) {
        let session = socket.session();
        if !native::is_native(socket.handshake()) && !self.sessions().contains_key(session.id()) {
            session.close();
        }
    }

    async fn ask(&self, socket: &Socket, known: &Known) -> Result<Said, EventError> {
        let told = Told::connect(socket, &self.headers)?;
        let _place = self.line.place(Moment::Connect, told.body.len())?;
        let answer = self.line.call(Moment::Connect, &told.id, told.body, Some(self.connect_limit)).await;
        // The backend may know of the client even if its response was lost.
        let is_unseen = answer.as_ref().is_err_and(CallError::is_unseen);
        known.is_open.store(!is_unseen, Ordering::Relaxed);
        self.read(&answer?)
    }
}
