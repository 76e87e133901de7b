//! Counts of the clients of a namespace, and of their refused events.

use std::sync::Arc;

use socketio_server::{DisconnectReason, HandlerError, Namespace, Socket};

use super::counters::NamespaceCounters;
use super::disconnects::Disconnects;
use crate::error_event;

/// Counts connected and disconnected clients, and dropped events and acknowledgements.
pub(crate) fn count_sockets(
    namespace: &Namespace,
    disconnects: &Arc<Disconnects>,
    namespace_counters: &Arc<NamespaceCounters>,
) {
    let on_connect = Arc::clone(namespace_counters);
    namespace.on_connect(move || {
        on_connect.connected.add();
        async {}
    });
    let (disconnects, on_disconnect) = (Arc::clone(disconnects), Arc::clone(namespace_counters));
    namespace.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        on_disconnect.disconnected.add();
        disconnects.add(&socket, reason);
        async {}
    });
    let namespace_counters = Arc::clone(namespace_counters);
    namespace.on_error(move |socket, error| {
        if let HandlerError::Answer(_) = error {
            namespace_counters.lost_acks.add();
        } else {
            namespace_counters.refused_events.add();
        }
        tracing::debug!(id = socket.id(), error = %error.for_log(), "event or acknowledgement dropped");
        // A client that requested an acknowledgement received the error with it. The event informs all other
        // clients.
        if let HandlerError::Extract { event, source } = error {
            error_event::emit(socket, event, source);
        }
    });
}
