//! Manager: one connection to a server, and the namespaces on it.

mod builder;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engineio::client::Url;
use socketio_events::table::HandlerId;

pub use self::builder::ManagerBuilder;
use crate::manager_event::ManagerEvent;
use crate::socket::{SharedHandle, Socket};

/// One connection to a server, for any number of namespaces. This is a handle: clones share the connection.
#[derive(Clone, Debug)]
pub struct Manager(Arc<SharedHandle>);

impl Manager {
    pub(crate) fn new(handle: Arc<SharedHandle>) -> Self {
        Self(handle)
    }

    /// Socket of a namespace. Nothing is connected before [`Socket::connect`].
    ///
    /// All handles of a namespace are the same socket, as long as one exists or the socket is active. After
    /// that the socket and its handlers are dropped, and the next call creates a new one.
    pub fn socket(&self, namespace: &str) -> Socket {
        Socket::open(&self.0, namespace)
    }

    /// URL of the server.
    pub fn url(&self) -> &Url {
        self.0.shared.engine.url()
    }

    /// Registers a hook for the events of the connection. The connection's task calls it and waits for its
    /// return, so the hook must not block.
    pub fn on_event(&self, hook: impl Fn(&ManagerEvent) + Send + Sync + 'static) -> HandlerId {
        self.0.shared.on_event(Arc::new(hook))
    }

    /// Removes a hook. `false` if it is not registered.
    pub fn off(&self, id: HandlerId) -> bool {
        self.0.shared.off(id)
    }

    /// Turns reconnection on or off, from the next lost connection or failed attempt on. See
    /// [`Reconnection::enabled`](crate::Reconnection::enabled).
    pub fn set_reconnection(&self, reconnection: bool) {
        self.0.shared.reconnection.store(reconnection, Ordering::Relaxed);
    }

    /// Disconnects all sockets. Waits until all sent events have left and the connection is closed.
    pub async fn close(&self) {
        for namespace in self.0.shared.namespaces() {
            namespace.leave();
        }
        self.0.shared.left();
        self.0.shared.closed().await;
    }
}
