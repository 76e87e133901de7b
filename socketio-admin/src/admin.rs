//! The settings, and the namespace of the page.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use socketio_server::{ConnectError, Namespace, RemoteSocket, Server, ServerBuilder, Socket, WeakServer};
use thiserror::Error;

use crate::auth::{Auth, Credentials};
use crate::report::{ReportArgs, Reports};
use crate::serialize::SerializedSocket;
use crate::shows::Shows;
use crate::stats::Publisher;
use crate::tracking::Tracking;
use crate::traffic::Traffic;
use crate::{commands, trace};

/// Default of [`AdminUi::session_lifetime`].
const SESSION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Details that the page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// The numbers of servers and namespaces, and the commands. No lists of sockets, rooms and events.
    #[default]
    Production,
    /// Each socket with its handshake and its data, each room and each event with its arguments. For development: an event
    /// of a client is one more for each page, or several, and operators read what clients say.
    Development,
}

/// Error of [`AdminUi::instrument`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstrumentError {
    /// The server was built without [`AdminUi::observe`], so its traffic is not known.
    #[error("AdminUi::observe has to be called on the builder of the server")]
    NotObserved,
    /// The statistics are sent by a task.
    #[error("the admin UI needs a runtime of tokio")]
    NoRuntime,
}

/// The settings of the admin UI: `instrument(io, options)` of the official package.
pub struct AdminUi {
    auth: Auth,
    namespace: String,
    mode: Mode,
    read_only: bool,
    server_id: Option<String>,
    session_lifetime: Duration,
    shows: Shows,
    traffic: Traffic,
    is_observed: AtomicBool,
}

/// The admin UI of a server.
#[derive(Clone, Debug)]
pub struct Admin {
    reports: Option<Reports>,
}

impl AdminUi {
    /// The defaults, with this authentication.
    pub fn new(auth: Auth) -> Self {
        Self {
            auth,
            namespace: "/admin".to_owned(),
            mode: Mode::default(),
            read_only: false,
            server_id: None,
            session_lifetime: SESSION_LIFETIME,
            shows: Arc::new(|_| true),
            traffic: Traffic::default(),
            is_observed: AtomicBool::new(false),
        }
    }

    /// Details that the page shows. Default [`Mode::Production`]; that of the official package depends on `NODE_ENV`.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The namespace of the page (`namespaceName`). Default `/admin`. The page asks for it at its login.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// Whether the page can only look (`readonly`). Default `false`: it emits events, moves sockets into rooms and out of
    /// them, and disconnects them.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The name of this server on the page (`serverId`), different for each server of a cluster. Default: the name of the
    /// host, `#`, and the number of the process.
    #[must_use]
    pub fn server_id(mut self, id: impl Into<String>) -> Self {
        self.server_id = Some(id.into());
        self
    }

