//! Shared state of all sockets of a gateway with a backend: settings, request queue and counters.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use engineio::Sid;
use engineio::sync::Mutex;
use socketio_server::{Object, Server, Socket, WeakServer};
use thiserror::Error;

use super::WebhookError;
use super::backend::Backend;
use super::queue::{CallError, RequestQueue, Usage};
use super::request::RequestError;
use super::response::{Emit, ResponseError, WebhookResponse};
use crate::cluster::Cluster;
use crate::config::webhooks::{WebhookType, Webhooks as Settings, WhenDown};
use crate::log::limit::LogLimits;

/// Shared state of all sockets of a gateway with a backend.
#[derive(Debug)]
pub(super) struct Shared {
    /// Weak, because handlers of the server hold this state.
    io: WeakServer,
    /// For events to clients of other nodes.
    cluster: Cluster,
    pub(super) queue: Arc<RequestQueue>,
    pub(super) calls: Vec<WebhookType>,
    pub(super) events: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) connect_limit: Duration,
    pub(super) when_down: WhenDown,
    /// Limit of the queued events of one socket.
    pub(super) quota: Usage,
    /// Number of joined sockets per session.
    pub(super) sessions: Mutex<HashMap<Sid, usize>>,
    pub(super) log: LogLimits,
    /// Disconnect webhooks that are pending.
    pub(super) pending_disconnects: AtomicU64,
    /// Disconnect webhooks that have failed.
    pub(super) lost_disconnects: AtomicU64,
}

/// Error of handling an event by the backend.
#[derive(Debug, Error)]
pub(super) enum EventError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the response of the backend is invalid")]
    ResponseError(#[source] ResponseError),
    #[error(transparent)]
    Tell(#[from] RequestError),
}

impl Shared {
    pub(super) fn new(settings: &Settings, io: &Server, cluster: &Cluster) -> Result<Self, WebhookError> {
        Ok(Self {
            io: io.downgrade(),
            cluster: cluster.clone(),
            queue: Arc::new(RequestQueue::new(Backend::new(settings)?, settings)),
            calls: settings.calls.clone(),
            events: settings.events.clone(),
            headers: settings.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            connect_limit: Duration::from_millis(settings.connect_ms),
            when_down: settings.when_down,
            quota: Usage {
                calls: settings.max_waiting_per_socket,
                bytes: settings.max_waiting_bytes_per_socket,
            },
            sessions: Mutex::default(),
            log: LogLimits::default(),
            pending_disconnects: AtomicU64::new(0),
            lost_disconnects: AtomicU64::new(0),
        })
    }

    /// Locks the sessions. No change can be interrupted, so a poisoned lock is still consistent.
    pub(super) fn sessions(&self) -> MutexGuard<'_, HashMap<Sid, usize>> {
        self.sessions.lock()
    }

    pub(super) fn read(&self, body: &[u8]) -> Result<WebhookResponse, EventError> {
        WebhookResponse::read(body).map_err(|error| {
            self.queue.counts().invalid_response();
            if let Some(suppressed) = self.log.admits("answer", Instant::now()) {
                tracing::warn!(error = %error, suppressed, "the response of the backend is invalid");
            }
            EventError::ResponseError(error)
        })
    }

    pub(super) async fn emit(&self, emits: &[Object<Emit>], from: &Socket) {
        if emits.is_empty() {
            return;
        }
        // Without a server there are no receivers.
        let Some(io) = self.io.upgrade() else { return };
        for Object(emit) in emits {
            // A failed emit is only logged: the client has disconnected, or its outbox is full.
            if let Err(error) = emit.send(&io, &self.cluster, from).await {
                tracing::debug!(%error, "event of the backend not emitted");
            }
        }
    }
}
