//! A handle that does not keep its server in memory.

use std::sync::{Arc, Weak};

use super::{Server, Shared};

/// A handle of a [`Server`] that does not keep it in memory, for the handlers and hooks of the server.
///
/// A server owns its handlers and hooks. If one of them holds a `Server`, the two own each other, and neither
/// is ever freed.
#[derive(Clone, Debug)]
pub struct WeakServer(Weak<Shared>);

impl Server {
    /// A handle for the handlers and hooks of this server.
    pub fn downgrade(&self) -> WeakServer {
        WeakServer(Arc::downgrade(&self.0))
    }
}

impl WeakServer {
    /// The server; `None` if its last handle is dropped and its last session and connection have ended.
    pub fn upgrade(&self) -> Option<Server> {
        self.0.upgrade().map(Server)
    }
}
