//! Gateway: one server for both protocols, with its settings and shared state.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use engineio::{Accepting, ConnectionCount, Origins};
use socketio_server::{Namespace, Server};
use tokio::sync::Notify;

use crate::auth::guard::Guard;
use crate::auth::holder::TokenHolder;
use crate::auth::operators::Operators;
use crate::auth::tokens::{Keys, SessionError, SessionToken, Tokens};
use crate::builtin;
use crate::cluster::{Answerer, Cluster};
use crate::config::{Config, InvalidSetting, Secret, changes};
use crate::error::{ReloadError, StartError};
use crate::limits::address_limits::AddressLimits;
use crate::limits::namespace_limit::NamespaceLimit;
use crate::limits::rate_limit;
use crate::listen::descriptors;
use crate::listen::forwarded::Proxies;
use crate::listen::tls::Tls;
use crate::live_stats;
use crate::server;
use crate::shared::{self, SharedState};
use crate::stats::counters::Counters;
use crate::stats::disconnects::Disconnects;
use crate::stats::snapshot::Stats;
use crate::stats::sockets::count_sockets;
use crate::webhooks::Webhooks;

/// Handle to a gateway. Clones refer to the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway(Arc<Shared>);

/// Handle that does not keep a gateway in memory.
#[cfg(unix)]
#[derive(Clone, Debug)]
pub(crate) struct WeakGateway(std::sync::Weak<Shared>);

#[cfg(unix)]
impl WeakGateway {
    pub(crate) fn upgrade(&self) -> Option<Gateway> {
        self.0.upgrade().map(Gateway)
    }
}

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    origins: Origins,
    io: Server,
    disconnects: Arc<Disconnects>,
    counters: Counters,
    shared: Arc<dyn SharedState>,
    tokens: Arc<Tokens>,
    operators: Arc<Operators>,
    tls: Option<Arc<Tls>>,
    webhooks: Webhooks,
    cluster: Cluster,
    address_limits: Arc<AddressLimits>,
    proxies: Proxies,
    descriptors: descriptors::DescriptorState,
    started: Instant,
    ports: Mutex<Vec<(ConnectionCount, Accepting)>>,
    /// Whether another process goes on with the ports.
    handed_over: AtomicBool,
    draining: AtomicBool,
    closed: Notify,
    is_closed: AtomicBool,
}

impl Gateway {
    /// Creates a gateway without listening on a port. The configuration is [checked](Config::check), whatever
    /// its source.
    ///
    /// A node of a cluster must be created within a runtime of tokio. It does not wait for Redis or PostgreSQL.
    pub fn new(config: Config) -> Result<Self, StartError> {
        Self::build(config, true)
    }

    /// The same without the built-in events of clients, the relay and the event `connected`, for a program whose clients
    /// have events of its own only.
    pub fn without_events(config: Config) -> Result<Self, StartError> {
        Self::build(config, false)
    }

