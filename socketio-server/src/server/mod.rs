//! The server: its namespaces, and the Engine.IO server.

mod builder;
#[cfg(feature = "serve-client")]
pub(crate) mod client_bundle;
mod extract;
mod weak_server;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use engineio::EngineLayer;
use tokio::net::TcpListener;

pub use self::builder::ServerBuilder;
pub use self::weak_server::WeakServer;
use crate::namespace::Namespace;
use crate::namespace::parent::NamespaceRequest;
use crate::namespace::registry::NamespaceRegistry;
#[cfg(feature = "regex")]
use crate::params::RegexError;
use crate::params::{Pattern, PatternError};

/// A Socket.IO server.
///
/// This is a handle: clones refer to the same server. It dereferences to the default namespace `/`, so all
/// methods of [`Namespace`] are available.
///
/// Handlers take the server as an argument. A server is freed when its last handle is dropped and its last
/// client has disconnected, so a handler must hold no handle of its own server, see [`WeakServer`].
///
/// ```
/// # use socketio_server::{Args, Data, Server, Socket};
/// let io = Server::builder().build()?;
/// io.on("call an operator", |io: Server, socket: Socket, Data(text): Data<String>| async move {
///     io.of("/operators").emit("called", &Args((socket.id(), text))).await
/// });
/// # Ok::<(), engineio::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Server {
    namespaces: Arc<NamespaceRegistry>,
    engine: engineio::Server,
    /// The namespace `/`, which always exists.
    root: Namespace,
}

impl Server {
    /// A builder with the official server's defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// The namespace of this name; created if it does not exist. The leading slash is optional.
    pub fn of(&self, name: &str) -> Namespace {
        self.namespaces.of(name)
    }

    /// The parent of all namespaces whose names match a pattern: text, `{name}` for a part without a slash,
    /// and a final `{*name}` for the rest. Such a namespace is created on the first request of a client, with
    /// a copy of its parent's handlers; the captured parts are its [`Params`](crate::Params).
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
    ///
    /// # Errors
    ///
    /// The pattern is invalid.
    pub fn of_pattern(&self, pattern: &str) -> Result<Namespace, PatternError> {
        Ok(self.namespaces.of_pattern(Pattern::new(pattern)?))
    }

    /// The parent of all namespaces whose names, with their leading slash, match a regular expression, as with a
    /// `RegExp` of the official server: it matches anywhere in the name unless it is anchored. Named groups are the
    /// [`Params`](crate::Params). [`of_pattern`](Self::of_pattern) needs no regular expression for the usual names.
    ///
    /// The syntax is that of the crate `regex`, whose time is linear in the length of the name, whatever a client
    /// sends. Costs a match for each CONNECT to a name that does not exist.
    ///
    /// ```
    /// # use socketio_server::{Params, Server, Socket};
    /// # let io = Server::builder().build()?;
    /// io.of_regex(r"^/room-(?<number>\d+)$")?.on_connect(|params: Params| async move {
    ///     let number: Option<u32> = params.parse("number");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "regex")]
    pub fn of_regex(&self, pattern: &str) -> Result<Namespace, RegexError> {
        let regex = regex::Regex::new(pattern).map_err(|error| RegexError(error.to_string().into()))?;
        Ok(self.namespaces.of_regex(regex))
    }

    /// The parent of all namespaces that `function` accepts. The function is called if no namespace and no
    /// earlier parent matches.
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

    /// The namespace of this name below a parent (`createChild`), so that the application can create a namespace of
    /// [`of_function`](Self::of_function) before a client requests it. An existing namespace is returned as it is.
    /// `None` if `parent` is not the result of a method `of_…` for parents.
    ///
    /// A name that matches a pattern needs no such call: [`of`](Self::of) finds its parent.
    pub fn child_of(&self, parent: &Namespace, name: &str) -> Option<Namespace> {
        self.namespaces.child_of(parent, name)
    }

    /// Deletes a namespace: its sockets are disconnected ("server namespace disconnect") and later CONNECTs are
    /// refused with "Invalid namespace". If the name matches a parent, a later CONNECT creates the namespace again.
    /// Returns `false` if there is no such namespace, and for `/`, which always exists.
    ///
    /// Existing handles of the namespace stay valid, but reach no socket any more; [`of`](Self::of) creates a new
    /// namespace without handlers. In a cluster the other nodes keep theirs.
    pub fn delete_namespace(&self, name: &str) -> bool {
        self.namespaces.delete(name)
    }

    /// Calls `hook` for each namespace that is created from now on (`new_namespace`), before the first client
    /// joins it. The hook may use the server; clients that request the namespace wait for it.
    #[doc(alias = "new_namespace")]
    pub fn on_new_namespace(&self, hook: impl Fn(&Namespace) + Send + Sync + 'static) {
        self.namespaces.on_new(Arc::new(hook));
    }

    /// Whether the server has an adapter, and so may have others beside it.
    pub fn is_clustered(&self) -> bool {
        self.namespaces.is_clustered()
    }

    /// The names of all namespaces.
    pub fn namespaces(&self) -> Vec<String> {
        self.namespaces.names()
    }

    /// The namespace of this name, if it exists. Unlike [`of`](Self::of) this method creates none.
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces.existing(name)
    }

    /// Number of running handlers and waiting events of disconnected clients; limited by
    /// [`Config::max_detached_handlers`](crate::Config::max_detached_handlers).
    pub fn detached_handlers(&self) -> usize {
        self.namespaces.detached_handlers.total()
    }

    /// Lets the connections that are opened from now on keep the extension of this type, if a layer in front of
    /// the server adds it to the request, for [`Handshake::extension`](crate::Handshake::extension). Types that a
    /// handler takes as [`Extension`](crate::Extension) are kept without this call.
    pub fn keep_extension<T: Clone + Send + Sync + 'static>(&self) {
        self.engine.keep_extension::<T>();
    }

    /// The Engine.IO server: sessions, counters and the HTTP service.
    pub fn engine(&self) -> &engineio::Server {
        &self.engine
    }

    /// Serves the connections of a listener until [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// The listener cannot be used any more.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.engine.serve(listener).await
    }

    /// A tower layer that serves the requests below the path and forwards all others.
    pub fn layer(&self) -> EngineLayer {
        self.engine.layer()
    }

    /// A tower service that serves every request, for mounting in a router.
    pub fn service(&self) -> engineio::Server {
        self.engine.service()
    }

    /// Closes all connections at once and accepts no new ones.
    pub fn close(&self) {
        self.namespaces.close();
        self.engine.close();
    }

    /// Closes all connections gracefully, distributed over `spread`; the remaining ones are closed at
    /// `deadline`. Until then this server is a member of its cluster. Its last messages to other servers are
    /// sent when the method returns; it waits for them for at most 2 s after the last connection.
    pub async fn drain(&self, deadline: Duration, spread: Duration) {
        self.namespaces.start_closing();
        self.engine.drain(deadline, spread).await;
        self.namespaces.leave_cluster().await;
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
