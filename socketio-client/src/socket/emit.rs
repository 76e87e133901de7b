//! Emits with options.

use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_events::message;
use socketio_parser::{RawArgs, ToArgs};
use tokio::sync::oneshot;

use super::{Namespace, Socket};
use crate::error::{AckError, EmitError};
use crate::namespace::retry::AckResultSender;

/// Emit with options: see [`Socket::volatile`], [`Socket::compress`] and [`Socket::timeout`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Emitter {
    socket: Socket,
    volatile: bool,
    compress: bool,
    timeout: Option<Duration>,
}

impl Socket {
    /// Sends an event. While the socket is not connected, the event waits in a buffer: see
    /// [`Config::max_buffered`](crate::Config::max_buffered).
    ///
    /// One value is one argument; use [`Args`](crate::Args) for several.
    ///
    /// # Errors
    ///
    /// The event cannot be encoded, or the buffer or the outbox of the connection is full.
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        self.emitter().emit(event, args)
    }

    /// Sends the event `message`.
    ///
    /// # Errors
    ///
    /// See [`emit`](Self::emit).
    pub fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends an event and waits for its acknowledgement, the first argument of which is deserialised as `T`.
    ///
    /// If the future is dropped before the event is sent, the event is not sent.
    ///
    /// # Errors
    ///
    /// The event could not be emitted, no acknowledgement arrived in time or before the socket was
    /// disconnected, or the acknowledgement is not a `T`.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        self.emitter().emit_with_ack(event, args).await
    }

    /// Sends an event and waits for its acknowledgement. Returns all arguments, without deserialising them.
    ///
    /// # Errors
    ///
    /// See [`emit_with_ack`](Self::emit_with_ack).
    pub async fn emit_with_ack_args(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<RawArgs, AckError> {
        self.emitter().emit_with_ack_args(event, args).await
    }

    /// Drops the next event if it cannot be sent at once.
    pub fn volatile(&self) -> Emitter {
        self.emitter().volatile()
    }

    /// Permits or forbids compression of the next event, if the connection uses compression.
    pub fn compress(&self, compress: bool) -> Emitter {
        self.emitter().compress(compress)
    }

    /// Sets the timeout of the next event's acknowledgement.
    pub fn timeout(&self, timeout: Duration) -> Emitter {
        self.emitter().timeout(timeout)
    }

    fn emitter(&self) -> Emitter {
        let timeout = self.namespace.config.ack_timeout;
        Emitter { socket: self.clone(), volatile: false, compress: true, timeout }
    }
}

impl Emitter {
    /// Drops the event if it cannot be sent at once: the socket is not connected, or earlier packets wait.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Permits or forbids compression of the event, if the connection uses compression.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Sets the timeout of the acknowledgement; with retries, of each try.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the event. See [`Socket::emit`].
    ///
    /// # Errors
    ///
    /// See [`Socket::emit`].
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        if self.is_queued() {
            return self.enqueue(event, args, None).map(drop);
        }
        self.send_event(None, event, args)
    }

    /// Sends the event `message`.
    ///
    /// # Errors
    ///
    /// See [`Socket::emit`].
    pub fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends the event and waits for its acknowledgement. See [`Socket::emit_with_ack`].
    ///
    /// # Errors
    ///
    /// See [`Socket::emit_with_ack`].
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        Ok(self.emit_with_ack_args(event, args).await?.parse(0)?)
    }

    /// Sends the event and waits for its acknowledgement. Returns all arguments, without deserialising them.
    ///
    /// # Errors
    ///
    /// See [`Socket::emit_with_ack`].
    pub async fn emit_with_ack_args(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<RawArgs, AckError> {
        let namespace = &*self.socket.namespace;
        if self.is_queued() {
            let (sender, result) = oneshot::channel();
            let number = self.enqueue(event, args, Some(sender))?;
            let _dequeue = DequeueOnDrop { socket: &self.socket, number };
            // The queue applies the timeout.
            return result.await.unwrap_or(Err(AckError::Disconnected));
        }
        let id = namespace.allocate_ack_id();
        let result = namespace.expect_ack(id)?;
        let _cancel = CancelOnDrop { namespace, id };
        self.send_event(Some(id), event, args)?;
        let result = async { result.await.unwrap_or(Err(AckError::Disconnected)) };
        match self.timeout {
            None => result.await,
            Some(timeout) => tokio::time::timeout(timeout, result).await.unwrap_or(Err(AckError::Timeout)),
        }
    }

    /// Whether the event is sent through the retry queue.
    fn is_queued(&self) -> bool {
        self.socket.namespace.config.retries.is_some() && !self.volatile
    }

    fn send_event<A: ToArgs + ?Sized>(
        &self,
        ack_id: Option<u64>,
        event: &str,
        args: &A,
    ) -> Result<(), EmitError> {
        let namespace = &self.socket.namespace;
        let message = message::event(namespace.config.parser, &namespace.name, ack_id, event, args)?;
        let for_listeners = if namespace.has_outgoing_listeners() {
            Some(message::to_event(namespace.config.parser, event, args)?)
        } else {
            None
        };
        namespace.send(message.compress(self.compress), ack_id, self.volatile, for_listeners)
    }

    fn enqueue<A: ToArgs + ?Sized>(
        &self,
        event: &str,
        args: &A,
        result: Option<AckResultSender>,
    ) -> Result<u64, EmitError> {
        let namespace = &self.socket.namespace;
        let event = message::to_event(namespace.config.parser, event, args)?;
        let number = namespace.enqueue(event, self.timeout, result)?;
        // The connection's task has the timer of the queue.
        self.socket.handle.shared.wakeup.signal();
        Ok(number)
    }
}

/// Guard of a pending acknowledgement: removes it from the namespace when the wait ends, also by
/// cancellation.
struct CancelOnDrop<'a> {
    namespace: &'a Namespace,
    id: u64,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.namespace.cancel_ack(self.id);
    }
}

/// Guard of a queued event: removes it from the retry queue when the wait ends, also by cancellation.
struct DequeueOnDrop<'a> {
    socket: &'a Socket,
    number: u64,
}

impl Drop for DequeueOnDrop<'_> {
    fn drop(&mut self) {
        if self.socket.namespace.dequeue(self.number) {
            self.socket.handle.shared.wakeup.signal();
        }
    }
}
