//! Socket: handle of a namespace for the application.

pub(crate) mod context;
pub(crate) mod emit;
pub(crate) mod events;
pub(crate) mod extract;
mod handlers;
mod on;

use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;

pub(crate) use self::handlers::Handlers;
use crate::error::{ConnectError, HandlerError};
use crate::namespace::NamespaceState;
use crate::namespace::state::{Auth, AuthFuture};
use crate::shared;
use crate::trace;

pub(crate) type Namespace = NamespaceState<Handlers>;
pub(crate) type ManagerShared = shared::ManagerShared<Handlers>;
pub(crate) type SharedHandle = shared::SharedHandle<Handlers>;

/// Namespace on a manager's connection. This is a handle: clones are the same socket.
///
/// A socket is *active* from [`connect`](Self::connect) until [`disconnect`](Self::disconnect), a DISCONNECT
/// of the server, or a refusal. An active socket reconnects by itself when the connection is lost.
///
/// An inactive socket is dropped with its last handle, and its handlers with it. An active one continues
/// without a handle until it is disconnected.
///
/// Handlers should take the socket as an argument: a handler that owns a clone keeps the connection open.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use socketio_client::{Ack, AckError, Data, Socket};
///
/// let chat = Socket::new("http://localhost:3000/chat")?;
/// chat.on("said", |Data(from): Data<String>, Data(text): Data<String>| async move { println!("{from}: {text}") });
/// chat.on("name?", || async { Ack("ada") });
/// chat.on_connect(|socket: Socket| async move { println!("connected as {:?}", socket.id()) });
/// chat.connect().connected().await?;
/// chat.emit("say", "hello")?;
/// match chat.emit_with_ack::<u32>("count", "hello").await {
///     Ok(count) => println!("{count}"),
///     Err(AckError::Remote(text)) => println!("the server refuses: {text}"),
///     Err(error) => return Err(error.into()),
/// }
/// chat.close().await;
/// # Ok(())
/// # }
/// ```
pub struct Socket {
    handle: Arc<SharedHandle>,
    namespace: Arc<Namespace>,
}

impl Socket {
    /// Socket of a namespace, which is created if it does not exist.
    pub(crate) fn open(handle: &Arc<SharedHandle>, namespace: &str) -> Self {
        Self { handle: Arc::clone(handle), namespace: handle.namespace(namespace) }
    }

    /// Socket for the handlers that the connection's task calls. `None` if the application has dropped all
    /// handles. The task is the only one that removes namespaces while it exists, so the namespace is still
    /// present.
    pub(crate) fn for_handlers(shared: &ManagerShared, namespace: &Arc<Namespace>) -> Option<Self> {
        let handle = shared.handle()?;
        namespace.add_handle();
        Some(Self { handle, namespace: Arc::clone(namespace) })
    }

    /// Namespace, with its leading slash.
    pub fn namespace(&self) -> &str {
        &self.namespace.name
    }

    /// Socket id from the server, while the socket is connected.
    pub fn id(&self) -> Option<String> {
        self.namespace.lock().id().map(str::to_owned)
    }

    /// Whether the socket is connected.
    #[doc(alias = "connected")]
    pub fn is_connected(&self) -> bool {
        self.namespace.lock().id().is_some()
    }

    /// Whether the socket is connected, or tries to connect.
    #[doc(alias = "active")]
    pub fn is_active(&self) -> bool {
        self.namespace.lock().is_active()
    }

    /// Whether the server recovered the session at the last connect: its id, its rooms and data, and the
    /// missed events.
    pub fn recovered(&self) -> bool {
        self.namespace.lock().is_recovered()
    }

    /// Number of events in the queue of [`Config::retries`](crate::Config::retries), including the one in
    /// flight.
    pub fn queued(&self) -> usize {
        self.namespace.lock().queued()
    }

    /// Number of events that wait until the socket is connected (`sendBuffer`), without those of
    /// [`queued`](Self::queued).
    pub fn buffered(&self) -> usize {
        self.namespace.lock().buffered()
    }

    /// Number of events of the server that arrived before it confirmed the connection, and wait for that
    /// (`receiveBuffer`).
    pub fn early_events(&self) -> usize {
        self.namespace.lock().early()
    }

