//! State of a socket that the backend knows. It keeps the order of the socket's webhooks: events one after
//! the other, and the disconnect last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use engineio::Sid;
use engineio::sync::Mutex;
use serde_json::json;
use socketio_server::{AckSender, Args, Object, RawArgs, Socket};

use super::queue::CallError;
use super::quota::SocketQuota;
use super::request::WebhookRequest;
use super::response::{Emit, WebhookResponse};
use super::shared::{EventError, Shared};
use crate::config::webhooks::WebhookType;
use crate::error_event;

/// Disconnect reason of a client that the backend admitted and that disconnected before it had joined the
/// namespace.
const NOT_ADMITTED: &str = "not admitted";

/// State of a socket that the backend knows.
pub(super) struct SocketState {
    pub(super) shared: Arc<Shared>,
    /// Id of the socket. The socket itself would be a reference cycle, since it owns this state.
    id: String,
    namespace: String,
    /// Session of the socket, once it has joined the namespace.
    session: Mutex<Option<Sid>>,
    quota: SocketQuota,
    /// Lock that is held during a webhook. It is fair, so webhooks are sent in the order in which they were
    /// queued.
    turn: tokio::sync::Mutex<()>,
    /// Events of the backend that are emitted when the socket has joined.
    pub(super) on_join: Mutex<Vec<Object<Emit>>>,
    /// Whether the backend knows the socket and has not been notified of its disconnect.
    pub(super) is_open: AtomicBool,
}

impl SocketState {
    pub(super) fn new(shared: &Arc<Shared>, socket: &Socket) -> Self {
        Self {
            shared: Arc::clone(shared),
            id: socket.id().to_owned(),
            namespace: socket.namespace().to_owned(),
            session: Mutex::default(),
            quota: SocketQuota::new(shared.quota),
            turn: tokio::sync::Mutex::default(),
            on_join: Mutex::default(),
            is_open: AtomicBool::new(false),
        }
    }

    /// Counts the socket, which has joined the namespace, for its session.
    pub(super) fn joined(&self, socket: &Socket) {
        let session = socket.session().id().clone();
        *self.shared.sessions().entry(session.clone()).or_default() += 1;
        *self.session.lock() = Some(session);
    }

    /// Sends an event to the backend and applies the response.
    pub(super) async fn event(&self, socket: &Socket, event: &str, args: &RawArgs, ack: Option<AckSender>) {
        let shared = &self.shared;
        let handled = async {
            let request = WebhookRequest::event(socket, event, args, ack.is_some())?;
            let _quota = self.quota.take(request.body.len()).ok_or(CallError::QuotaFull)?;
            let _turn = self.turn.lock().await;
            // The place is taken after the turn, so that each client has at most one event in the request
            // queue.
            let _slot = shared.queue.reserve(WebhookType::Event, request.body.len())?;
            let body = shared.queue.call(WebhookType::Event, &request.id, request.body, None).await?;
            let mut response = shared.read(&body)?;
            response.apply(socket);
            shared.emit(&response.emit, socket).await;
            Ok::<_, EventError>(response)
        };
        match handled.await {
            Ok(response) => {
                if let Some(ack) = ack {
                    // The error of a disconnected client is ignored: it needs no acknowledgement.
                    let _ = match &response.ack {
                        Some(value) => ack.send(value),
                        None => ack.send(&Args(())),
                    };
                }
                response.disconnect_if_requested(socket);
            }
            Err(error) => {
                let error = error_event::emit(socket, event, error);
                if let Some(ack) = ack {
                    let _ = ack.send(&json!({"error": error}));
                }
            }
        }
    }

    /// Notifies the backend that the socket has disconnected.
    pub(super) async fn disconnected(&self, socket: &Socket, reason: &str) {
        if self.is_notified() {
            return;
        }
        match WebhookRequest::disconnect(socket, reason) {
            Ok(request) => {
                if let Some(response) = self.send_disconnect(request).await {
                    self.shared.emit(&response.emit, socket).await;
                }
            }
            Err(error) => tracing::warn!(%error, "disconnect webhook failed"),
        }
    }

    /// Whether no disconnect webhook is needed. The first call changes the state, so later calls return
    /// `true`.
    fn is_notified(&self) -> bool {
        !self.is_open.swap(false, Ordering::Relaxed) || !self.shared.calls.contains(&WebhookType::Disconnect)
    }

    async fn send_disconnect(&self, request: WebhookRequest) -> Option<WebhookResponse> {
        let shared = &self.shared;
        let sending = async {
            let _slot = shared.queue.reserve(WebhookType::Disconnect, request.body.len())?;
            // The lock orders the disconnect after the events that were received before it.
            let _turn = self.turn.lock().await;
            let body = shared.queue.call(WebhookType::Disconnect, &request.id, request.body, None).await?;
            Ok::<_, EventError>(body)
        };
        shared.pending_disconnects.fetch_add(1, Ordering::Relaxed);
        let called = sending.await;
        if called.is_err() {
            shared.lost_disconnects.fetch_add(1, Ordering::Relaxed);
        }
        shared.pending_disconnects.fetch_sub(1, Ordering::Relaxed);
        match called {
            Ok(body) => shared.read(&body).ok(),
            Err(error) => {
                if let Some(suppressed) = shared.log.admits("disconnect", Instant::now()) {
                    tracing::warn!(id = self.id, %error, suppressed, "disconnect webhook failed");
                }
                None
            }
        }
    }
}

impl Drop for SocketState {
    /// Notifies the backend of a client that it admitted and that never joined the namespace.
    fn drop(&mut self) {
        let session = self.session.lock().take();
        if let Some(session) = session {
            let mut sessions = self.shared.sessions();
            if let Some(sockets) = sessions.get_mut(&session) {
                *sockets -= 1;
                if *sockets == 0 {
                    sessions.remove(&session);
                }
            }
        }
        if self.is_notified() {
            return;
        }
        let owner = Self {
            shared: Arc::clone(&self.shared),
            id: std::mem::take(&mut self.id),
            namespace: std::mem::take(&mut self.namespace),
            session: Mutex::default(),
            quota: SocketQuota::new(self.shared.quota),
            turn: tokio::sync::Mutex::default(),
            on_join: Mutex::default(),
            is_open: AtomicBool::new(false),
        };
        let request = WebhookRequest::never_joined(&owner.id, &owner.namespace, NOT_ADMITTED);
        // Without a runtime no webhook can be sent.
        if let (Ok(request), Ok(runtime)) = (request, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { owner.send_disconnect(request).await });
        }
    }
}
