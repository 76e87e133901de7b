//! Gateway: one server for both protocols, with its settings and shared state.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engineio::{ConnectionCount, Origins, SlowConsumer};
use socketio_server::{DisconnectReason, HandlerError, Namespace, Server, Socket};
use thiserror::Error;
use tokio::sync::Notify;

use crate::auth::guard::Guard;
use crate::auth::operators::Operators;
use crate::auth::tokens::{Keys, Session, SessionError, TokenError, Tokens};
use crate::builtin;
use crate::config::{Config, Secret, WrongValue, changes};
use crate::idempotency::Once;
use crate::limits::address_limits::Crowd;
use crate::limits::rate_limit;
use crate::listen::descriptors;
use crate::listen::forwarded::Proxies;
use crate::listen::networks::NetError;
use crate::listen::tls::{Tls, TlsError};
use crate::stats::counters::{Place, Tallies};
use crate::stats::disconnects::Closes;
use crate::stats::live;
use crate::stats::snapshot::Numbers;
use crate::webhooks::{HookError, Hooks};

/// Handle to a gateway. Clones refer to the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    origins: Origins,
    io: Server,
    closes: Arc<Closes>,
    tallies: Tallies,
    once: Arc<Once>,
    tokens: Arc<Tokens>,
    operators: Arc<Operators>,
    tls: Option<Arc<Tls>>,
    hooks: Hooks,
    crowd: Arc<Crowd>,
    proxies: Proxies,
    descriptors: descriptors::Watch,
    started: Instant,
    ports: Mutex<Vec<ConnectionCount>>,
    draining: AtomicBool,
    closed: Notify,
    is_closed: AtomicBool,
}

/// Error of a reload. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// A setting has an invalid value. This is the first one; [`Config::check`] returns all.
    #[error(transparent)]
    Setting(#[from] WrongValue),
    /// The settings of token authentication are unusable.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificate or its key is unusable.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
}

