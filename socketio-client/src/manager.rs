//! One connection to a server, and the namespaces on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engineio::client::Url;
use socketio_events::table::HandlerId;

use crate::manager_event::ManagerEvent;
use crate::socket::{Handle, Socket};

/// One connection to a server, for any number of namespaces. This is a handle: clones are the same connection.
#[derive(Clone, Debug)]
pub struct Manager(Arc<Handle>);

impl Manager {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self(handle)
    }

    /// The socket of a namespace: the same one as long as it has a handle or wants to be connected. Then nothing is left of
    /// it, neither its handlers, and the next one is new. Nothing happens before [`Socket::connect`].
    pub fn socket(&self, namespace: &str) -> Socket {
        self.0.socket(namespace)
    }

    /// The server's address.
    pub fn url(&self) -> &Url {
        self.0.hub.engine.url()
    }

    /// Calls `hook` for everything that happens to the connection. It is called from the connection's task, so it should
    /// be quick.
    pub fn on_event(&self, hook: impl Fn(&ManagerEvent) + Send + Sync + 'static) -> HandlerId {
        self.0.hub.on_event(Arc::new(hook))
    }

    /// Takes a hook out again.
    pub fn off(&self, id: HandlerId) -> bool {
        self.0.hub.off(id)
    }

    /// Whether a connection that is lost from now on, or an attempt that fails, is followed by another attempt.
    pub fn set_reconnection(&self, reconnection: bool) {
        self.0.hub.reconnection.store(reconnection, Ordering::Relaxed);
    }

    /// Disconnects all sockets, and waits until everything that was sent has left and the connection is closed.
    pub async fn close(&self) {
        for space in self.0.hub.spaces() {
            space.leave();
        }
        self.0.hub.left();
        self.0.hub.closed().await;
    }
}
