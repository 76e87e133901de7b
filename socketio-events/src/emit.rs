//! Emits to one socket, with options.

use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::{RawArgs, ToArgs};

use crate::error::{AckError, Rejection};

/// Options of an emit.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EmitOptions {
    /// The event is dropped if it cannot be sent at once.
    pub volatile: bool,
    /// The event may be compressed.
    pub compress: bool,
    /// Timeout of the acknowledgement, instead of the socket's default.
    pub timeout: Option<Duration>,
    /// The value that the event updates, for the outbox of a slow client.
    pub conflation_key: Option<NonZeroU32>,
}

/// Socket that emits events, of a server or a client.
pub trait EmitTo {
    /// Error of an emit.
    type Error;

    /// Sends an event.
    fn emit_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> Result<(), Self::Error>;

    /// Sends an event and waits for its acknowledgement.
    fn emit_with_ack_args_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> impl Future<Output = Result<RawArgs, AckError<Self::Error>>>;
}

/// Socket that can wait for space in the outbox of its client.
pub trait EmitWhenReady: EmitTo {
    /// Waits for space in the outbox, then sends an event.
    fn emit_when_ready_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Emit with options: see the methods `volatile`, `compress` and `timeout` of a socket.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Emitter<S> {
    socket: S,
    options: EmitOptions,
}

impl<S: EmitTo> Emitter<S> {
    /// Emit without options.
    pub fn new(socket: S) -> Self {
        Self {
            socket,
            options: EmitOptions { volatile: false, compress: true, timeout: None, conflation_key: None },
        }
    }

    /// Drops the event if it cannot be sent at once: the socket is not connected, or earlier packets wait.
    pub fn volatile(mut self) -> Self {
        self.options.volatile = true;
        self
    }

    /// Permits or forbids compression of the event, if the connection uses compression.
    pub fn compress(mut self, compress: bool) -> Self {
        self.options.compress = compress;
        self
    }

    /// Sets the timeout of the acknowledgement; with the retries of a client, of each try.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sends the event. See `emit` of the socket.
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), S::Error> {
        self.socket.emit_with(self.options, event, args)
    }

    /// Sends the event `message`.
    pub fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), S::Error> {
        self.emit("message", args)
    }

    /// Sends the event and waits for its acknowledgement, the first argument of which is deserialized as `T`.
    ///
    /// # Errors
    ///
    /// The event could not be emitted, no acknowledgement arrived in time or before the socket was
    /// disconnected, the handler of the peer returned an error, or the acknowledgement is not a `T`.
    #[doc(alias = "emitWithAck")]
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError<S::Error>> {
        let answer = self.emit_with_ack_args(event, args).await?;
        answer.parse(0).map_err(|error| match Rejection::text(|| answer.parse(0)) {
            Some(text) => AckError::Remote(text),
            None => AckError::Decode(error),
        })
    }

    /// Sends the event and waits for its acknowledgement. Returns all arguments, without deserializing them.
    pub async fn emit_with_ack_args(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<RawArgs, AckError<S::Error>> {
        self.socket.emit_with_ack_args_with(self.options, event, args).await
    }
}

impl<S: EmitWhenReady> Emitter<S> {
    /// Marks the event as the latest value of `key`: in the outbox of a slow client it replaces the event with
    /// the same key that still waits, if messages of slow clients are dropped by
    /// [`SlowConsumer::Conflate`](engineio::SlowConsumer::Conflate).
    pub fn conflate_by(mut self, key: NonZeroU32) -> Self {
        self.options.conflation_key = Some(key);
        self
    }

    /// Waits for space in the client's outbox, then sends the event. For producers that adapt to a slow
    /// client instead of losing it: see [`max_buffered`](engineio::config::Config::max_buffered).
    pub async fn emit_when_ready<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), S::Error> {
        self.socket.emit_when_ready_with(self.options, event, args).await
    }
}
