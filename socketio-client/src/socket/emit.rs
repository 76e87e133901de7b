//! Emits with options.

use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_events::emit::{EmitOptions, EmitTo};
use socketio_events::message::{self, TooManyAttachments};
use socketio_parser::{ConnectionParser, RawArgs, ToArgs};
use tokio::sync::oneshot;

use super::{Namespace, Socket};
use crate::error::{AckError, EmitError};
use crate::namespace::retry::AckResultSender;

/// Emit with options: see [`Socket::volatile`], [`Socket::compress`] and [`Socket::timeout`].
pub type Emitter = socketio_events::emit::Emitter<Socket>;

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
    /// disconnected, the handler of the server returned an error
    /// ([`AckError::Remote`](crate::AckError::Remote) with its text), or the acknowledgement is not a `T`.
    #[doc(alias = "emitWithAck")]
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
        Emitter::new(self.clone())
    }
}

impl EmitTo for Socket {
    type Error = EmitError;

    fn emit_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> Result<(), EmitError> {
        if self.is_queued(options) {
            return self.enqueue(options, event, args, None).map(drop);
        }
        self.emit_now(options, None, event, args)
    }

    async fn emit_with_ack_args_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> Result<RawArgs, AckError> {
        let namespace = &*self.namespace;
        if self.is_queued(options) {
            let (sender, result) = oneshot::channel();
            let number = self.enqueue(options, event, args, Some(sender))?;
            let _dequeue = DequeueOnDrop { socket: self, number };
            // The queue applies the timeout.
            return result.await.unwrap_or(Err(AckError::Disconnected));
        }
        let id = namespace.allocate_ack_id();
        let result = namespace.expect_ack(id)?;
        let _cancel = CancelOnDrop { namespace, id };
        self.emit_now(options, Some(id), event, args)?;
        let result = async { result.await.unwrap_or(Err(AckError::Disconnected)) };
        match options.timeout.or_else(|| namespace.ack_timeout()) {
            None => result.await,
            Some(timeout) => tokio::time::timeout(timeout, result).await.unwrap_or(Err(AckError::Timeout)),
        }
    }
}

impl Socket {
    /// Whether the event is sent through the retry queue.
    fn is_queued(&self, options: EmitOptions) -> bool {
        !options.volatile && self.namespace.retries_events()
    }

    /// Sends an event without the retry queue.
    fn emit_now<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        ack_id: Option<u64>,
        event: &str,
        args: &A,
    ) -> Result<(), EmitError> {
        let namespace = &self.namespace;
        let message =
            namespace.config.encode(|parser| message::event(parser, &namespace.name, ack_id, event, args))?;
        TooManyAttachments::check(message.attachments(), namespace.config.max_attachments)?;
        let for_listeners = if namespace.has_outgoing_listeners() {
            Some(message::to_event(namespace.config.base_parser(), event, args)?)
        } else {
            None
        };
        namespace.send(message.compress(options.compress), ack_id, options.volatile, for_listeners)
    }

    fn enqueue<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
        result: Option<AckResultSender>,
    ) -> Result<u64, EmitError> {
        let namespace = &self.namespace;
        let event = message::to_event(namespace.config.base_parser(), event, args)?;
        let attachments = match namespace.config.parser {
            ConnectionParser::BuiltIn(_) => event.args().attachments().len(),
            // A parser of the application may refuse the event, which would not be known before it is sent.
            _ => namespace.event_message(0, &event)?.attachments(),
        };
        TooManyAttachments::check(attachments, namespace.config.max_attachments)?;
        let timeout = options.timeout.or_else(|| namespace.ack_timeout());
        let number = namespace.enqueue(event, timeout, result)?;
        // The connection's task has the timer of the queue.
        self.handle.shared.wakeup.signal();
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