    fn build(config: Config, has_events: bool) -> Result<Self, StartError> {
        first_invalid(&config)?;
        let config = Arc::new(config);
        let origins: Origins = config.origins.allowed.iter().collect();
        let counters = Counters::default();
        let proxies = Proxies::new(&config.server)?;
        let address_limits = Arc::new(AddressLimits::new(&config.limits, &proxies, &counters.refused)?);
        let namespace_limit = NamespaceLimit::new(config.limits.namespaces_per_connection, &counters.refused);
        let (cluster, media) = Cluster::open(&config)?;
        let (io, admin) = server::build(&config, &origins, &address_limits, media, &cluster)?;
        if let Some(admin) = admin {
            admin.instrument(&io)?;
        }
        let tokens = Arc::new(Tokens::new(&config.auth)?);
        let operators = Arc::new(Operators::new(config.api.keys.clone())?);
        let tls = Tls::new(&config.tls)?.map(Arc::new);
        let shared = shared::of(&config, cluster.connections());
        let guard = Guard::new(&io, &tokens, &config.auth, &shared);
        let webhooks = Webhooks::new(&config.webhooks, &io, &cluster)?;
        let disconnects = Arc::<Disconnects>::default();
        let started = Instant::now();
        // Registered first, so that no pattern matches its name.
        live_stats::register(&io, &operators, &disconnects, &cluster, started);
        for name in &config.server.namespaces {
            let namespace = namespace(&io, name)?;
            // The limit runs before all other middleware, so that a refused client causes no further work.
            namespace_limit.register(&namespace);
            cluster.require_revocations(&namespace, &tokens);
            guard.register(&namespace);
            rate_limit::register(&namespace, &config.limits);
            if has_events {
                builtin::register(&namespace, &config, &counters.refused);
            }
            webhooks.register(&namespace, config.events.relay);
            count_sockets(&namespace, &disconnects, &counters.namespace(name));
            let broadcasts = Arc::clone(&counters.broadcasts);
            namespace.on_broadcast(move |delivered| broadcasts.add(delivered));
        }
        cluster.start(
            &io,
            Answerer {
                io: io.downgrade(),
                tokens: Arc::clone(&tokens),
                disconnects: Arc::clone(&disconnects),
                started,
                peers: cluster.peers().cloned(),
                group: cluster.group(),
            },
        );
        cluster.follow_revocations(&io, &tokens, &shared);
        Ok(Self(Arc::new(Shared {
            config,
            origins,
            io,
            disconnects,
            counters,
            shared,
            tokens,
            operators,
            tls,
            webhooks,
            cluster,
            address_limits,
            proxies,
            descriptors: descriptors::DescriptorState::default(),
            started,
            ports: Mutex::default(),
            handed_over: AtomicBool::new(false),
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

    /// Current statistics of this gateway, without the other nodes of a cluster. Collecting them iterates over all sessions and rooms.
    pub fn stats(&self) -> Stats {
        Stats::collect(&self.0.io, &self.0.disconnects, self.uptime())
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
        self.0.cluster.leave(&self.0.io).await;
        let webhooks = &self.0.webhooks;
        let lost_disconnects = webhooks.lost_disconnects();
        self.0.io.drain(deadline, deadline / 2).await;
        // Disconnect webhooks that are still pending at the deadline are lost, and counted below.
        let _ = tokio::time::timeout_at(end, webhooks.idle()).await;
        let disconnects = webhooks.unnotified().saturating_sub(lost_disconnects);
        if disconnects > 0 {
            tracing::warn!(disconnects, "disconnect webhooks were lost");
        }
        self.0.is_closed.store(true, Ordering::Relaxed);
        self.0.closed.notify_waiters();
    }

    /// Accepts no further connections, as another process goes on with the ports. Connections that are open are served,
    /// and end after the response to their next request.
    #[cfg(unix)]
    pub(crate) fn hand_over(&self) {
        self.0.handed_over.store(true, Ordering::Relaxed);
        self.ports().iter().for_each(|(_, accepting)| accepting.stop());
    }

    /// Whether another process goes on with the ports.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.0.handed_over.load(Ordering::Relaxed)
    }

    /// Handle that does not keep the gateway in memory.
    #[cfg(unix)]
    pub(crate) fn downgrade(&self) -> WeakGateway {
        WeakGateway(Arc::downgrade(&self.0))
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
        first_invalid(config)?;
        let keys = Keys::new(&config.auth)?;
        if let Some(tls) = &self.0.tls {
            tls.certificate().reload()?;
        }
        self.0
            .cluster
            .peers_certificate()
            .map_or(Ok(()), |own| own.reload())
            .map_err(ReloadError::PeersTls)?;
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
    pub fn acquire_session(&self, user: Option<String>) -> Result<SessionToken, SessionError> {
        self.0.tokens.acquire(user)
    }

    /// Checks a token as that of a connecting client. `None`: the token is invalid, expired or revoked, or the settings
    /// have no keys of tokens.
    pub async fn check_token(&self, token: &str) -> Option<TokenHolder> {
        let identity = self.0.tokens.check(token).await?;
        Some(TokenHolder { user: identity.user, metadata: identity.metadata })
    }

    /// Origins of pages that may connect and call the API.
    pub(crate) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// Counters since the start.
    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// State that all nodes of a cluster share.
    pub(crate) fn shared(&self) -> &dyn SharedState {
        &*self.0.shared
    }

    /// Verification of tokens.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Backend that receives webhooks, if one is configured.
    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    /// The cluster, if this gateway is a node of one.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// Name of this gateway in its cluster, if it is a node of one.
    pub fn node(&self) -> Option<&str> {
        self.0.cluster.node()
    }

    /// Waits until this gateway hears the other nodes of its cluster; without a cluster, not at all. Clients and events
    /// are served without this wait too.
    pub async fn cluster_ready(&self) {
        if let Some(connections) = self.0.cluster.connections() {
            connections.ready().await;
        }
    }

    /// Limits per client address and per connection.
    pub(crate) fn address_limits(&self) -> &AddressLimits {
        &self.0.address_limits
    }

    /// Trusted proxies.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.0.proxies
    }

    /// State of the file descriptors.
    pub(crate) fn descriptors(&self) -> &descriptors::DescriptorState {
        &self.0.descriptors
    }

    /// Statistics of disconnected clients.
    pub(crate) fn disconnects(&self) -> &Disconnects {
        &self.0.disconnects
    }

    /// Number of connections that are in a TLS handshake or speak HTTP, on all ports. Connections that became
    /// WebSockets count as sessions instead.
    pub fn connections(&self) -> usize {
        self.ports().iter().map(|(connections, _)| connections.now()).sum()
    }

    /// Adds a port to those whose connections are counted, and can be handed over.
    pub(crate) fn add_port(&self, connections: ConnectionCount, accepting: Accepting) {
        self.ports().push((connections, accepting));
    }

    /// Locks the list of ports. No change can be interrupted, so a poisoned lock is still consistent.
    fn ports(&self) -> MutexGuard<'_, Vec<(ConnectionCount, Accepting)>> {
        self.0.ports.lock()
    }

    /// Completes when the gateway is closed.
    pub(crate) async fn closed(&self) {
        let closed = self.0.closed.notified();
        if !self.0.is_closed.load(Ordering::Relaxed) {
            closed.await;
        }
    }
}

fn first_invalid(config: &Config) -> Result<(), InvalidSetting> {
    match config.check().map_err(|errors| errors.into_iter().next()) {
        Err(Some(first)) => Err(first),
        Ok(()) | Err(None) => Ok(()),
    }
}

/// Returns the namespace of this name, or, for a pattern, the parent of all namespaces that match it.
fn namespace(io: &Server, name: &str) -> Result<Namespace, StartError> {
    if name.contains('{') {
        io.of_pattern(name).map_err(|source| StartError::Namespace { name: name.to_owned(), source })
    } else {
        Ok(io.of(name))
    }
}
