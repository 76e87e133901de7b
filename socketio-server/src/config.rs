//! Every number and switch of the Socket.IO layer, with the official server's defaults where it has one.

use std::time::Duration;

use socketio_parser::{Limits, Parser};

/// The settings of the Socket.IO layer. Those of the transport below are `engineio`'s.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long a client may stay without joining a namespace (`connectTimeout`). Default 45 s; then its connection
    /// is closed. Costs one timer per connection until the first CONNECT.
    pub connect_timeout: Duration,
    /// How long an emit with acknowledgement waits when the call sets no `timeout`. Default 30 s. The official
    /// server waits for ever, which leaks what never comes.
    pub ack_timeout: Duration,
    /// How many acknowledgements one socket may owe. Default 10,000; further emits with acknowledgement fail at
    /// once. Costs about 100 bytes each while they wait.
    pub max_pending_acks: usize,
    /// How many bytes of answers one emit to many may gather. Default 64 MiB; further answers are dropped, and those who
    /// gave them count as missing. An answer counts with its attachments and 128 bytes for its place. Costs as much memory
    /// until the emit is done.
    pub max_gathered_bytes: usize,
    /// How many namespaces one connection may be in. Default 64; a further CONNECT closes it.
    pub max_namespaces: usize,
    /// How many CONNECTs of one connection may be refused. Default 100; a further one closes it.
    pub max_refused_connects: usize,
    /// How many CONNECTs of one connection may come at once, whether they are granted or not. Default 64, and never less
    /// than [`max_namespaces`](Self::max_namespaces). Beyond that [`connects_per_second`](Self::connects_per_second)
    /// counts, and what comes faster is refused. A CONNECT costs a call of each middleware and of the handlers of
    /// "connect" and "disconnect".
    pub connect_burst: usize,
    /// How many CONNECTs a second one connection has beyond [`connect_burst`](Self::connect_burst). Default 16; 0: as many
    /// as it likes.
    pub connects_per_second: u32,
    /// How many bytes the credentials of a CONNECT may have. Default 16 KiB; a CONNECT with more is refused, and behind
    /// the refusal the connection is closed, whatever other namespaces it is in. They are kept for as long as the socket
    /// lives, so a connection costs up to [`max_namespaces`](Self::max_namespaces) times as much.
    pub max_auth_bytes: usize,
    /// How many handlers of one connection may run at a time. Default 128; beyond that nothing is read from the
    /// client until one has finished, so a client that sends faster than its handlers work has to wait.
    pub max_handlers_in_flight: usize,
    /// How many events of one client may wait while a middleware for events decides about an earlier one, or while
    /// handlers are at their limit. Default 128; beyond that nothing is read from the client.
    pub max_waiting_events: usize,
    /// How long events that wait when their connection ends may take to begin. Default 30 s; then those that have not are
    /// dropped. Their sockets stay in their namespaces until then. Ends that the server wants do not wait for them.
    pub waiting_events_timeout: Duration,
    /// How many handlers may run, on the whole server, for clients that have left; events of such clients that wait for
    /// their handlers count too. Default 10,000; beyond that nobody is let into a namespace (a `connect_error` whose
    /// `data.code` is "busy") until some have ended. Costs what a handler holds, for each.
    pub max_detached_handlers: usize,
    /// How long the attachments of an event may take to arrive. Default 60 s; then the connection is closed. Costs
    /// one timer per connection while attachments are awaited.
    pub attachment_timeout: Duration,
    /// Whether clients may come back as who they were, and get what they missed (`connectionStateRecovery`).
    /// Default `None`: off. See [`Recovery`] for what it costs.
    pub connection_state_recovery: Option<Recovery>,
    /// Whether a namespace that a pattern or function made goes with its last socket
    /// (`cleanupEmptyChildNamespaces`). Default `false`, as the official server; a server whose clients choose the
    /// names should turn it on, because each name that was ever asked for costs about 1 KiB.
    pub cleanup_empty_child_namespaces: bool,
    /// Whether sockets of clients of Socket.IO v2 get random ids too. Default `false`: as with the official server their
    /// id is that of the session, because these clients make theirs up from it. Whoever knows the session's id can read
    /// and send in the client's name, so a server that shows ids of sockets to other clients should turn this on. Then
    /// `socket.id` of these clients is not the id that the server knows; an event has to tell it.
    pub random_ids_for_v2: bool,
    /// What a packet may contain. See [`Limits`].
    pub limits: Limits,
    /// How packets are written: the default JSON, or msgpack, which the clients have to use too.
    pub parser: Parser,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            ack_timeout: Duration::from_secs(30),
            max_pending_acks: 10_000,
            max_gathered_bytes: 64 << 20,
            max_namespaces: 64,
            max_refused_connects: 100,
            connect_burst: 64,
            connects_per_second: 16,
            max_auth_bytes: 16 * 1024,
            max_handlers_in_flight: 128,
            max_waiting_events: 128,
            waiting_events_timeout: Duration::from_secs(30),
            max_detached_handlers: 10_000,
            attachment_timeout: Duration::from_secs(60),
            connection_state_recovery: None,
            cleanup_empty_child_namespaces: false,
            random_ids_for_v2: false,
            limits: Limits::default(),
            parser: Parser::Json,
        }
    }
}

/// The settings of connection state recovery (`connectionStateRecovery`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovery {
    /// How long a client may be away (`maxDisconnectionDuration`). Default 2 minutes. The events of that time are
    /// kept in memory, encoded, once for all clients.
    pub max_disconnection_duration: Duration,
    /// Whether a client that comes back is spared the middlewares (`skipMiddlewares`). Default `true`.
    pub skip_middlewares: bool,
    /// How many bytes of events each namespace keeps. Default 16 MiB; beyond that the oldest go first, and a client
    /// that would need one of them starts anew. The official server has no such bound.
    pub max_bytes: usize,
    /// How many sockets that went away each namespace remembers. Default 100,000; beyond that the oldest go first.
    /// Costs about 300 bytes each, plus their rooms and data.
    pub max_sessions: usize,
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
