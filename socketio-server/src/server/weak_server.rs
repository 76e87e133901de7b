//! A handle that does not keep its server in memory.

use std::fmt;
use std::sync::{Arc, Weak};

use super::Server;
use crate::namespace::registry::NamespaceRegistry;

/// A handle of a [`Server`] that does not keep it in memory, for hooks and tasks that use the server.
///
/// A server owns its namespaces, and they own their handlers and hooks. If one of these holds a `Server` or a
/// [`Namespace`](crate::Namespace), the two own each other, and neither is ever freed. Handlers and middlewares
/// take a `Server`, a `Namespace` or a `WeakServer` as an argument; hooks and tasks hold a `WeakServer`.
///
/// ```
/// # use socketio_server::Server;
/// let io = Server::builder().build()?;
/// let server = io.downgrade();
/// io.on_room_event(move |event| {
///     let sockets = server.upgrade().map_or(0, |io| io.of("/operators").len());
///     println!("{event:?}, seen by {sockets} operators");
/// });
/// # Ok::<(), engineio::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct WeakServer {
    namespaces: Weak<NamespaceRegistry>,
    engine: engineio::WeakServer,
}

impl Server {
    /// A handle for the handlers, middlewares and hooks of this server. It does not keep the server in
    /// memory.
    pub fn downgrade(&self) -> WeakServer {
        WeakServer { namespaces: Arc::downgrade(&self.namespaces), engine: self.engine.downgrade() }
    }
}

impl WeakServer {
    /// The server; `None` if its last handle is dropped and its last session and connection have ended. While
    /// a client is connected, its handlers get the server.
    pub fn upgrade(&self) -> Option<Server> {
        let engine = self.engine.upgrade()?;
        let namespaces = self.namespaces.upgrade()?;
        let root = namespaces.existing("/")?;
        Some(Server { namespaces, engine, root })
    }
}

impl fmt::Debug for WeakServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakServer").finish_non_exhaustive()
    }
}
