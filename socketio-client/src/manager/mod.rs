//! Manager: one connection to a server, and the namespaces on it.

mod builder;

use std::sync::Arc;
use std::time::Duration;

use engineio::client::Url;
use engineio::{Sid, Transport};
use socketio_events::table::HandlerId;

pub use self::builder::ManagerBuilder;
use crate::config::Reconnection;
use crate::manager_event::ManagerEvent;
use crate::socket::{SharedHandle, Socket};

/// One connection to a server, for any number of namespaces. This is a handle: clones share the connection.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use socketio_client::{Manager, ManagerEvent};
///
/// let manager = Manager::builder("http://localhost:3000")?.header("x-bot", "1").build();
/// manager.on_event(|event| {
///     if let ManagerEvent::ReconnectAttempt(number) = event {
///         println!("attempt {number}");
///     }
/// });
/// let (chat, admin) = (manager.socket("/chat"), manager.socket("/admin"));
/// chat.connect().connected().await?;
/// admin.auth(&"secret")?.connect().connected().await?;
/// manager.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Manager(Arc<SharedHandle>);

impl Manager {
    pub(crate) fn new(handle: Arc<SharedHandle>) -> Self {
        Self(handle)
    }

    /// Socket of a namespace. Nothing is connected before [`Socket::connect`], unless
    /// [`Config::auto_connect`](crate::Config::auto_connect) is on.
    ///
    /// All handles of a namespace are the same socket, as long as one exists or the socket is active. After
    /// that the socket and its handlers are dropped, and the next call creates a new one.
    pub fn socket(&self, namespace: &str) -> Socket {
        let socket = Socket::open(&self.0, namespace);
        if self.0.shared.config.auto_connect {
            socket.connect();
        }
        socket
    }

    /// Opens the connection although no socket is active: a socket then only has to join its namespace. The
    /// hooks receive [`ManagerEvent::Open`] or [`ManagerEvent::Error`]. The connection is closed when the
    /// last active socket leaves, by [`close`](Self::close), and when the last handle is dropped. Without
    /// effect if it is open.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn open(&self) -> &Self {
        self.0.shared.keep_open();
        self
    }

    /// Transport of the connection, while it is open. [`ManagerEvent::Upgraded`] reports a change.
    pub fn transport(&self) -> Option<Transport> {
        self.0.shared.session().map(|(_, transport)| transport)
    }

    /// Engine.IO session id of the connection, while it is open (`manager.engine.id`). It is a secret: it
    /// gives access to the session.
    pub fn session_id(&self) -> Option<Sid> {
        self.0.shared.session().map(|(sid, _)| sid)
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
        self.0.shared.reconnection.lock().enabled = reconnection;
    }

    /// Current settings of the reconnection.
    pub fn reconnection(&self) -> Reconnection {
        self.0.shared.reconnection.lock().clone()
    }

    /// Changes the settings of the reconnection (`reconnectionAttempts`, `reconnectionDelay`, …), from the
    /// next lost connection or failed attempt on.
    pub fn set_reconnection_settings(&self, reconnection: Reconnection) {
        *self.0.shared.reconnection.lock() = reconnection;
    }

    /// Timeout of opening the connection.
    pub fn connect_timeout(&self) -> Duration {
        *self.0.shared.connect_timeout.lock()
    }

    /// Changes the timeout of opening the connection (`timeout`), from the next attempt on.
    pub fn set_connect_timeout(&self, timeout: Duration) {
        *self.0.shared.connect_timeout.lock() = timeout;
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
