//! The server: namespaces, and the Engine.IO server below them.

mod builder;
#[cfg(feature = "serve-client")]
pub(crate) mod client_bundle;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use engineio::EngineLayer;
use tokio::net::TcpListener;

pub use self::builder::ServerBuilder;
use crate::namespace::Namespace;
use crate::namespace::params::{Pattern, PatternError};
use crate::namespace::registry::{NamespaceRequest, Namespaces};

/// A Socket.IO server.
///
/// This is a handle: clones are the same server. Everything that a [`Namespace`] can do it does for the default
/// namespace `/` too.
#[derive(Clone)]
pub struct Server {
    namespaces: Arc<Namespaces>,
    engine: engineio::Server,
    /// The namespace `/`, which always exists.
    root: Namespace,
}

impl Server {
    /// Starts with the official server's defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// The namespace of this name, which comes to be if it did not exist. The slash in front may be left out.
    pub fn of(&self, name: &str) -> Namespace {
        self.namespaces.of(name)
    }

    /// The parent of all namespaces whose names fit a pattern: text, `{name}` for a part without slash, and
    /// `{*name}` at the end for the rest. Such a namespace comes to be when the first client asks for it, with the
    /// handlers that its parent has then; what the pattern captured is in its [`Params`](crate::Params).
    ///
    /// ```
    /// # use socketio_server::{Params, Server, Socket};
    /// # let io = Server::builder().build()?;
    /// let tenants = io.of_pattern("/tenant/{tenant}")?;
    /// tenants.on_connect(|socket: Socket, params: Params| async move {
    ///     socket.join(params.get("tenant").unwrap_or_default());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_pattern(&self, pattern: &str) -> Result<Namespace, PatternError> {
        Ok(self.namespaces.of_pattern(Pattern::new(pattern)?))
    }

    /// The parent of all namespaces that `function` agrees to. It is asked when no namespace and no parent that was
    /// made earlier fits.
    ///
    /// ```
    /// # use socketio_server::{NamespaceRequest, Server};
    /// # let io = Server::builder().build()?;
    /// let rooms = io.of_function(|request: NamespaceRequest| async move {
    ///     request.name().starts_with("/room-") && request.handshake().query().get("token") == Some("secret")
    /// });
    /// # Ok::<(), engineio::ConfigError>(())
    /// ```
    pub fn of_function<F, Fut>(&self, function: F) -> Namespace
    where
        F: Fn(NamespaceRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.namespaces.of_function(function)
    }

    /// Calls `hook` for each namespace that comes to be from now on (`new_namespace`), before any client is let into it.
    /// The hook may use the server; while it runs, clients that ask for the namespace wait.
    pub fn on_new_namespace(&self, hook: impl Fn(&Namespace) + Send + Sync + 'static) {
        self.namespaces.on_new(Arc::new(hook));
    }

    /// The names of the namespaces that are there.
    pub fn namespaces(&self) -> Vec<String> {
        self.namespaces.names()
    }

    /// The namespace of this name if it is there. Unlike [`of`](Self::of) this makes none.
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.existing(name)
    }

    /// How many handlers run for clients that have left, with the events of such clients that wait for theirs:
    /// [`Config::max_detached_handlers`] bounds them.
    pub fn detached_handlers(&self) -> usize {
        self.namespaces.unfinished.now()
    }

    /// The Engine.IO server below: its sessions, its counts, and its service.
    pub fn engine(&self) -> &engineio::Server {
        &self.engine
    }

    /// Serves the connections of a listener until [`close`](Self::close).
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.engine.serve(listener).await
    }

    /// A layer that answers the requests below the path and passes all others on.
    pub fn layer(&self) -> EngineLayer {
        self.engine.layer()
    }

    /// A service that takes every request for its own, to be mounted by a router.
    pub fn service(&self) -> engineio::Server {
        self.engine.service()
    }

    /// Disconnects everybody at once and takes nobody new.
    pub fn close(&self) {
        self.namespaces.close();
        self.engine.close();
    }

    /// Disconnects everybody in good order, spread over `spread`; what is left after `deadline` at once.
    pub async fn drain(&self, deadline: Duration, spread: Duration) {
        self.namespaces.close();
        self.engine.drain(deadline, spread).await;
    }
}

impl std::ops::Deref for Server {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.root
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.namespaces.config).finish_non_exhaustive()
    }
}
