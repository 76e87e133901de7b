//! A namespace on a connection, as the application holds it.

mod context;
mod emitter;
mod hub;
mod space;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_parser::{RawArgs, ToArgs};

pub use self::context::{
    AckSender, ConnectContext, ConnectErrorContext, DisconnectContext, EventContext, SocketEvent,
};
pub use self::emitter::Emitter;
pub(crate) use self::hub::{Handle, Hub};
pub(crate) use self::space::Space;
pub(crate) use self::state::{Arrived, Auth, Notice};
use crate::error::{AckError, ConnectError, EmitError, HandlerError};
use crate::trace;

/// A namespace on a manager's connection. This is a handle: clones are the same socket.
///
/// It wants to be connected from [`connect`](Self::connect) to [`disconnect`](Self::disconnect), and until the server puts
/// it out; while the connection is lost it comes back by itself.
///
/// With the last handle of a socket that does not want to be connected it is forgotten, its handlers too. One that wants to
/// goes on without a handle, until it is disconnected.
///
/// Handlers that use the socket should take it as an argument. One that owns a clone keeps the connection alive.
pub struct Socket {
    pub(crate) handle: Arc<Handle>,
    pub(crate) space: Arc<Space>,
}

impl Socket {
    pub(crate) fn of(handle: Arc<Handle>, space: Arc<Space>) -> Self {
        space.add_handle();
        Self { handle, space }
    }

    /// The namespace, with its slash.
    pub fn namespace(&self) -> &str {
        &self.space.name
    }

    /// The id that the server knows it by, while it is connected.
    pub fn id(&self) -> Option<String> {
        self.space.lock().id().map(str::to_owned)
    }

    /// Whether it is connected.
    pub fn is_connected(&self) -> bool {
        self.space.lock().id().is_some()
    }

    /// Whether it wants to be connected.
    pub fn is_active(&self) -> bool {
        self.space.lock().is_active()
    }

    /// Whether the last connect brought back the socket's id, its rooms and data and the events that it had missed.
    pub fn recovered(&self) -> bool {
        self.space.lock().is_recovered()
    }

    /// How many events wait for their answers because of [`Config::retries`](crate::Config::retries), the one that is on
    /// its way included.
    pub fn queued(&self) -> usize {
        self.space.lock().queued()
    }

    /// What the server gets to see as `socket.handshake.auth`, from the next connect on.
    pub fn auth<T: Serialize + ?Sized>(&self, auth: &T) -> Result<&Self, serde_json::Error> {
        self.set_auth(Auth::Value(serde_json::to_value(auth)?));
        Ok(self)
    }

    /// Calls `auth` at each connect: for credentials that expire.
    pub fn auth_with<F, Fut>(&self, auth: F) -> &Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Serialize,
    {
        let function = move || -> state::AuthFuture {
            let working = auth();
            Box::pin(async move { serde_json::to_value(working.await) })
        };
        self.set_auth(Auth::Function(Arc::new(function)));
        self
    }

    fn set_auth(&self, auth: Auth) {
        let before = self.space.lock().set_auth(auth);
        drop(before);
    }

    /// Wants to be connected, and opens the connection if there is none. Without effect if it does already.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect(&self) -> &Self {
        if self.space.want() {
            self.handle.hub.wake();
        }
        self
    }

    /// Waits until the socket is connected. An error says why it is not and will not be without another
    /// [`connect`](Self::connect); attempts that are followed by others only show in
    /// [`on_connect_error`](Self::on_connect_error).
    ///
    /// ```no_run
    /// # async fn example(socket: socketio_client::Socket) -> Result<(), socketio_client::ConnectError> {
    /// socket.connect().connected().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connected(&self) -> Result<(), ConnectError> {
        self.space.wait_connected().await
    }

    /// Leaves the namespace. The connection is closed with the last one, when everything that was sent has left.
    pub fn disconnect(&self) -> &Self {
        if self.space.leave() {
            self.handle.hub.left();
        }
        self
    }

    /// Disconnects. If this was the last socket of its manager, waits until everything that was sent has left and the
    /// connection is closed.
    pub async fn close(&self) {
        self.disconnect();
        if self.handle.hub.is_wanted() {
            return;
        }
        self.handle.hub.closed().await;
    }

    /// Sends an event. While the socket is not connected it waits in a buffer.
    ///
    /// One value is one argument, several are said by [`Args`](crate::Args).
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.emitter().emit(event, args)
    }

    /// Sends the event `message`.
    pub fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends an event and waits for the answer, of which the first argument is read as `T`.
    ///
    /// A future that is dropped takes an event that has not left back.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        self.emitter().emit_with_ack(event, args).await
    }

    /// Sends an event and waits for the answer, with all its arguments, unread.
    pub async fn emit_with_ack_args(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<RawArgs, AckError> {
        self.emitter().emit_with_ack_args(event, args).await
    }

    /// The next event is dropped if it cannot leave at once.
    pub fn volatile(&self) -> Emitter {
        self.emitter().volatile()
    }

    /// Whether the next event may be compressed, where compression is on.
    pub fn compress(&self, compress: bool) -> Emitter {
        self.emitter().compress(compress)
    }

    /// How long the next emit waits for its answer.
    pub fn timeout(&self, timeout: Duration) -> Emitter {
        self.emitter().timeout(timeout)
    }

    fn emitter(&self) -> Emitter {
        Emitter::new(self.clone())
    }

    /// Tells the application of what no handler got, or of what the server did not get from one.
    pub(crate) fn report(&self, error: &HandlerError) {
        let hook = self.space.handlers().on_error.clone();
        match hook {
            Some(hook) => hook(self, error),
            None => trace::unheard(self.namespace(), error),
        }
    }
}

/// A socket that keeps nothing alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakSocket {
    pub(crate) handle: Weak<Handle>,
    pub(crate) space: Weak<Space>,
}

impl WeakSocket {
    pub(crate) fn upgrade(&self) -> Option<Socket> {
        self.handle.upgrade()?.known(&self.space.upgrade()?)
    }
}

impl Clone for Socket {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.handle), Arc::clone(&self.space))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.space.drop_handle() {
            self.handle.hub.let_go();
        }
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.space, &other.space)
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
