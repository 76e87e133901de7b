//! Events of requests and sessions, with the feature `tracing`. Without it these functions do nothing, so
//! their callers need no `cfg`. The table of targets and levels is docs/tracing.md.
//!
//! A session's id is a secret, and `Debug` does not show it. The query of a request is left out too, as it
//! contains the id.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nothing is done with them"))]

use std::future::Future;
use std::net::SocketAddr;
#[cfg(feature = "tracing")]
use std::time::Instant;

use http::request::Parts;

use super::request::request_error::RequestError;
use super::session::handle::Session;
use crate::close_reason::CloseReason;
#[cfg(feature = "tracing")]
use crate::log_limit::LogLimit;

/// Rate limit for the line below, so that many clients cannot fill the log.
#[cfg(feature = "tracing")]
static FULL: LogLimit = LogLimit::new();
#[cfg(feature = "tracing")]
static SLOW: LogLimit = LogLimit::new();
#[cfg(feature = "tracing")]
static NOT_ACCEPTED: LogLimit = LogLimit::new();

/// A request was refused before it reached a session.
pub(super) fn refused(parts: &Parts, error: &RequestError) {
    #[cfg(feature = "tracing")]
    {
        use super::request::request_error::BadRequest;
        let detail = match error {
            RequestError::BadRequest(BadRequest::IdGeneration { error }) => error.as_str(),
            RequestError::BadRequest(case) => case.name(),
            RequestError::Forbidden { message } => message.as_str(),
            RequestError::UnknownTransport { transport } => transport.as_deref().unwrap_or_default(),
            RequestError::BadHandshakeMethod { method } => method.as_str(),
            RequestError::UnknownSid { .. } | RequestError::UnsupportedProtocolVersion { .. } => "",
        };
        let peer = super::http::peer_addr::PeerAddr::of(&parts.extensions);
        let (code, reason) = (error.code(), error.to_string());
        // A client chooses some details, so they are escaped.
        tracing::debug!(target: "engineio::server", ?peer, code, reason, ?detail, "request refused");
    }
}

/// A handshake was refused because of the limit on sessions.
pub(super) fn full(max_sessions: usize) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = FULL.admits(Instant::now()) {
        tracing::warn!(target: "engineio::server", max_sessions, suppressed, "session limit reached");
    }
}

/// A connection could not be accepted. Usually the process is out of file descriptors.
pub(super) fn not_accepted(error: &std::io::Error) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = NOT_ACCEPTED.admits(Instant::now()) {
        tracing::warn!(target: "engineio::server", %error, suppressed, "connections cannot be accepted");
    }
}

/// A handshake was refused because of the limit on sessions per address.
pub(super) fn too_many(peer: Option<SocketAddr>) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "engineio::server", ?peer, "too many sessions of this address");
}

pub(super) fn opened(session: &Session) {
    #[cfg(feature = "tracing")]
    {
        let (sid, peer) = (session.id(), session.remote_addr());
        let (transport, protocol) = (session.transport().as_str(), session.protocol());
        tracing::debug!(target: "engineio::server", ?sid, ?peer, transport, ?protocol, "session opened");
    }
}

/// A session was upgraded to another transport.
pub(super) fn upgraded(session: &Session) {
    #[cfg(feature = "tracing")]
    {
        let (sid, transport) = (session.id(), session.transport().as_str());
        tracing::debug!(target: "engineio::server", ?sid, transport, "session upgraded");
    }
}

/// A session has ended. A slow consumer is logged at a higher level, for the operator.
pub(super) fn closed(session: &Session, reason: CloseReason) {
    #[cfg(feature = "tracing")]
    {
        use crate::close_reason::Fault;
        let (sid, transport) = (session.id(), session.transport().as_str());
        let fault = match reason {
            CloseReason::TransportError(fault) => fault.as_str(),
            _ => "",
        };
        if reason == CloseReason::TransportError(Fault::SlowConsumer) {
            let waiting = session.queued_bytes();
            if let Some(suppressed) = SLOW.admits(Instant::now()) {
                tracing::warn!(target: "engineio::server", ?sid, transport, waiting, suppressed, "slow consumer disconnected");
            }
        }
        let reason = reason.as_str();
        tracing::debug!(target: "engineio::server", ?sid, transport, reason, fault, "session closed");
    }
}

/// A handler has panicked, and its session is over.
pub(super) fn panicked(session: &Session) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "engineio::server", sid = ?session.id(), "a handler panicked");
}

/// The span of a session.
#[cfg(feature = "tracing")]
pub(super) type Span = tracing::Span;
#[cfg(not(feature = "tracing"))]
#[derive(Clone, Copy)]
pub(super) struct Span;

pub(super) fn span(session: &Session) -> Span {
    #[cfg(feature = "tracing")]
    return tracing::debug_span!(target: "engineio::server", "session", sid = ?session.id());
    #[cfg(not(feature = "tracing"))]
    Span
}

/// Runs the task of a session in its span.
pub(super) fn within<F: Future>(span: Span, task: F) -> impl Future<Output = F::Output> {
    #[cfg(feature = "tracing")]
    return tracing::Instrument::instrument(task, span);
    #[cfg(not(feature = "tracing"))]
    task
}