/// Error of creating a gateway from a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting has an invalid value. This is the first one; [`Config::check`] returns all.
    #[error(transparent)]
    Setting(#[from] WrongValue),
    /// The settings of the transport are rejected by the engine.
    #[error(transparent)]
    Transport(#[from] engineio::ConfigError),
    /// The settings of token authentication are unusable.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The settings of TLS are unusable.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// An entry of an address list is neither an address nor a network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The settings of the backend are unusable.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The system has no random bytes for a generated key.
    #[error("api.keys is empty, and no key can be made: {0}")]
    Random(#[from] getrandom::Error),
    /// The name of a namespace is not a valid pattern.
    #[error("server.namespaces: {name}: {source}")]
    Namespace {
        /// Name in the configuration.
        name: String,
        /// Error of the pattern.
        source: socketio_server::PatternError,
    },
}

impl Gateway {
    /// Creates a gateway without listening on a port. The configuration is [checked](Config::check), whatever
    /// its source.
    pub fn new(config: Config) -> Result<Self, StartError> {
        first_wrong(&config)?;
        let config = Arc::new(config);
        let origins: Origins = config.origins.allowed.iter().collect();
        let tallies = Tallies::default();
        let proxies = Proxies::new(&config.server)?;
        let crowd = Arc::new(Crowd::new(&config.limits, &proxies, &tallies.excess)?);
        let io = server(&config, &origins, &crowd)?;
        let tokens = Arc::new(Tokens::new(&config.auth)?);
        let operators = Arc::new(Operators::new(config.api.keys.clone())?);
        let tls = Tls::new(&config.tls)?.map(Arc::new);
        let guard = Guard::new(&io, &tokens, &config.auth);
        let hooks = Hooks::new(&config.hooks, &io)?;
        let closes = Arc::<Closes>::default();
        let started = Instant::now();
        // Registered first, so that no pattern matches its name.
        live::register(&io, &operators, &closes, started);
        for name in &config.server.namespaces {
            let namespace = namespace(&io, name)?;
            // The limit runs before all other middleware, so that a refused client causes no further work.
            crowd.register(&namespace);
            guard.register(&namespace);
            rate_limit::register(&namespace, &config.limits);
            builtin::register(&namespace, &config, &tallies.excess);
            hooks.register(&namespace, config.events.relay);
            count(&namespace, &closes, &tallies.place(name));
            let broadcasts = Arc::clone(&tallies.broadcasts);
            namespace.on_broadcast(move |delivered| broadcasts.add(delivered));
        }
        Ok(Self(Arc::new(Shared {
            config,
            origins,
            io,
            closes,
            tallies,
            once: Arc::default(),
            tokens,
            operators,
            tls,
            hooks,
            crowd,
            proxies,
            descriptors: descriptors::Watch::default(),
            started,
            ports: Mutex::default(),
            draining: AtomicBool::new(false),
            closed: Notify::new(),
            is_closed: AtomicBool::new(false),
        })))
    }

    /// Socket.IO server, for handlers and emits of the embedding program. Native clients are clients of it
    /// too.
    ///
    /// The server owns its handlers. A handler that holds a `Gateway` or a `Server` keeps them in memory for
    /// ever; it holds a [`WeakServer`](socketio_server::WeakServer) instead.
    ///
    /// Events with a handler are neither relayed nor sent to the backend. Both happens in the
    /// [fallback](socketio_server::Namespace::fallback) of each namespace, which another fallback replaces.
    pub fn io(&self) -> &Server {
        &self.0.io
    }

    /// Settings that the gateway was created with. [`reload`](Self::reload) does not change them.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Key of operators that was generated because `api.keys` was empty. It is valid whenever the settings
    /// have no keys, also after a [`reload`](Self::reload) that removes them. It is a secret: print it only
    /// where operators alone can read it.
    pub fn generated_key(&self) -> Option<&str> {
        self.0.operators.generated().map(Secret::expose)
    }

    /// Time since the gateway was created.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Current statistics. Collecting them iterates over all sessions and rooms.
    pub fn numbers(&self) -> Numbers {
        Numbers::now(&self.0.io, &self.0.closes, self.uptime())
    }

    /// Whether the gateway accepts new clients. It does not during a drain.
    pub fn is_ready(&self) -> bool {
        !self.0.draining.load(Ordering::Relaxed)
    }

    /// Drains the gateway. New clients are refused, the others are disconnected evenly over the first half of
    /// `server.drain_ms`, and connections that are still open at the deadline are closed. If time is left
    /// before the deadline, pending disconnect webhooks are sent. Then [`serve`](Self::serve) returns.
    pub async fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
        let deadline = Duration::from_millis(self.0.config.server.drain_ms);
        let end = tokio::time::Instant::now() + deadline;
        let hooks = &self.0.hooks;
        let lost = hooks.lost();
        self.0.io.drain(deadline, deadline / 2).await;
        // Disconnect webhooks that are still pending at the deadline are lost, and counted below.
        let _ = tokio::time::timeout_at(end, hooks.idle()).await;
        let disconnects = hooks.unheard().saturating_sub(lost);
        if disconnects > 0 {
            tracing::warn!(disconnects, "the backend has not heard of all disconnects");
        }
        self.0.is_closed.store(true, Ordering::Relaxed);
        self.0.closed.notify_waiters();
    }

    /// Applies the keys of operators and the keys of tokens from these settings, and reads the certificate
    /// files again. Open connections are kept, including those that were authenticated by a key that is no
    /// longer valid. On an error nothing is changed.
    ///
    /// If the settings have no keys of operators, the [generated](Self::generated_key) key is valid. If none
    /// was generated, all operator requests are refused until another reload brings a key.
    ///
    /// Returns the names of the other settings that differ from those that the gateway was created with. They
    /// need a restart.
    pub fn reload(&self, config: &Config) -> Result<Vec<String>, ReloadError> {
        first_wrong(config)?;
        let keys = Keys::new(&config.auth)?;
        if let Some(tls) = &self.0.tls {
            tls.reload()?;
        }
        self.0.tokens.replace(keys);
        self.0.operators.replace(config.api.keys.clone());
        Ok(changes::needing_restart(&self.0.config, config))
    }

    /// Authentication of operators.
    pub(crate) fn operators(&self) -> &Operators {
        &self.0.operators
    }

    /// TLS, if the settings name a certificate.
    pub(crate) fn tls(&self) -> Option<&Arc<Tls>> {
        self.0.tls.as_ref()
    }

    /// Issues a session token, for a user or anonymous. It is valid for `auth.session_ms`. The caller of this
    /// function must have authenticated the user.
    pub fn acquire_session(&self, user: Option<String>) -> Result<Session, SessionError> {
        self.0.tokens.acquire(user)
    }

    /// Origins of pages that may connect and call the API.
    pub(crate) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// Counters since the start.
    pub(crate) fn tallies(&self) -> &Tallies {
        &self.0.tallies
    }

    /// Idempotency keys of API calls.
    pub(crate) fn once(&self) -> &Arc<Once> {
        &self.0.once
    }

    /// Verification of tokens.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Backend that receives webhooks, if one is configured.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    /// Limits per client address and per connection.
    pub(crate) fn crowd(&self) -> &Crowd {
        &self.0.crowd
    }

    /// Trusted proxies.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.0.proxies
    }

    /// State of the file descriptors.
    pub(crate) fn descriptors(&self) -> &descriptors::Watch {
        &self.0.descriptors
    }

    /// Statistics of disconnected clients.
    pub(crate) fn closes(&self) -> &Closes {
        &self.0.closes
    }

    /// Number of connections that are in a TLS handshake or speak HTTP, on all ports. Connections that became
    /// WebSockets count as sessions instead.
    pub fn connections(&self) -> usize {
        self.ports().iter().map(ConnectionCount::now).sum()
    }

    /// Adds a port to those whose connections are counted.
    pub(crate) fn add_port(&self, connections: ConnectionCount) {
        self.ports().push(connections);
    }

    /// Locks the list of ports. No change can be interrupted, so a poisoned lock is still consistent.
    fn ports(&self) -> MutexGuard<'_, Vec<ConnectionCount>> {
        self.0.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the gateway is closed.
    pub(crate) async fn closed(&self) {
        let closed = self.0.closed.notified();
        if !self.0.is_closed.load(Ordering::Relaxed) {
            closed.await;
        }
    }
}

