//! Settings of the Socket.IO layer, with the official server's defaults where they exist.

use std::time::Duration;

use socketio_parser::{Limits, Parser};

/// Settings of the Socket.IO layer. The settings of the transport belong to `engineio`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Maximum time without a joined namespace (`connectTimeout`). Default 45 s; then the connection is
    /// closed. Costs one timer per connection until the first CONNECT.
    pub connect_timeout: Duration,
    /// Maximum wait for an acknowledgement if the call sets no `timeout`. Default 30 s. The official server
    /// waits for ever, which leaks lost acknowledgements.
    pub ack_timeout: Duration,
    /// Maximum number of pending acknowledgements per socket. Default 10,000; further emits with
    /// acknowledgement fail at once. Costs about 100 bytes each.
    pub max_pending_acks: usize,
    /// Maximum size in bytes of the acknowledgements of one broadcast. Default 64 MiB; further
    /// acknowledgements are dropped and count as missing. Attachments count too, and each acknowledgement
    /// counts 128 bytes more. Costs this much memory until the broadcast is complete.
    pub max_gathered_bytes: usize,
    /// Maximum number of binary parts of an event or acknowledgement that is sent. Default 10, as the official
    /// decoder accepts; more are refused with
    /// [`EmitError::TooManyAttachments`](crate::EmitError::TooManyAttachments), since the other side would close the
    /// connection. A decoder with a higher `maxAttachments` permits a higher limit. Packets in msgpack have no
    /// attachments.
    pub max_attachments: usize,
    /// Maximum number of namespaces per connection. Default 64; a further CONNECT closes the connection.
    pub max_namespaces: usize,
    /// Maximum number of rooms per socket, without the one under its own id. Default 10,000. Beyond that
    /// [`Socket::try_join`](crate::Socket::try_join) returns an error; other joins have no effect, are logged as a
    /// warning and counted in [`Namespace::refused_joins`](crate::Namespace::refused_joins). A room costs its name
    /// and about 100 bytes, and joining takes longer the more rooms the socket is in. A server whose clients choose
    /// rooms should set it to what they need.
    pub max_rooms: usize,
    /// Maximum number of refused CONNECTs per connection. Default 100; a further one closes the connection.
    pub max_refused_connects: usize,
    /// Number of CONNECTs of one connection that may arrive at once, granted or not. Default 64, and never
    /// less than [`max_namespaces`](Self::max_namespaces). Beyond the burst the rate is limited by
    /// [`connects_per_second`](Self::connects_per_second), and faster CONNECTs are refused. A CONNECT costs a
    /// call of each middleware and of the handlers of "connect" and "disconnect".
    pub connect_burst: usize,
    /// Rate limit in CONNECTs per second and connection, beyond [`connect_burst`](Self::connect_burst).
    /// Default 16; 0 disables the limit.
    pub connects_per_second: u32,
    /// Rate limit in events per second and connection, of all its namespaces together, beyond
    /// [`event_burst`](Self::event_burst). Faster events wait, in order with all later packets: up to
    /// [`max_waiting_events`](Self::max_waiting_events) in the server, and beyond that the client is not read.
    /// Acknowledgements do not count, but wait too if they come later. Default 0: off, as handlers differ too much
    /// for a number that suits all, and [`max_handlers_in_flight`](Self::max_handlers_in_flight) slows down clients
    /// whose handlers take long. Costs a clock read per event, and a timer per connection while events wait.
    pub events_per_second: u32,
    /// Number of events of one connection that are handled at once before
    /// [`events_per_second`](Self::events_per_second) applies. Default 100; never less than 1.
    pub event_burst: usize,
    /// Maximum size in bytes of the credentials in a CONNECT. Default 16 KiB; a larger CONNECT is refused,
    /// and the connection is closed with all its namespaces. The credentials are kept for the lifetime of the
    /// socket, so a connection costs up to [`max_namespaces`](Self::max_namespaces) times this size.
    pub max_auth_bytes: usize,
    /// Maximum number of running handlers per connection. Default 128; beyond that the server stops reading
    /// from the client until a handler has finished, so a client that sends faster than its handlers run is
    /// slowed down.
    pub max_handlers_in_flight: usize,
    /// Maximum number of waiting events per client, while an event middleware decides about an earlier event,
    /// or while handlers are at their limit. Default 128; beyond that the server stops reading from the
    /// client.
    pub max_waiting_events: usize,
    /// Maximum time for waiting events to start after their connection has ended. Default 30 s; then the
    /// remaining events are dropped. Their sockets stay in their namespaces until then. A connection that the
    /// server closes does not wait.
    pub waiting_events_timeout: Duration,
    /// Maximum number of handlers, on the whole server, that run for disconnected clients; waiting events of
    /// such clients count too. Default 10,000; beyond that every CONNECT is refused (a `connect_error` whose
    /// `data.code` is "busy") until some handlers have ended. Costs the memory of each handler.
    pub max_detached_handlers: usize,
    /// Maximum time for the attachments of an event to arrive. Default 60 s; then the connection is closed.
    /// Costs one timer per connection while attachments are awaited.
    pub attachment_timeout: Duration,
    /// Whether a reconnecting client recovers its socket and the missed events (`connectionStateRecovery`).
    /// Default `None`: off. See [`Recovery`] for the cost.
    pub connection_state_recovery: Option<Recovery>,
    /// Whether a namespace that was created from a pattern or function is removed with its last socket
    /// (`cleanupEmptyChildNamespaces`). Default `false`, as the official server. A server whose clients
    /// choose the names should enable it, because each requested name costs about 1 KiB.
    pub cleanup_empty_child_namespaces: bool,
    /// Whether the sockets of Socket.IO v2 clients get random ids too. Default `false`: as with the official
    /// server their id is the session id, because these clients derive `socket.id` from it. Knowledge of a
    /// session id allows to read and send as that client, so a server that shows socket ids to other clients
    /// should enable this. `socket.id` on these clients then differs from the server's id, which an event
    /// must transmit.
    pub random_ids_for_v2: bool,
    /// Name of this node in its cluster, such as a host name. The ids of the node begin with it, so that
    /// errors and logs of other nodes name it. Default `None`: random ids. Costs its bytes in each message to
    /// other nodes. See [`NodeId::named`](crate::cluster::NodeId::named) for its form.
    pub node_name: Option<String>,
    /// Limits for received packets. See [`Limits`].
    pub limits: Limits,
    /// Encoding of packets: JSON by default, or msgpack. All clients must use the same, unless
    /// [`ServerBuilder::connection_parser`](crate::ServerBuilder::connection_parser) selects others.
    pub parser: Parser,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            ack_timeout: Duration::from_secs(30),
            max_pending_acks: 10_000,
            max_gathered_bytes: 64 << 20,
            max_attachments: 10,
            max_namespaces: 64,
            max_rooms: 10_000,
            max_refused_connects: 100,
            connect_burst: 64,
            connects_per_second: 16,
            events_per_second: 0,
            event_burst: 100,
            max_auth_bytes: 16 * 1024,
            max_handlers_in_flight: 128,
            max_waiting_events: 128,
            waiting_events_timeout: Duration::from_secs(30),
            max_detached_handlers: 10_000,
            attachment_timeout: Duration::from_secs(60),
            connection_state_recovery: None,
            cleanup_empty_child_namespaces: false,
            random_ids_for_v2: false,
            node_name: None,
            limits: Limits::default(),
            parser: Parser::Json,
        }
    }
}

