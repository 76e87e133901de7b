//! Shared state of all sockets of a gateway with a backend: settings, request queue and counters.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engineio::Sid;
use socketio_server::{Object, Server, Socket, WeakServer};
use thiserror::Error;

use super::HookError;
use super::backend::Backend;
use super::queue::{CallError, Held, Line};
use super::request::TellError;
use super::response::{Emit, Misfit, Said};
use crate::config::webhooks::{Hooks as Settings, Moment, WhenDown};
use crate::log::limit::LogLimiter;

/// Shared state of all sockets of a gateway with a backend.
#[derive(Debug)]
pub(super) struct Shared {
    /// Weak, because handlers of the server hold this state.
    io: WeakServer,
    pub(super) line: Arc<Line>,
    pub(super) calls: Vec<Moment>,
    pub(super) events: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) connect_limit: Duration,
    pub(super) when_down: WhenDown,
    /// Limit of the queued events of one socket.
    pub(super) share: Held,
    /// Number of joined sockets per session.
    pub(super) sessions: Mutex<HashMap<Sid, usize>>,
    pub(super) log: LogLimiter,
    /// Disconnect webhooks that are pending.
    pub(super) leaving: AtomicU64,
    /// Disconnect webhooks that have failed.
    pub(super) lost: AtomicU64,
}

/// Error of handling an event by the backend.
#[derive(Debug, Error)]
pub(super) enum EventError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the answer of the backend cannot be followed")]
    Misfit(#[source] Misfit),
    #[error(transparent)]
    Tell(#[from] TellError),
}

impl Shared {
    pub(super) fn new(settings: &Settings, io: &Server) -> Result<Self, HookError> {
        Ok(Self {
            io: io.downgrade(),
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
        })
    }

    /// Locks the sessions. No change can be interrupted, so a poisoned lock is still consistent.
    pub(super) fn sessions(&self) -> MutexGuard<'_, HashMap<Sid, usize>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self, answer: &[u8]) -> Result<Said, EventError> {
        Said::read(answer).map_err(|misfit| {
            self.line.counts().misfit();
            if let Some(suppressed) = self.log.admits("answer", Instant::now()) {
                tracing::warn!(error = %misfit, suppressed, "the answer of the backend cannot be followed");
            }
            EventError::Misfit(misfit)
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
            if let Err(error) = emit.send(&io, from).await {
                tracing::debug!(%error, "an event of the backend was not emitted");
            }
        }
    }
}
