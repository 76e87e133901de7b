//! Namespace of a connection: the only place where the emits of the application and the packets of the server
//! meet its state.
//!
//! Generic over the handlers `H` of the application, which are only stored here: handlers receive a `Socket`,
//! and a `Socket` owns its namespace.

mod buffer;
pub(crate) mod early;
pub(crate) mod inbox;
mod incoming;
mod outgoing;
pub(crate) mod retry;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use engineio::Prepared;
use engineio::client::Sender;
use engineio::sync::Mutex;
use serde_json::Value;
use socketio_events::message;
use socketio_events::table::List;
use socketio_parser::{EncodeError, RawArgs};

use self::early::IncomingEvent;
use self::retry::RetryQueue;
use self::state::{Auth, Input, Membership, Notice, State, Transition};
use crate::config::Config;
use crate::disconnect_reason::DisconnectReason;
use crate::error::ConnectError;
use crate::sync::Observed;

/// Listener of outgoing events.
type OutgoingListener = dyn Fn(&str, &RawArgs) + Send + Sync;

/// State of a namespace, shared by its sockets and the connection's task.
pub(crate) struct NamespaceState<H> {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<Config>,
    /// Number of `Socket` handles, of the application and of the task.
    handles: AtomicUsize,
    next_ack_id: AtomicU64,
    /// Number of retries; 0 if events are not queued. The queue has the same number.
    retries: AtomicU32,
    ack_timeout: Mutex<Option<Duration>>,
    state: Observed<State>,
    handlers: Mutex<H>,
    outgoing_listeners: Mutex<List<OutgoingListener>>,
}

impl<H: Default> NamespaceState<H> {
    pub(crate) fn new(name: Arc<str>, config: Arc<Config>, first_ack_id: u64) -> Self {
        let retry_queue = RetryQueue::new(config.retries, config.count_lost_connections);
        Self {
            name,
            handles: AtomicUsize::new(0),
            next_ack_id: AtomicU64::new(first_ack_id),
            retries: AtomicU32::new(config.retries),
            ack_timeout: Mutex::new(config.ack_timeout),
            state: Observed::new(State::new(retry_queue)),
            config,
            handlers: Mutex::default(),
            outgoing_listeners: Mutex::default(),
        }
    }

    /// Removes all handlers and listeners.
    pub(crate) fn clear_handlers(&self) {
        let handlers = std::mem::take(&mut *self.handlers());
        let listeners = std::mem::take(&mut *self.outgoing_listeners());
        drop((handlers, listeners));
    }
}

impl<H> NamespaceState<H> {
    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether events are sent through the retry queue.
    pub(crate) fn retries_events(&self) -> bool {
        self.retries.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn set_retries(&self, retries: u32) {
        let mut state = self.lock();
        state.retry_queue.set_retries(retries);
        self.retries.store(retries, Ordering::Relaxed);
    }

    /// Timeout of acknowledgements, unless the emit has its own.
    pub(crate) fn ack_timeout(&self) -> Option<Duration> {
        *self.ack_timeout.lock()
    }

    pub(crate) fn set_ack_timeout(&self, timeout: Option<Duration>) {
        *self.ack_timeout.lock() = timeout;
    }

    /// `true` if the namespace may be unused now.
    pub(crate) fn drop_handle(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1 && !self.lock().is_active()
    }

    /// Whether nothing needs the namespace: there is no handle, the socket is not active, no notice is left
    /// for the handlers, and no reply of the server is pending.
    pub(crate) fn is_unused(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 0 && self.lock().is_finished()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn handlers(&self) -> MutexGuard<'_, H> {
        self.handlers.lock()
    }

    pub(crate) fn outgoing_listeners(&self) -> MutexGuard<'_, List<OutgoingListener>> {
        self.outgoing_listeners.lock()
    }

    /// Applies an input, then wakes the tasks that wait for the connection. Without the lock: a waker may
    /// belong to an executor of the application.
    fn transition(&self, input: Input) -> Option<Transition> {
        self.state.change(|state| state.transition(input))
    }

    /// Activates the socket. `true` if it was not active.
    pub(crate) fn activate(&self) -> bool {
        self.transition(Input::Activate).is_some()
    }

    /// Starts a CONNECT, if the socket waits for one. Returns the number of the attempt, and the credentials
    /// to send.
    pub(crate) fn begin_join(&self) -> Option<(u64, Auth)> {
        self.state.change(|state| {
            let transition = state.transition(Input::Join);
            transition.map(|_| (state.attempts(), state.auth().clone()))
        })
    }

