//! Webhooks: a backend in any language decides who may come, handles events, and is told who went.
//!
//! `told` is what it is told and `said` what it answers; `line` is the way to it, with its limits and retries; `gate`
//! is where calls wait for the `circuit`, and `share` what one socket may have waiting; `backend` is one request, and `signature` what proves that it is ours.
//!
//! What concerns one socket is told in its order: `connect`, then its events one after the other, then `disconnect`. A
//! backend that is slow holds its own calls back, and in the end the clients that make them; nobody else waits.

mod backend;
mod circuit;
mod counts;
mod gate;
mod line;
mod metrics;
mod said;
mod share;
mod signature;
mod told;

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engineio::Sid;
use http::StatusCode;
use serde_json::json;
use socketio_server::{
    AckSender, Args, ConnectError, DisconnectReason, EventName, Namespace, Object, RawArgs, Server, Socket,
};
use thiserror::Error;
use tokio::sync::oneshot;

use self::backend::{Backend, TryError};
use self::line::{CallError, Held, Line};
pub(crate) use self::metrics::Metrics;
use self::said::{Emit, Misfit, Said};
use self::share::Share;
use self::signature::SecretError;
use self::told::{TellError, Told};
use crate::config::hooks::{Hooks as Settings, Moment, WhenDown};
use crate::log_limit::LogLimiter;
use crate::refusal::Refusal;
use crate::{events, native};

/// What is told of a client that the backend let in and that was gone before it was in.
const NOT_IN: &str = "not let in";

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

#[derive(Debug)]
struct Shared {
    io: Server,
    line: Arc<Line>,
    calls: Vec<Moment>,
    events: Vec<String>,
    headers: Vec<String>,
    connect_limit: Duration,
    when_down: WhenDown,
    /// What the events of one socket may have waiting.
    share: Held,
    /// How many sockets of each session were let in.
    sessions: Mutex<HashMap<Sid, usize>>,
    log: LogLimiter,
    /// Disconnects that wait to be told.
    leaving: AtomicU64,
    /// Disconnects that could not be told.
    lost: AtomicU64,
}

/// What is kept of a socket whose backend knows of it.
struct Known {
    shared: Arc<Shared>,
    /// The socket itself would never go, since this is kept in it.
    id: String,
    namespace: String,
    /// The session of a socket that was let in.
    session: Mutex<Option<Sid>>,
    share: Share,
    /// One call at a time, in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    /// What the backend wants it to hear when it is in.
    welcome: Mutex<Vec<Object<Emit>>>,
    /// Whether the backend waits for its end.
    is_open: AtomicBool,
}

/// Why an event was not handled.
#[derive(Debug, Error)]
enum EventError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the answer of the backend cannot be followed")]
    Misfit(#[source] Misfit),
    #[error(transparent)]
    Tell(#[from] TellError),
}

impl Hooks {
    pub(crate) fn new(settings: &Settings, io: &Server) -> Result<Self, HookError> {
        if settings.url.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Arc::new(Shared {
            io: io.clone(),
            line: Arc::new(Line::new(Backend::new(settings)?, settings)),
            calls: settings.calls.clone(),
            events: settings.events.clone(),
            headers: settings.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            connect_limit: Duration::from_millis(settings.connect_ms),
            when_down: settings.when_down,
            share: Held {
                calls: settings.max_waiting_per_socket,
                bytes: settings.max_waiting_bytes_per_socket,
            },
            sessions: Mutex::default(),
            log: LogLimiter::default(),
            leaving: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }))))
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

    /// Every change is whole, so a panic elsewhere is no reason to stop.
    fn sessions(&self) -> MutexGuard<'_, HashMap<Sid, usize>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn read(&self, answer: &[u8]) -> Result<Said, EventError> {
        Said::read(answer).map_err(|misfit| {
            self.line.counts().misfit();
            if let Some(suppressed) = self.log.admits("answer", Instant::now()) {
                tracing::warn!(error = %misfit, suppressed, "the answer of the backend cannot be followed");
            }
            EventError::Misfit(misfit)
        })
    }

    async fn emit(&self, emits: &[Object<Emit>], from: &Socket) {
        for Object(emit) in emits {
            // A client that takes nothing any more needs nothing.
            if let Err(error) = emit.send(&self.io, from).await {
                tracing::debug!(%error, "an event of the backend was not emitted");
            }
        }
    }
}

