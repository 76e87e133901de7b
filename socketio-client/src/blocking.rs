//! A client for threads without an async runtime: scripts, tools and tests.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use socketio_client::SocketEvent;
//! use socketio_client::blocking::Client;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::connect("http://localhost:3000/chat")?;
//! client.emit("message", "hello")?;
//! let length: usize = client.emit_with_ack("measure", "hello")?;
//! println!("{length}");
//! if let SocketEvent::Event { event, .. } = client.receive_timeout(Duration::from_secs(5))? {
//!     println!("{} {:?}", event.name(), event.args());
//! }
//! client.close();
//! # Ok(())
//! # }
//! ```
//!
//! The connection is in a thread of its own. Every other feature is one of the [`Socket`] that a client has:
//! credentials, handlers, namespaces of one connection, settings.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use engineio::client::UrlError;
use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::{AckError, ConnectError, EmitError};
use crate::socket::Socket;
use crate::socket::events::{Events, SocketEvent};

/// Time in which the last events of a dropped client can leave.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// A connected socket whose methods block the thread.
///
/// The methods that wait must not be called by an async function: they panic there, as they would block the
/// runtime. A client that is dropped leaves its namespace and waits up to 5 seconds until all sent events have
/// left; inside of a runtime, where nothing may block, it does not wait.
#[derive(Debug)]
pub struct Client {
    events: Events,
    socket: Socket,
    /// Whether the stream of events has reported its end.
    ended: bool,
    runtime: Handle,
    /// Ends the thread when it is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Error of [`Client::connect`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL is not valid.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The thread of the connection could not be started.
    #[error("the thread of the connection could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The server cannot be reached, or refused the client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// Error of [`Client::receive`] and [`Client::receive_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// No event arrived in time.
    #[error("no event arrived in time")]
    Timeout,
    /// The client is disconnected and does not reconnect.
    #[error("disconnected")]
    Disconnected,
}

impl Client {
    /// Connects to the namespace that is the path of the URL, with the default settings. A lost connection is
    /// restored in the background.
    ///
    /// # Errors
    ///
    /// The URL is not valid, or no attempt succeeded within
    /// [`connected_timeout`](crate::Config::connected_timeout).
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::with_socket(&Socket::new(url)?)
    }

    /// Connects a socket with settings, credentials and handlers of its own.
    ///
    /// ```no_run
    /// use serde_json::json;
    /// use socketio_client::Manager;
    /// use socketio_client::blocking::Client;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let socket = Manager::builder("http://localhost:3000")?.path("/live").build().socket("/chat");
    /// socket.auth(&json!({ "token": "secret" }))?;
    /// let client = Client::with_socket(&socket)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// No attempt succeeded within [`connected_timeout`](crate::Config::connected_timeout).
    pub fn with_socket(socket: &Socket) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        // Before the connection, so that no event is missed.
        let events = socket.events();
        let closed = socket.clone();
        let run = move || {
            runtime.block_on(async {
                let _ = stopped.await;
                let _ = tokio::time::timeout(LAST_EVENTS, closed.close()).await;
            });
        };
        let thread = thread::Builder::new().name("socketio-client".to_owned()).spawn(run);
        let thread = thread.map_err(Error::Thread)?;
        let client = Self {
            events,
            socket: socket.clone(),
            ended: false,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        };
        client.runtime.block_on(async { socket.connect().connected().await })?;
        Ok(client)
    }

    /// Sends an event. It is buffered while the connection is lost.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::emit`].
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.socket.emit(event, args)
    }

    /// Sends an event and waits for its acknowledgement: python-socketio's `call`.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::emit_with_ack`]. Without
    /// [`ack_timeout`](crate::ManagerBuilder::ack_timeout) the wait has no limit but the connection.
    pub fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        self.runtime.block_on(self.socket.emit_with_ack(event, args))
    }

    /// Waits for the next event, which includes lost and restored connections.
    ///
    /// Events must be received: with [`max_waiting_events`](crate::Config::max_waiting_events) unread ones the
    /// connection is no longer read.
    ///
    /// # Errors
    ///
    /// The client is disconnected and does not reconnect.
    pub fn receive(&mut self) -> Result<SocketEvent, ReceiveError> {
        self.check_end()?;
        let received = self.runtime.block_on(self.events.recv());
        self.ended = received.is_none();
        received.ok_or(ReceiveError::Disconnected)
    }

    /// Waits for the next event, with a time limit.
    ///
    /// # Errors
    ///
    /// No event arrived in time, or the client is disconnected and does not reconnect.
    pub fn receive_timeout(&mut self, limit: Duration) -> Result<SocketEvent, ReceiveError> {
        self.check_end()?;
        let events = &mut self.events;
        let received = self.runtime.block_on(async { tokio::time::timeout(limit, events.recv()).await });
        let received = received.map_err(|_| ReceiveError::Timeout)?;
        self.ended = received.is_none();
        received.ok_or(ReceiveError::Disconnected)
    }

    /// The stream reports its end once. Later calls must not wait for an event that cannot come.
    fn check_end(&self) -> Result<(), ReceiveError> {
        if self.ended && !self.socket.is_active() { Err(ReceiveError::Disconnected) } else { Ok(()) }
    }

    /// The socket, for all that does not wait.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Leaves the namespace, and waits up to 5 seconds until all sent events have left.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop = None;
        let may_block = Handle::try_current().is_err();
        if let Some(thread) = self.thread.take().filter(|_| may_block) {
            // The thread has nothing to return, and a panic of it has been printed.
            let _ = thread.join();
        }
    }
}
