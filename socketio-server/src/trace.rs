//! What can be seen of namespaces and sockets, with the feature `tracing`. Without it these functions do nothing, so that
//! their callers need not ask. The table of targets and levels is docs/tracing.md.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nothing is done with them"))]

use std::fmt::Display;

use crate::error::HandlerError;

/// A namespace has come to be.
pub(crate) fn made(namespace: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", namespace = ?namespace, "namespace made");
}

/// A namespace that a pattern or function made has gone with its last socket.
pub(crate) fn removed(namespace: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", namespace = ?namespace, "namespace removed");
}

/// A client was let into a namespace, as who it was, or as somebody new although it wished otherwise.
pub(crate) fn connected(namespace: &str, id: &str, recovered: bool, not_recovered: Option<&impl Display>) {
    #[cfg(feature = "tracing")]
    {
        let not_recovered = not_recovered.map(|reason| reason.to_string()).unwrap_or_default();
        tracing::debug!(target: "socketio_server", namespace = ?namespace, id, recovered, not_recovered, "connected");
    }
}

/// A client was not let into a namespace.
pub(crate) fn refused(namespace: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    {
        let error = error.to_string();
        // Both may be what a client has chosen, so they are escaped.
        tracing::debug!(target: "socketio_server", namespace = ?namespace, error = ?error, "connection refused");
    }
}

/// A socket has left its namespace.
pub(crate) fn disconnected(namespace: &str, id: &str, reason: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", namespace = ?namespace, id, %reason, "disconnected");
}

/// What a client sent reached no handler, and no hook of the application was told.
pub(crate) fn unheard(namespace: &str, id: &str, error: &HandlerError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server", namespace = ?namespace, id, error = %error.for_log(), "event refused");
}

/// What a handler answered did not leave, and no hook of the application was told.
pub(crate) fn unanswered(namespace: &str, id: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    {
        let error = error.to_string();
        tracing::warn!(target: "socketio_server", namespace = ?namespace, id, error = ?error, "answer not sent");
    }
}

/// A handler has failed, and neither the client nor a hook of the application was told.
pub(crate) fn failed(namespace: &str, id: &str, error: &HandlerError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server", namespace = ?namespace, id, error = %error.for_log(), "handler failed");
}

/// A handler of another server's event has failed, and that server has asked for no answer.
pub(crate) fn server_event_failed(namespace: &str, event: &str, error: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server::cluster", namespace = ?namespace, event = ?event, error = ?error, "handler failed");
}

/// A client's connection is closed because of what it did, or did not.
pub(crate) fn hung_up(fault: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server", fault, "client put out");
}

/// Events that had come before their connection ended did not begin in time.
pub(crate) fn unfinished(events: usize) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server", events, "events dropped after the end of their connection");
}

/// A handler of a socket that leaves has panicked.
pub(crate) fn panicked(namespace: &str, id: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "socketio_server", namespace = ?namespace, id, "a handler panicked");
}

/// Another node was heard for the first time.
pub(crate) fn node_found(node: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server::cluster", %node, "node found");
}

/// Another node has said that it leaves.
pub(crate) fn node_left(node: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_server::cluster", %node, "node left");
}

/// Another node was silent for too long.
pub(crate) fn node_lost(node: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server::cluster", %node, "node lost");
}

/// Other nodes could not be told something, and nobody else gets to know of it.
pub(crate) fn unsaid(what: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "socketio_server::cluster", what, %error, "other nodes were not told");
}
