//! State of a socket that the backend knows. It keeps the order of the socket's webhooks: events one after
//! the other, and the disconnect last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use engineio::Sid;
use serde_json::json;
use socketio_server::{AckSender, Args, Object, RawArgs, Socket};

use super::queue::CallError;
use super::request::Told;
use super::response::{Emit, Said};
use super::share::Share;
use super::shared::{EventError, Shared};
use crate::builtin;
use crate::config::webhooks::Moment;

/// Disconnect reason of a client that the backend admitted and that disconnected before it had joined the
/// namespace.
const NOT_IN: &str = "not let in";

/// State of a socket that the backend knows.
pub(super) struct Known {
    pub(super) shared: Arc<Shared>,
    /// Id of the socket. The socket itself would be a reference cycle, since it owns this state.
    id: String,
    namespace: String,
    /// Session of the socket, once it has joined the namespace.
    session: Mutex<Option<Sid>>,
    share: Share,
    /// Lock that is held during a webhook. It is fair, so webhooks are sent in the order in which they were
    /// queued.
    turn: tokio::sync::Mutex<()>,
    /// Events of the backend that are emitted when the socket has joined.
    pub(super) welcome: Mutex<Vec<Object<Emit>>>,
    /// Whether the backend knows the socket and has not been notified of its disconnect.
    pub(super) is_open: AtomicBool,
}

impl Known {
    pub(super) fn new(shared: &Arc<Shared>, socket: &Socket) -> Self {
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

    /// Counts the socket, which has joined the namespace, for its session.
    pub(super) fn is_in(&self, socket: &Socket) {
        let session = socket.session().id().clone();
        *self.shared.sessions().entry(session.clone()).or_default() += 1;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    /// Sends an event to the backend and applies the response.
    pub(super) async fn event(&self, socket: &Socket, event: &str, args: &RawArgs, ack: Option<AckSender>) {
        let shared = &self.shared;
        let handled = async {
            let told = Told::event(socket, event, args, ack.is_some())?;
            let _share = self.share.take(told.body.len()).ok_or(CallError::ShareFull)?;
            let _turn = self.turn.lock().await;
            // The place is taken after the turn, so that each client has at most one event in the request
            // queue.
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
                    // The error of a disconnected client is ignored: it needs no acknowledgement.
                    let _ = match &said.ack {
                        Some(answer) => ack.send(answer),
                        None => ack.send(&Args(())),
                    };
                }
                said.part(socket);
            }
            Err(error) => {
                let error = builtin::wrong(socket, event, error);
                if let Some(ack) = ack {
                    let _ = ack.send(&json!({"error": error}));
                }
            }
        }
    }

    /// Notifies the backend that the socket has disconnected.
    pub(super) async fn gone(&self, socket: &Socket, reason: &str) {
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

    /// Whether no disconnect webhook is needed. The first call claims it, so later calls return `true`.
    fn is_over(&self) -> bool {
        !self.is_open.swap(false, Ordering::Relaxed) || !self.shared.calls.contains(&Moment::Disconnect)
    }

    async fn part(&self, told: Told) -> Option<Said> {
        let shared = &self.shared;
        let parted = async {
            let _place = shared.line.place(Moment::Disconnect, told.body.len())?;
            // The lock orders the disconnect after the events that were received before it.
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
    /// Notifies the backend of a client that it admitted and that never joined the namespace.
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
        // Without a runtime no webhook can be sent.
        if let (Ok(told), Ok(runtime)) = (told, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { left.part(told).await });
        }
    }
}