    /// Sets the number of retries for this socket, in place of [`Config::retries`](crate::Config::retries).
    /// With 0, later events are not queued; events that are in the queue have no further retry.
    pub fn set_retries(&self, retries: u32) -> &Self {
        self.namespace.set_retries(retries);
        if retries > 0 {
            self.handle.shared.retrying.store(true, Ordering::Relaxed);
        }
        self
    }

    /// Sets the timeout of acknowledgements for later events of this socket, in place of
    /// [`Config::ack_timeout`](crate::Config::ack_timeout). `None`: an emit waits until the connection is
    /// lost.
    pub fn set_ack_timeout(&self, timeout: Option<Duration>) -> &Self {
        self.namespace.set_ack_timeout(timeout);
        self
    }

    /// Sets the credentials (`socket.handshake.auth` in the server), from the next connect on.
    ///
    /// # Errors
    ///
    /// The value cannot be serialised.
    pub fn auth<T: Serialize + ?Sized>(&self, auth: &T) -> Result<&Self, serde_json::Error> {
        self.set_auth(Auth::Value(serde_json::to_value(auth)?));
        Ok(self)
    }

    /// Sets a function that provides the credentials at each connect: for credentials that expire.
    pub fn auth_with<F, Fut>(&self, auth: F) -> &Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Serialize,
    {
        let function = move || -> AuthFuture {
            let credentials = auth();
            Box::pin(async move { serde_json::to_value(credentials.await) })
        };
        self.set_auth(Auth::Function(Arc::new(function)));
        self
    }

    fn set_auth(&self, auth: Auth) {
        let previous = self.namespace.lock().set_auth(auth);
        drop(previous);
    }

    /// Activates the socket, and opens the connection if there is none. Without effect if it is active.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect(&self) -> &Self {
        if self.namespace.activate() {
            self.handle.shared.wake();
        }
        self
    }

    /// Waits until the socket is connected, for at most
    /// [`Config::connected_timeout`](crate::Config::connected_timeout), by default 20 s.
    ///
    /// ```no_run
    /// # async fn example(socket: socketio_client::Socket) -> Result<(), socketio_client::ConnectError> {
    /// socket.connect().connected().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The reason for which the socket is inactive, or after that time the error of the last attempt, such as
    /// "cannot connect: Connection refused". The socket then still tries to connect: see
    /// [`is_active`](Self::is_active). [`on_connect_error`](Self::on_connect_error) gets each failed attempt.
    pub async fn connected(&self) -> Result<(), ConnectError> {
        self.namespace.wait_connected().await
    }

    /// Leaves the namespace. When the last active socket does, the connection is closed after all sent events
    /// have left.
    pub fn disconnect(&self) -> &Self {
        if self.namespace.leave() {
            self.handle.shared.left();
        }
        self
    }

    /// Leaves the namespace. If this was the last active socket of its manager, waits until all sent events
    /// have left and the connection is closed.
    pub async fn close(&self) {
        self.disconnect();
        if self.handle.shared.has_active_socket() {
            return;
        }
        self.handle.shared.closed().await;
    }

    /// Reports an error of a handler to the hook of the application, or logs it.
    pub(crate) fn report(&self, error: &HandlerError) {
        let hook = self.namespace.handlers().on_error.clone();
        match hook {
            Some(hook) => hook(self, error),
            None => trace::handler_error(self.namespace(), error),
        }
    }
}

/// Weak handle of a socket.
#[derive(Clone)]
pub(crate) struct WeakSocket {
    handle: Weak<SharedHandle>,
    namespace: Weak<Namespace>,
}

impl WeakSocket {
    pub(crate) fn new(shared: &ManagerShared, namespace: &Arc<Namespace>) -> Self {
        Self { handle: shared.weak_handle(), namespace: Arc::downgrade(namespace) }
    }

    /// The socket, unless it has been dropped.
    pub(crate) fn upgrade(&self) -> Option<Socket> {
        let (handle, namespace) = (self.handle.upgrade()?, self.namespace.upgrade()?);
        handle.add_handle_if_present(&namespace).then(|| Socket { handle, namespace })
    }
}

impl Clone for Socket {
    fn clone(&self) -> Self {
        self.namespace.add_handle();
        Self { handle: Arc::clone(&self.handle), namespace: Arc::clone(&self.namespace) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.namespace.drop_handle() {
            self.handle.shared.remove_unused();
        }
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.namespace, &other.namespace)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("namespace", &self.namespace())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSocket").finish_non_exhaustive()
    }
}
