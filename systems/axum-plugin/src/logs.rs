//! The two loggers: one for the namespaces, one for the transport.

use socketio_server::{DisconnectReason, EventName, Namespace, Server, ServerBuilder, Socket};
use tracing::{debug, warn};

/// Logs the events of all namespaces, including dynamic ones.
pub(crate) fn log_sockets(io: &Server) {
    log_namespace(&io.of("/"));
    io.on_new_namespace(log_namespace);
}

fn log_namespace(namespace: &Namespace) {
    namespace.on_connect(|socket: Socket| async move {
        debug!(target: "socketio", namespace = socket.namespace(), sid = socket.id(), "connected");
        let (namespace, sid) = (socket.namespace().to_owned(), socket.id().to_owned());
        socket.on_any_outgoing(move |event, args| {
            debug!(target: "socketio", namespace, sid, event, arguments = args.len(), "sent");
        });
    });
    namespace.on_any(|socket: Socket, EventName(event): EventName| async move {
        debug!(target: "socketio", namespace = socket.namespace(), sid = socket.id(), event, "received");
    });
    namespace.on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
        debug!(target: "socketio", namespace = socket.namespace(), sid = socket.id(), %reason, "disconnected");
    });
    namespace.on_error(|socket, error| {
        warn!(target: "socketio", namespace = socket.namespace(), sid = socket.id(), error = %error.for_log(), "ignored");
    });
}

/// Logs requests and refusals. Session ids are secrets and are not logged.
pub(crate) fn log_transport(builder: ServerBuilder) -> ServerBuilder {
    builder.engine(|engine| {
        engine
            .middleware(|request| {
                let follows = request.uri.query().is_some_and(|query| query.contains("sid="));
                debug!(target: "engineio", method = %request.method, path = request.uri.path(), follows, "request");
                async { Ok(http::HeaderMap::new()) }
            })
            .on_connection_error(|request, error| {
                let path = request.uri.path();
                debug!(target: "engineio", method = %request.method, path, %error, "refused");
            })
    })
}