    /// Sends CONNECT, if this attempt is still current.
    pub(crate) fn send_connect(
        &self,
        attempt: u64,
        auth: Option<Value>,
        connection: &Sender,
    ) -> Result<(), EncodeError> {
        self.state.change(|state| {
            if state.is_joining_with(attempt) {
                let data = state.connect_data(auth);
                let packet =
                    self.config.encode(|parser| message::connect(parser, &self.name, data.as_ref()))?;
                connection.send_regardless(packet);
                let _ = state.transition(Input::ConnectSent(attempt));
            }
            Ok(())
        })
    }

    /// Handles the server's reply to a CONNECT. `false` if the socket has been disconnected since; a server
    /// that has accepted it receives a DISCONNECT then.
    pub(crate) fn take_reply(&self, accepted: bool, connection: &Sender) -> bool {
        let is_current = self
            .transition(Input::Reply)
            .is_none_or(|transition| matches!(transition.previous, Membership::Joining { .. }));
        if !is_current && accepted {
            if let Ok(packet) = self.disconnect_packet() {
                connection.send_regardless(packet);
            }
        }
        is_current
    }

    /// Handles a new connection, on which no reply is pending.
    pub(crate) fn reset_reply(&self) {
        let _ = self.transition(Input::Reply);
    }

    fn disconnect_packet(&self) -> Result<Prepared, EncodeError> {
        self.config.encode(|parser| message::disconnect(parser, &self.name))
    }

    /// Encodes CONNECT for a Socket.IO v2 server, if this attempt is still current. `name` may have a query.
    pub(crate) fn v2_connect_packet(
        &self,
        attempt: u64,
        name: &str,
    ) -> Option<Result<Prepared, EncodeError>> {
        let encode = || self.config.encode(|parser| message::connect::<()>(parser, name, None));
        self.lock().is_joining_with(attempt).then(encode)
    }

    /// Handles the server's confirmation. Returns whether the session was recovered, and the events that
    /// arrived before. `None` if the socket does not wait for a confirmation.
    pub(crate) fn confirm(
        &self,
        id: String,
        pid: Option<String>,
        connection: &Sender,
    ) -> Option<(bool, Vec<IncomingEvent>)> {
        self.state.change(|state| {
            let transition = state.transition(Input::Confirm { id, pid, connection: connection.clone() })?;
            Some((state.is_recovered(), transition.early))
        })
    }

    /// Handles a failed attempt. Without `retry` the socket becomes inactive.
    pub(crate) fn fail(&self, error: &ConnectError, retry: bool) {
        let _ = self.transition(Input::Fail { error: error.clone(), retry });
    }

    /// Handles the loss of the connection, or a DISCONNECT of the server. Without `retry` the socket becomes
    /// inactive. `true` if it was connected.
    pub(crate) fn lose(&self, retry: bool) -> bool {
        // Without effect if the application has disconnected the socket: it has its notice already.
        self.transition(Input::Lose { retry }).is_some_and(|transition| transition.was_connected())
    }

    /// Disconnects the socket for the application. `false` if it is not active.
    pub(crate) fn leave(&self) -> bool {
        let transition = self.state.change(|state| {
            let transition = state.transition(Input::Leave)?;
            if let Membership::Connected { connection, .. } = &transition.previous {
                if let Ok(packet) = self.disconnect_packet() {
                    // If the connection accepts no more packets, its end disconnects the socket in the
                    // server.
                    connection.send_regardless(packet);
                }
                state.notices.push(Notice::Disconnect(DisconnectReason::ClientDisconnect));
            }
            state.notices.push(Notice::End);
            Some(transition)
        });
        transition.is_some()
    }

    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.lock().notices)
    }

    /// Waits until the socket is connected or inactive, or the application has waited long enough.
    pub(crate) async fn wait_connected(&self) -> Result<(), ConnectError> {
        let outcome = self.state.wait(State::outcome);
        let Some(timeout) = self.config.connected_timeout else { return outcome.await };
        match tokio::time::timeout(timeout, outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.lock().last_error().unwrap_or(ConnectError::Timeout)),
        }
    }
}

impl<H: Clone> NamespaceState<H> {
    /// Removes handlers. They are dropped without the lock: the drop of a captured value may call back into
    /// the socket.
    pub(crate) fn remove_handlers<R>(&self, remove: impl FnOnce(&mut H) -> R) -> R {
        let mut handlers = self.handlers();
        // Keeps the removed handlers until the lock is released.
        let before = handlers.clone();
        let result = remove(&mut handlers);
        drop(handlers);
        drop(before);
        result
    }
}

impl<H> NamespaceState<H> {
    /// Removes listeners of outgoing events. They are dropped without the lock, as handlers are.
    pub(crate) fn remove_outgoing_listeners<R>(
        &self,
        remove: impl FnOnce(&mut List<OutgoingListener>) -> R,
    ) -> R {
        let mut listeners = self.outgoing_listeners();
        let before = listeners.clone();
        let result = remove(&mut listeners);
        drop(listeners);
        drop(before);
        result
    }
}
