//! An emit to one socket, with options.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::{RawArgs, ToArgs};
use tokio::sync::oneshot;

use super::Socket;
use crate::acks::{AckRefused, AckWaiter};
use crate::encode;
use crate::error::{AckError, EmitError};
use crate::rooms::Target;

/// Builder of an emit: see [`Socket::volatile`], [`Socket::compress`] and [`Socket::timeout`].
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Emitter {
    socket: Socket,
    volatile: bool,
    compress: bool,
    timeout: Option<Duration>,
}

impl Emitter {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, volatile: false, compress: true, timeout: None }
    }

    /// Drops the event if the client cannot take it at once.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether the event may be compressed, if compression is enabled.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Maximum wait for the acknowledgement.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the event. See [`Socket::emit`].
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let node = &self.socket.namespace_state().node;
        let Some(log) = node.log().filter(|_| !self.volatile) else { return self.send(None, event, args) };
        // The application's `Serialize` must not run under the lock of the log.
        let event = encode::to_event(node.parser(), event, args)?;
        if node.has_outgoing() {
            self.socket.notify_outgoing(&event);
        }
        // A recoverable event needs an offset and is kept, like a broadcast.
        if !self.socket.is_connected() {
            return Err(engineio::SendError::Closed.into());
        }
        let target = Target { rooms: vec![self.socket.shared_id()], except: Vec::new() };
        let mut sent = Ok(());
        log.emit(
            &target,
            || true,
            |offset| {
                let (name, args) = (event.name(), event.args());
                let message = encode::event(node.parser(), node.name(), None, name, args, Some(offset))?;
                Ok::<_, EmitError>(message.compress(self.compress))
            },
            |message| sent = self.socket.send_prepared(message.clone(), false),
        )?;
        sent
    }

    /// Waits for space in the client's outbox, then sends the event. For producers that adapt to a slow
    /// client instead of losing it: see [`engineio::Config::max_buffered`].
    pub async fn emit_when_ready<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let node = &self.socket.namespace_state().node;
        if node.log().is_some() {
            // The offset is assigned after the wait, so that offsets are in order.
            self.socket.session().drained().await?;
            return self.emit(event, args);
        }
        if !self.socket.is_connected() {
            return Err(engineio::SendError::Closed.into());
        }
        self.notify_outgoing(event, args)?;
        let message = encode::event(node.parser(), node.name(), None, event, args, None)?;
        let mut sending = pin!(self.socket.session().send_when_ready(message.compress(self.compress)));
        // The client may leave the namespace during the wait, and join again as a new socket.
        let sent = poll_fn(|cx| match self.socket.is_connected() {
            true => sending.as_mut().poll(cx),
            false => Poll::Ready(Err(engineio::SendError::Closed)),
        });
        Ok(sent.await?)
    }

    /// Sends the event and waits for the acknowledgement, whose first argument is deserialized as `T`.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        Ok(self.emit_with_ack_args(event, args).await?.parse(0)?)
    }

    /// Sends the event and waits for the acknowledgement, with all its arguments undecoded.
    pub async fn emit_with_ack_args(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<RawArgs, AckError> {
        let namespace = self.socket.namespace_state();
        let id = namespace.node.next_ack_id();
        let (sender, answer) = oneshot::channel();
        let max = namespace.config.max_pending_acks;
        self.socket.acks().expect(id, AckWaiter::One(sender), max).map_err(|refused| match refused {
            AckRefused::Closed => AckError::Disconnected,
            AckRefused::TooMany => AckError::TooMany,
        })?;
        let _forget = Forget { socket: &self.socket, id };
        self.send(Some(id), event, args)?;
        match tokio::time::timeout(self.timeout.unwrap_or(namespace.config.ack_timeout), answer).await {
            Ok(Ok(args)) => Ok(args),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => Err(AckError::Timeout),
        }
    }

    fn send<A: ToArgs + ?Sized>(&self, ack_id: Option<u64>, event: &str, args: &A) -> Result<(), EmitError> {
        self.notify_outgoing(event, args)?;
        let node = &self.socket.namespace_state().node;
        let message = encode::event(node.parser(), node.name(), ack_id, event, args, None)?;
        self.socket.send_prepared(message.compress(self.compress), self.volatile)
    }

    fn notify_outgoing<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let node = &self.socket.namespace_state().node;
        if node.has_outgoing() {
            self.socket.notify_outgoing(&encode::to_event(node.parser(), event, args)?);
        }
        Ok(())
    }
}

/// Removes the pending acknowledgement on drop, also of a cancelled future.
struct Forget<'a> {
    socket: &'a Socket,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.socket.acks().forget(self.id);
    }
}
