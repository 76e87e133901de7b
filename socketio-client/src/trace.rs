//! What can be seen of connections and namespaces, with the feature `tracing`. Without it these functions do nothing, so
//! that their callers need not ask. The table of targets and levels is docs/tracing.md.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nothing is done with them"))]

use std::fmt::Display;

use crate::error::HandlerError;
use crate::manager_event::ManagerEvent;

/// Something has happened to the connection.
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
            tracing::warn!(target: "socketio_client", "reconnecting is given up");
        }
        // The transport has said so already, or the error before has.
        ManagerEvent::Upgraded | ManagerEvent::UpgradeFailed(_) | ManagerEvent::ReconnectError(_) => {}
    }
}

/// A namespace has let the socket in.
pub(crate) fn connected(namespace: &str, recovered: bool) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_client", namespace, recovered, "connected");
}

/// A namespace could not be joined.
pub(crate) fn refused(namespace: &str, error: &impl Display) {
    #[cfg(feature = "tracing")]
    {
        let error = error.to_string();
        tracing::debug!(target: "socketio_client", namespace, error = ?error, "connection refused");
    }
}

/// A socket has left its namespace.
pub(crate) fn disconnected(namespace: &str, reason: &impl Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "socketio_client", namespace, %reason, "disconnected");
}

/// What the server sent fits no handler, or an answer did not leave, and no hook of the application was told.
pub(crate) fn unheard(namespace: &str, error: &HandlerError) {
    #[cfg(feature = "tracing")]
    match error {
        HandlerError::Extract { event, source } => {
            let error = source.to_string();
            tracing::warn!(target: "socketio_client", namespace, event = ?event, error = ?error, "event refused");
        }
        HandlerError::Answer(error) => {
            tracing::warn!(target: "socketio_client", namespace, error = ?error.to_string(), "answer not sent");
        }
        HandlerError::Failed { event, error } => {
            tracing::warn!(target: "socketio_client", namespace, event = ?event, error = ?error, "handler failed");
        }
    }
}
