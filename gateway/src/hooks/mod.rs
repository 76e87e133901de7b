//! Webhooks: a backend in any language decides who may come, handles events, and is told who went.
//!
//! `told` is what it is told and `said` what it answers; `line` is the way to it, with its limits and retries; `gate`
//! is where calls wait for the `circuit`, and `share` what one socket may have waiting; `backend` is one request, and
//! `signature` what proves that it is ours. `shared` is what all sockets have in common, and `known` what is kept of one.
//!
//! What concerns one socket is told in its order: `connect`, then its events one after the other, then `disconnect`. A
//! backend that is slow holds its own calls back, and in the end the clients that make them; nobody else waits.

mod backend;
mod circuit;
mod counts;
mod gate;
mod known;
mod line;
mod metrics;
mod said;
mod share;
mod shared;
mod signature;
mod told;

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
use self::known::Known;
use self::line::CallError;
pub(crate) use self::metrics::Metrics;
use self::said::Said;
use self::shared::{EventError, Shared};
use self::signature::SecretError;
use self::told::Told;
use crate::config::hooks::{Hooks as Settings, Moment, WhenDown};
use crate::native;
use crate::refusal::Refusal;

/// Why no backend can be called as the settings say.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HookError {
    /// It is not an address of HTTP.
    #[error("hooks.url: {0:?} is not the URL of an HTTP server")]
    Url(String),
    /// A secret is not what its beginning says.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificates of the system cannot be read.
    #[error("hooks.url: the certificates of the system cannot be read")]
    Certificates(#[source] std::io::Error),
}

/// The backend of a gateway, or that there is none.
#[derive(Clone, Debug)]
pub(crate) struct Hooks(Option<Arc<Shared>>);

impl Hooks {
    pub(crate) fn new(settings: &Settings, io: &Server) -> Result<Self, HookError> {
        if settings.url.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Arc::new(Shared::new(settings, io)?))))
    }

    /// Tells the backend of what happens in the namespace. The gateway's own handlers are there already.
    pub(crate) fn register(&self, namespace: &Namespace) {
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
                |socket: Socket, EventName(event): EventName, args: RawArgs, ack: Option<AckSender>| async move {
                    if let Some(known) = socket.extensions().get::<Arc<Known>>() {
                        known.event(&socket, &event, &args, ack).await;
                    }
                },
            );
        }
        // While it is in its rooms, of which the backend is told.
        namespace.on_disconnecting(|socket: Socket, reason: DisconnectReason| async move {
            if let Some(known) = socket.extensions().remove::<Arc<Known>>() {
                known.gone(&socket, reason.as_str()).await;
            }
        });
    }

    /// Returns when the backend has been told everything, or nothing more can be done.
    pub(crate) async fn idle(&self) {
        if let Some(shared) = &self.0 {
            shared.line.idle().await;
        }
    }

    /// Disconnects that could not be told so far.
    pub(crate) fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.lost.load(Ordering::Relaxed))
    }

    /// The same, and those that still wait to be told.
    pub(crate) fn unheard(&self) -> u64 {
        self.lost() + self.0.as_ref().map_or(0, |shared| shared.leaving.load(Ordering::Relaxed))
    }

    /// What was counted. `None` without a backend.
    pub(crate) fn metrics(&self) -> Option<Metrics> {
        self.0.as_ref().map(|shared| Metrics::of(&shared.line))
    }
}

/// Whether a client may join.
async fn ask(shared: Arc<Shared>, socket: Socket) -> Result<(), ConnectError> {
    let known = Arc::new(Known::new(&shared, &socket));
    if shared.calls.contains(&Moment::Connect) {
        let (told, hears) = oneshot::channel();
        let (asked, asking) = (socket.clone(), Arc::clone(&shared));
        // In a task of its own: a client that goes in the meantime must not leave a backend behind that has heard of
        // its coming and never hears of its end.
        tokio::spawn(async move {
            let verdict = asking.connect(&asked, known).await;
            // Nobody hears it if the client is gone, which its `Known` tells as it is dropped.
            let _ = told.send(verdict);
        });
        // The task ends without a word only when the whole runtime does.
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

/// Why a client was not let in.
#[derive(Debug)]
enum Refused {
    /// The backend does not want it, or cannot be asked properly.
    Final(ConnectError),
    /// The backend could not be asked now.
    ForNow,
}

fn unavailable() -> ConnectError {
    Refusal::BackendDown.into()
}

impl Shared {
    /// Asks the backend whether a client may join.
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

    /// Ends the connection of a client that is refused for now, so that it comes again: a library of Socket.IO takes a
    /// refusal for final. Native clients have their status, and who is in another namespace stays there.
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
        // It may have heard of the client even if we have not heard its answer.
        let is_unseen = answer.as_ref().is_err_and(CallError::is_unseen);
        known.is_open.store(!is_unseen, Ordering::Relaxed);
        self.read(&answer?)
    }
}
