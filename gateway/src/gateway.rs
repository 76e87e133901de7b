//! The gateway: one server of both protocols, and the settings that made it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engineio::{ConnectionCount, Origins, SlowConsumer};
use socketio_server::{DisconnectReason, HandlerError, Namespace, Server, Socket};
use thiserror::Error;
use tokio::sync::Notify;

use crate::access::Operators;
use crate::closes::Closes;
use crate::config::{Config, Secret, WrongValue, changes};
use crate::crowd::Crowd;
use crate::forwarded::Proxies;
use crate::guard::Guard;
use crate::hooks::{HookError, Hooks};
use crate::nets::NetError;
use crate::numbers::Numbers;
use crate::once::Once;
use crate::tallies::{Place, Tallies};
use crate::tls::{Tls, TlsError};
use crate::tokens::{Keys, Session, SessionError, TokenError, Tokens};
use crate::{descriptors, events, pace, watch};

/// A gateway. This is a handle: clones are the same gateway.
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

/// Why nothing was reloaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// A setting has a value that it cannot have. It is the first one; [`Config::check`] names all.
    #[error(transparent)]
    Setting(#[from] WrongValue),
    /// Tokens cannot be checked as the settings say.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificate or its key cannot be used.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
}

/// Why a gateway cannot be made from a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting has a value that it cannot have. It is the first one; [`Config::check`] names all.
    #[error(transparent)]
    Setting(#[from] WrongValue),
    /// A setting of the transport cannot be.
    #[error(transparent)]
    Transport(#[from] engineio::ConfigError),
    /// Tokens cannot be checked as the settings say.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// TLS cannot be spoken as the settings say.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// What should be an address or a net is none.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The backend cannot be called as the settings say.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The system has no random bytes for a key of operators.
    #[error("api.keys is empty, and no key can be made: {0}")]
    Random(#[from] getrandom::Error),
    /// A namespace's name is no pattern.
    #[error("server.namespaces: {name}: {source}")]
    Namespace {
        /// What was given.
        name: String,
        /// What is wrong with it.
        source: socketio_server::PatternError,
    },
}

impl Gateway {
    /// A gateway that nobody can reach yet. The configuration is [checked](Config::check), wherever it comes from.
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
        // First, so that no pattern takes its name.
        watch::register(&io, &operators, &closes, started);
        for name in &config.server.namespaces {
            let namespace = namespace(&io, name)?;
            // First of all, so that nobody else has work with those who are too many.
            crowd.register(&namespace);
            guard.register(&namespace);
            pace::register(&namespace, &config.limits);
            events::register(&io, &namespace, &config, &tallies.excess);
            hooks.register(&namespace);
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

    /// The Socket.IO server, of which native clients are clients too: for handlers and emits of one's own.
    pub fn io(&self) -> &Server {
        &self.0.io
    }

    /// The settings that it was made with. [`reload`](Self::reload) does not change them.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The key of operators that was made at random, since `api.keys` was empty. It is good until
    /// [`reload`](Self::reload) brings keys, and whenever they are gone again. Whoever prints it should do so where only
    /// operators read.
    pub fn generated_key(&self) -> Option<&str> {
        self.0.operators.generated().map(Secret::expose)
    }

    /// How long it has been there.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// How things are. Counting takes a walk over all sessions and rooms.
    pub fn numbers(&self) -> Numbers {
        Numbers::now(&self.0.io, &self.0.closes, self.uptime())
    }

    /// Whether it takes new clients: not while it says goodbye to those that it has.
    pub fn is_ready(&self) -> bool {
        !self.0.draining.load(Ordering::Relaxed)
    }

    /// Takes no new clients, tells the others to go, evenly over the first half of `server.drain_ms`, and ends the
    /// connections that are left when that time is over. What is left of it is the backend's, which may still have to
    /// hear of some. Then [`serve`](Self::serve) returns.
    pub async fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
        let deadline = Duration::from_millis(self.0.config.server.drain_ms);
        let end = tokio::time::Instant::now() + deadline;
        let hooks = &self.0.hooks;
        let lost = hooks.lost();
        self.0.io.drain(deadline, deadline / 2).await;
        // What the backend has not heard by then it will not hear.
        let _ = tokio::time::timeout_at(end, hooks.idle()).await;
        let disconnects = hooks.unheard().saturating_sub(lost);
        if disconnects > 0 {
            tracing::warn!(disconnects, "the backend has not heard of all disconnects");
        }
        self.0.is_closed.store(true, Ordering::Relaxed);
        self.0.closed.notify_waiters();
    }

    /// Takes the keys of operators and those of tokens from these settings, and reads the files of the certificate
    /// again. Connections stay as they are, also those that were opened with a key that is good no longer. All of it is
    /// taken or, with an error, nothing.
    ///
    /// Without keys of operators in the settings the [generated](Self::generated_key) one is good; if none was generated,
    /// nobody is an operator until another reload brings a key.
    ///
    /// Returns the names of the other settings that differ from those that the gateway was made with.
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

    /// Those who may do everything.
    pub(crate) fn operators(&self) -> &Operators {
        &self.0.operators
    }

    /// TLS, where it is spoken.
    pub(crate) fn tls(&self) -> Option<&Arc<Tls>> {
        self.0.tls.as_ref()
    }

    /// A new session, of a user or of nobody in particular: its token lets in, for as long as `auth.session_ms` says.
    /// Who asks has proved who it is to whoever calls this.
    pub fn acquire_session(&self, user: Option<String>) -> Result<Session, SessionError> {
        self.0.tokens.acquire(user)
    }

    /// Whose pages may connect, and call the API.
    pub(crate) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// What was counted from the start.
    pub(crate) fn tallies(&self) -> &Tallies {
        &self.0.tallies
    }

    /// The calls of the API that are carried out once.
    pub(crate) fn once(&self) -> &Arc<Once> {
        &self.0.once
    }

    /// What proves who a client is.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The backend that is called, if there is one.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    /// How many may come from where.
    pub(crate) fn crowd(&self) -> &Crowd {
        &self.0.crowd
    }

    /// The proxies whose word counts.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.0.proxies
    }

    /// Whether more can be opened.
    pub(crate) fn descriptors(&self) -> &descriptors::Watch {
        &self.0.descriptors
    }

    /// Those that went.
    pub(crate) fn closes(&self) -> &Closes {
        &self.0.closes
    }

    /// How many connections are in a TLS handshake or speak HTTP, on all ports. Those that became WebSockets are sessions.
    pub fn connections(&self) -> usize {
        self.ports().iter().map(ConnectionCount::now).sum()
    }

    /// Counts the connections of one more port.
    pub(crate) fn add_port(&self, connections: ConnectionCount) {
        self.ports().push(connections);
    }

    /// Every change is whole, so a panic elsewhere is no reason to stop.
    fn ports(&self) -> MutexGuard<'_, Vec<ConnectionCount>> {
        self.0.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the gateway is closed.
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
        // Other clients, the backend and the log see ids of sockets.
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

/// A namespace by its name, or the parent of those whose names fit the pattern.
fn namespace(io: &Server, name: &str) -> Result<Namespace, StartError> {
    if name.contains('{') {
        io.of_pattern(name).map_err(|source| StartError::Namespace { name: name.to_owned(), source })
    } else {
        Ok(io.of(name))
    }
}

/// Counts who comes and goes, and what is dropped.
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
        // Those that wait for an answer are told by it.
        if let HandlerError::Extract { event, source } = error {
            events::wrong(socket, event, source);
        }
    });
}