/// Settings of connection state recovery (`connectionStateRecovery`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovery {
    /// Maximum time of a disconnection (`maxDisconnectionDuration`). Default 2 minutes. The events of that
    /// time are kept in memory, encoded, once for all clients.
    pub max_disconnection_duration: Duration,
    /// Whether a recovered client skips the middlewares (`skipMiddlewares`). Default `true`.
    pub skip_middlewares: bool,
    /// Maximum size in bytes of the kept events per namespace. Default 16 MiB; beyond that the oldest events
    /// are removed, and a client that needs one of them is not recovered. The official server has no such
    /// limit. Where an adapter stores the events, only those are kept that arrive while clients are being
    /// restored.
    pub max_bytes: usize,
    /// Maximum number of disconnected sockets per namespace. Default 100,000; beyond that the oldest are
    /// removed. Costs about 300 bytes each, plus their rooms and data.
    pub max_sessions: usize,
}

/// Setters, for settings in one expression: `Recovery::default().max_bytes(1 << 20)`.
impl Recovery {
    /// Sets [`max_disconnection_duration`](Self::max_disconnection_duration).
    #[must_use]
    pub fn max_disconnection_duration(mut self, duration: Duration) -> Self {
        self.max_disconnection_duration = duration;
        self
    }

    /// Sets [`skip_middlewares`](Self::skip_middlewares).
    #[must_use]
    pub fn skip_middlewares(mut self, skip: bool) -> Self {
        self.skip_middlewares = skip;
        self
    }

    /// Sets [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets [`max_sessions`](Self::max_sessions).
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            max_disconnection_duration: Duration::from_secs(120),
            skip_middlewares: true,
            max_bytes: 16 * 1024 * 1024,
            max_sessions: 100_000,
        }
    }
}
