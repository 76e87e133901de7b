//! Log events of namespaces and sockets, with the feature `tracing`. Without the feature these functions are
//! empty, so that call sites need no `cfg`. The table of targets and levels is docs/tracing.md.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "unused without the feature"))]

use std::fmt::Display;
use std::time::Duration;
#[cfg(feature = "tracing")]
use std::time::Instant;

#[cfg(feature = "tracing")]
use engineio::log_limit::LogLimit;

use crate::error::HandlerError;

#[cfg(feature = "tracing")]
static EVENT_REFUSED: LogLimit = LogLimit::new();
#[cfg(feature = "tracing")]
static JOINS_REFUSED: LogLimit = LogLimit::new();
#[cfg(feature = "tracing")]
static NOT_CONVERTED: LogLimit = LogLimit::new();
#[cfg(feature = "tracing")]
static ANSWER_LOST: LogLimit = LogLimit::new();
#[cfg(feature = "tracing")]
static HANDLER_FAILED: LogLimit = LogLimit::new();
#[cfg(feature = "tracing")]
static EVENTS_DROPPED: LogLimit = LogLimit::new();

/// A namespace was created.
pub(crate) fn namespace_created(namespace: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", namespace = ?namespace, "namespace created");
}

/// A namespace that was created from a pattern or function was removed with its last socket.
pub(crate) fn namespace_removed(namespace: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", namespace = ?namespace, "namespace removed");
}

/// A client joined a namespace; with the result of its recovery request, if it made one.
pub(crate) fn connected(namespace: &str, id: &str, recovered: bool, not_recovered: Option<&impl Display>) {
    #[cfg(feature = "tracing")]
    {
        let not_recovered = not_recovered.map(|reason| reason.to_string()).unwrap_or_default();
        tracing::debug!(target: "socketio_server", namespace = ?namespace, id, recovered, not_recovered, "connected");
    }
}

/// A client was refused by a namespace.
pub(crate) fn connection_refused(namespace: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    {
        let error = error.to_string();
        // A client chooses the name and can influence the error, so both are escaped.
        tracing::debug!(target: "socketio_server", namespace = ?namespace, error = ?error, "connection refused");
    }
}

/// A socket left its namespace.
pub(crate) fn disconnected(namespace: &str, id: &str, reason: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", namespace = ?namespace, id, %reason, "disconnected");
}

/// An event reached no handler, and the application has no error hook.
pub(crate) fn event_refused(namespace: &str, id: &str, error: &HandlerError) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = EVENT_REFUSED.admits(Instant::now()) {
        let error = error.for_log();
        tracing::warn!(target: "socketio_server", namespace = ?namespace, id, %error, suppressed, "event refused");
    }
}

/// A socket was in too many rooms to join others, and the caller receives no error.
pub(crate) fn joins_refused(count: usize, max_rooms: usize) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = JOINS_REFUSED.admits(Instant::now()) {
        tracing::warn!(target: "socketio_server", count, max_rooms, suppressed, "rooms not joined");
    }
}

/// A broadcast did not reach connections whose parser cannot encode its packet.
pub(crate) fn not_converted(error: &impl Display) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = NOT_CONVERTED.admits(Instant::now()) {
        tracing::warn!(target: "socketio_server", %error, suppressed, "packet not encoded by the parser of a connection");
    }
}

/// The answer of a handler was not sent, and the application has no error hook.
pub(crate) fn answer_lost(namespace: &str, id: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = ANSWER_LOST.admits(Instant::now()) {
        let error = error.to_string();
        tracing::warn!(target: "socketio_server", namespace = ?namespace, id, ?error, suppressed, "answer not sent");
    }
}

/// A handler failed; neither the client nor an error hook received the error.
pub(crate) fn handler_failed(namespace: &str, id: &str, error: &HandlerError) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = HANDLER_FAILED.admits(Instant::now()) {
        let error = error.for_log();
        tracing::warn!(target: "socketio_server", namespace = ?namespace, id, %error, suppressed, "handler failed");
    }
}

/// A handler of another server's event failed, and that server requested no answer.
pub(crate) fn server_event_failed(namespace: &str, event: &str, error: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server::cluster", namespace = ?namespace, event = ?event, error = ?error, "handler failed");
}

/// The server closed a connection because of the client's behaviour.
pub(crate) fn connection_closed(fault: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", fault, "connection closed by the server");
}

/// Waiting events of a closed connection did not start in time.
pub(crate) fn events_dropped(events: usize) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = EVENTS_DROPPED.admits(Instant::now()) {
        tracing::warn!(target: "socketio_server", events, suppressed, "events dropped after disconnect");
    }
}

/// A cluster node was seen for the first time.
pub(crate) fn node_found(node: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server::cluster", %node, "node found");
}

/// A cluster node announced that it leaves.
pub(crate) fn node_left(node: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server::cluster", %node, "node left");
}

/// A cluster node was silent for longer than its timeout.
pub(crate) fn node_lost(node: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server::cluster", %node, "node lost");
}

/// A message to other nodes failed, and no caller receives the error.
pub(crate) fn publish_failed(what: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server::cluster", what, %error, "publishing to other nodes failed");
}

/// Messages of other nodes were lost for some time.
pub(crate) fn cluster_gap(namespace: &str, duration: Duration, lost: Option<u64>) {
    #[cfg(feature = "tracing")]
    {
        let (seconds, lost) = (duration.as_secs_f64(), lost.unwrap_or_default());
        tracing::warn!(target: "socketio_server::cluster", namespace = ?namespace, seconds, lost, "messages of other nodes were lost");
    }
}