fn first_wrong(config: &Config) -> Result<(), WrongValue> {
    match config.check().map_err(|errors| errors.into_iter().next()) {
        Err(Some(first)) => Err(first),
        Ok(()) | Err(None) => Ok(()),
    }
}

fn server(config: &Config, origins: &Origins, crowd: &Crowd) -> Result<Server, engineio::ConfigError> {
    let transport = &config.transport;
    let builder = Server::builder()
        .path(&config.server.path)
        .ping_interval(Duration::from_millis(transport.ping_interval_ms))
        .ping_timeout(Duration::from_millis(transport.ping_timeout_ms))
        .connect_timeout(Duration::from_millis(transport.connect_timeout_ms))
        .max_payload(transport.max_payload_bytes)
        .cleanup_empty_child_namespaces(true)
        // Ids of sockets are visible to other clients, the backend and the log, so they must not reveal the
        // session id.
        .random_ids_for_v2(true)
        .engine(|engine| {
            let engine = engine
                .max_buffered(transport.max_buffered_bytes, SlowConsumer::Disconnect)
                .max_sessions(config.server.max_sessions)
                .max_sessions_per_address(crowd.sessions())
                .max_queued_bytes(config.server.max_queued_bytes)
                .body_timeout(Duration::from_millis(transport.body_timeout_ms))
                .allow_eio3(transport.allow_eio3)
                .jsonp(transport.jsonp)
                .origins(origins.clone());
            match origins.cors(config.origins.credentials) {
                Some(cors) => engine.cors(cors),
                None => engine,
            }
        });
    builder.build()
}

/// Returns the namespace of this name, or, for a pattern, the parent of all namespaces that match it.
fn namespace(io: &Server, name: &str) -> Result<Namespace, StartError> {
    if name.contains('{') {
        io.of_pattern(name).map_err(|source| StartError::Namespace { name: name.to_owned(), source })
    } else {
        Ok(io.of(name))
    }
}

/// Counts connected and disconnected clients, and dropped events and acknowledgements.
fn count(namespace: &Namespace, closes: &Arc<Closes>, place: &Arc<Place>) {
    let coming = Arc::clone(place);
    namespace.on_connect(move || {
        coming.came.add();
        async {}
    });
    let (closes, going) = (Arc::clone(closes), Arc::clone(place));
    namespace.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        going.went.add();
        closes.add(&socket, reason);
        async {}
    });
    let place = Arc::clone(place);
    namespace.on_error(move |socket, error| {
        if let HandlerError::Answer(_) = error {
            place.lost_answers.add();
        } else {
            place.refused_events.add();
        }
        tracing::debug!(id = socket.id(), error = %error.for_log(), "an event or its answer was dropped");
        // A client that requested an acknowledgement received the error with it. The event informs all other
        // clients.
        if let HandlerError::Extract { event, source } = error {
            builtin::wrong(socket, event, source);
        }
    });
}
