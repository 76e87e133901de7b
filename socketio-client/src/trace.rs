//! Tracing events of connections and namespaces. Without the feature `tracing` these functions do nothing, so
//! that callers need no `cfg`. docs/tracing.md lists the targets and levels.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "used by the feature tracing only"))]

use std::fmt::Display;

use crate::error::HandlerError;
use crate::manager_event::ManagerEvent;

/// Event of the connection.
pub(crate) fn connection(event: &ManagerEvent) {
    #[cfg(feature = "tracing")]
    match event {
        ManagerEvent::Open => tracing::debug!(target: "socketio_client", "connection open"),
        ManagerEvent::Error(error) => {
            tracing::debug!(target: "socketio_client", error = ?error.to_string(), "connection not opened");
        }
        ManagerEvent::Close(reason) => {
            tracing::debug!(target: "socketio_client", %reason, "connection closed");
        }
        ManagerEvent::ReconnectAttempt(attempt) => {
            tracing::debug!(target: "socketio_client", attempt, "reconnecting");
        }
        ManagerEvent::Reconnect(attempts) => {
            tracing::debug!(target: "socketio_client", attempts, "reconnected");
        }
        ManagerEvent::ReconnectFailed => {
            tracing::warn!(target: "socketio_client", "reconnection given up");
        }
        // Logged by engineio, or together with the error before.
        ManagerEvent::Upgraded | ManagerEvent::UpgradeFailed(_) | ManagerEvent::ReconnectError(_) => {}
        // Too frequent.
        ManagerEvent::Ping | ManagerEvent::Packet(_) => {}
    }
}

/// Namespace connected.
pub(crate) fn connected(namespace: &str, recovered: bool) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_client", namespace, recovered, "connected");
}

/// Namespace not connected.
pub(crate) fn refused(namespace: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    {
        let error = error.to_string();
        tracing::debug!(target: "socketio_client", namespace, error = ?error, "connection refused");
    }
}

/// Namespace disconnected.
pub(crate) fn disconnected(namespace: &str, reason: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_client", namespace, %reason, "disconnected");
}

/// Error of a handler, when the application has no hook for it.
pub(crate) fn handler_error(namespace: &str, error: &HandlerError) {
    #[cfg(feature = "tracing")]
    match error {
        HandlerError::Extract { event, source } => {
            let error = source.to_string();
            tracing::warn!(target: "socketio_client", namespace, event = ?event, error = ?error, "event refused");
        }
        HandlerError::Answer(error) => {
            tracing::warn!(target: "socketio_client", namespace, error = ?error.to_string(), "acknowledgement not sent");
        }
        HandlerError::Failed { event, error } => {
            tracing::warn!(target: "socketio_client", namespace, event = ?event, error = ?error, "handler failed");
        }
        // Only servers have the other errors.
        _ => {}
    }
}