    /// Time until an operator has to enter the password again. Default one day. An open page stays connected.
    #[must_use]
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime;
        self
    }

    /// Shows the namespaces alone for which `shows` is true, and lets commands reach no others. Default: all. Servers of a
    /// cluster need the same.
    #[must_use]
    pub fn namespaces(mut self, shows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.shows = Arc::new(shows);
        self
    }

    /// Has a server count its sessions, packets and bytes for the page. Cost: two counters for each packet.
    pub fn observe(&self, builder: ServerBuilder) -> ServerBuilder {
        self.is_observed.store(true, Ordering::Relaxed);
        let traffic = self.traffic.clone();
        builder.engine(|engine| engine.observer(traffic))
    }

    /// Adds the admin UI to a server that was built by the observed builder. Namespaces that are registered later are
    /// shown too.
    ///
    /// # Errors
    ///
    /// The server was not [observed](Self::observe), or there is no runtime of tokio.
    pub fn instrument(self, io: &Server) -> Result<Admin, InstrumentError> {
        if !self.is_observed.load(Ordering::Relaxed) {
            return Err(InstrumentError::NotObserved);
        }
        tokio::runtime::Handle::try_current().map_err(|_| InstrumentError::NoRuntime)?;
        if self.auth.is_none() {
            trace::disabled();
        }
        let namespace = io.of(&self.namespace);
        self.authenticate(&namespace);
        let reports = (self.mode == Mode::Development)
            .then(|| Reports::start(io.downgrade(), namespace.name().to_owned()));
        let tracking =
            reports.as_ref().map(|reports| Tracking::new(io, namespace.name(), &self.shows, reports));
        if !self.read_only {
            commands::register(&namespace, &io.downgrade(), &self.shows);
        }
        self.welcome(io, &namespace, tracking.as_ref());
        if let Some(tracking) = tracking.filter(|_| io.is_clustered()) {
            // A page may be open at any other server, which does not say so.
            tracking.enter();
        }
        let hostname = gethostname::gethostname().to_string_lossy().into_owned();
        let publisher = Publisher {
            io: io.downgrade(),
            namespace: namespace.name().to_owned(),
            server_id: self.server_id.unwrap_or_else(|| format!("{hostname}#{}", std::process::id())),
            hostname,
            started: Instant::now(),
            traffic: self.traffic,
            shows: self.shows,
        };
        tokio::spawn(publisher.run());
        Ok(Admin { reports })
    }

    fn authenticate(&self, namespace: &Namespace) {
        let (auth, lifetime) = (self.auth.clone(), self.session_lifetime);
        namespace.middleware(move |socket: Socket| {
            let auth = auth.clone();
            async move {
                let credentials = socket.handshake().auth::<Credentials>().unwrap_or_default();
                match auth.check(&credentials, lifetime).await {
                    Ok(session) => {
                        session.map(|id| socket.extensions().insert(NewSession(id)));
                        Ok(())
                    }
                    Err(refused) => {
                        trace::refused(&refused);
                        Err(ConnectError::new(refused.to_string()))
                    }
                }
            }
        });
    }

    /// Tells each page what it may do, and follows which pages are open.
    fn welcome(&self, io: &Server, namespace: &Namespace, tracking: Option<&Arc<Tracking>>) {
        let mut features = if self.read_only { Vec::new() } else { commands::FEATURES.to_vec() };
        features.push("AGGREGATED_EVENTS");
        if tracking.is_some() {
            features.push("ALL_EVENTS");
        }
        let config = json!({"supportedFeatures": features});
        let all = tracking.map(|tracking| AllSockets {
            io: io.downgrade(),
            shows: self.shows.clone(),
            tracking: Arc::clone(tracking),
        });
        namespace.on_connect(move |socket: Socket| {
            // A socket that has left gets nothing more.
            if let Some(NewSession(id)) = socket.extensions().remove() {
                let _ = socket.emit("session", &id);
            }
            match &all {
                Some(all) => {
                    all.tracking.enter_with(&socket);
                    all.tracking.reports().add_for(&socket, "config", ReportArgs::default().with(&config));
                }
                None => drop(socket.emit("config", &config)),
            }
            let all = all.clone();
            async move {
                if let Some(all) = all {
                    all.send(&socket).await;
                }
            }
        });
        let tracking = tracking.map(Arc::clone);
        namespace.on_disconnect(move |_: Socket| {
            if let Some(tracking) = &tracking {
                tracking.leave();
            }
            async {}
        });
    }
}

/// A session id that the client does not have yet.
#[derive(Clone)]
struct NewSession(String);

/// The sockets of all servers, for a page that has connected.
#[derive(Clone)]
struct AllSockets {
    io: WeakServer,
    shows: Shows,
    tracking: Arc<Tracking>,
}

impl AllSockets {
    async fn send(&self, page: &Socket) {
        let Some(io) = self.io.upgrade() else { return };
        let mut found: Vec<(String, Vec<RemoteSocket>)> = Vec::new();
        for name in io.namespaces().into_iter().filter(|name| (self.shows)(name)) {
            let Some(namespace) = io.namespace(&name) else { continue };
            // Servers that do not answer are missing on the page, and their events show them later.
            let sockets = match namespace.fetch_sockets().await {
                Ok(sockets) => sockets,
                Err(error) => error.partial().map(|partial| partial.answers).unwrap_or_default(),
            };
            found.push((name, sockets));
        }
        let mut all = Vec::new();
        for (name, sockets) in &found {
            all.extend(sockets.iter().map(|socket| SerializedSocket::remote(socket, name)));
        }
        self.tracking.reports().add_for(page, "all_sockets", ReportArgs::default().with(all));
    }
}

impl Admin {
    /// Reports of [`Mode::Development`] that were dropped, as more than 10,000 waited for the adapter. The page is
    /// incomplete until it is loaded again.
    pub fn dropped_reports(&self) -> u64 {
        self.reports.as_ref().map_or(0, Reports::dropped)
    }
}

impl fmt::Debug for AdminUi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminUi")
            .field("auth", &self.auth)
            .field("namespace", &self.namespace)
            .field("mode", &self.mode)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}