impl Known {
    fn new(shared: &Arc<Shared>, socket: &Socket) -> Self {
        Self {
            shared: Arc::clone(shared),
            id: socket.id().to_owned(),
            namespace: socket.namespace().to_owned(),
            session: Mutex::default(),
            share: Share::new(shared.share),
            turn: tokio::sync::Mutex::default(),
            welcome: Mutex::default(),
            is_open: AtomicBool::new(false),
        }
    }

    /// The socket was let in.
    fn is_in(&self, socket: &Socket) {
        let session = socket.session().id().clone();
        *self.shared.sessions().entry(session.clone()).or_default() += 1;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    /// Hands an event on, and does what the backend answers.
    async fn event(&self, socket: &Socket, event: &str, args: &RawArgs, ack: Option<AckSender>) {
        let shared = &self.shared;
        let handled = async {
            let told = Told::event(socket, event, args, ack.is_some())?;
            let _share = self.share.take(told.body.len()).ok_or(CallError::ShareFull)?;
            let _turn = self.turn.lock().await;
            // In its turn, so that each client has one place in the line at most.
            let _place = shared.line.place(Moment::Event, told.body.len())?;
            let answer = shared.line.call(Moment::Event, &told.id, told.body, None).await?;
            let mut said = shared.read(&answer)?;
            said.settle(socket);
            shared.emit(&said.emit, socket).await;
            Ok::<_, EventError>(said)
        };
        match handled.await {
            Ok(said) => {
                if let Some(ack) = ack {
                    // A client that is gone needs no answer.
                    let _ = match &said.ack {
                        Some(answer) => ack.send(answer),
                        None => ack.send(&Args(())),
                    };
                }
                said.part(socket);
            }
            Err(error) => {
                let error = events::wrong(socket, event, error);
                if let Some(ack) = ack {
                    let _ = ack.send(&json!({"error": error}));
                }
            }
        }
    }

    /// Tells the backend that the socket has gone.
    async fn gone(&self, socket: &Socket, reason: &str) {
        if self.is_over() {
            return;
        }
        match Told::disconnect(socket, reason) {
            Ok(told) => {
                if let Some(said) = self.part(told).await {
                    self.shared.emit(&said.emit, socket).await;
                }
            }
            Err(error) => tracing::warn!(%error, "disconnect was not told"),
        }
    }

    /// Whether nothing has to be told any more. Asked once.
    fn is_over(&self) -> bool {
        !self.is_open.swap(false, Ordering::Relaxed) || !self.shared.calls.contains(&Moment::Disconnect)
    }

    async fn part(&self, told: Told) -> Option<Said> {
        let shared = &self.shared;
        let parted = async {
            let _place = shared.line.place(Moment::Disconnect, told.body.len())?;
            // Behind the events that came before.
            let _turn = self.turn.lock().await;
            let answer = shared.line.call(Moment::Disconnect, &told.id, told.body, None).await?;
            Ok::<_, EventError>(answer)
        };
        shared.leaving.fetch_add(1, Ordering::Relaxed);
        let answer = parted.await;
        if answer.is_err() {
            shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        shared.leaving.fetch_sub(1, Ordering::Relaxed);
        match answer {
            Ok(answer) => shared.read(&answer).ok(),
            Err(error) => {
                if let Some(suppressed) = shared.log.admits("disconnect", Instant::now()) {
                    tracing::warn!(id = self.id, %error, suppressed, "disconnect was not told");
                }
                None
            }
        }
    }
}

impl Drop for Known {
    /// The backend knows of a client that never came in.
    fn drop(&mut self) {
        let session = self.session.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session {
            let mut sessions = self.shared.sessions();
            if let Some(sockets) = sessions.get_mut(&session) {
                *sockets -= 1;
                if *sockets == 0 {
                    sessions.remove(&session);
                }
            }
        }
        if self.is_over() {
            return;
        }
        let left = Self {
            shared: Arc::clone(&self.shared),
            id: std::mem::take(&mut self.id),
            namespace: std::mem::take(&mut self.namespace),
            session: Mutex::default(),
            share: Share::new(self.shared.share),
            turn: tokio::sync::Mutex::default(),
            welcome: Mutex::default(),
            is_open: AtomicBool::new(false),
        };
        let told = Told::never_in(&left.id, &left.namespace, NOT_IN);
        // Without a runtime nothing can be said any more.
        if let (Ok(told), Ok(runtime)) = (told, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { left.part(told).await });
        }
    }
}
