//! One emit to one socket, with its flags.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::{RawArgs, ToArgs};
use tokio::sync::oneshot;

use super::Socket;
use crate::acks::{Refused, Waiting};
use crate::emit;
use crate::error::{AckError, EmitError};
use crate::rooms::Target;

/// An emit in the making: see [`Socket::volatile`], [`Socket::compress`] and [`Socket::timeout`].
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

    /// The event is dropped if the client cannot take it at once.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether the event may be compressed, where compression is on.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// How long to wait for the answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the event. See [`Socket::emit`].
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let hub = &self.socket.space().hub;
        let Some(log) = hub.log().filter(|_| !self.volatile) else { return self.send(None, event, args) };
        self.tell_outgoing(event, args)?;
        // An event that the client may have missed can be made up for, so it takes the way of a broadcast.
        if !self.socket.is_connected() {
            return Err(engineio::SendError::Closed.into());
        }
        let target = Target { rooms: vec![self.socket.shared_id()], except: Vec::new() };
        let mut sent = Ok(());
        log.emit(
            &target,
            || true,
            |offset| {
                let message = emit::event(hub.parser(), hub.name(), None, event, args, Some(offset))?;
                Ok::<_, EmitError>(message.compress(self.compress))
            },
            |message| sent = self.socket.send_prepared(message.clone(), false),
        )?;
        sent
    }

    /// Waits until the client has room for the event, then sends it. For those who would rather send at the client's
    /// pace than lose a slow client: see [`engineio::Config::max_buffered`].
    pub async fn emit_when_ready<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let hub = &self.socket.space().hub;
        if hub.log().is_some() {
            // The offset is given when there is room, so that it is in order.
            self.socket.session().drained().await?;
            return self.emit(event, args);
        }
        if !self.socket.is_connected() {
            return Err(engineio::SendError::Closed.into());
        }
        self.tell_outgoing(event, args)?;
        let message = emit::event(hub.parser(), hub.name(), None, event, args, None)?;
        let mut sending = pin!(self.socket.session().send_when_ready(message.compress(self.compress)));
        // The client may leave the namespace while it has no room, and come back to it as somebody else.
        let sent = poll_fn(|cx| match self.socket.is_connected() {
            true => sending.as_mut().poll(cx),
            false => Poll::Ready(Err(engineio::SendError::Closed)),
        });
        Ok(sent.await?)
    }

    /// Sends the event and waits for the answer, of which the first argument is read as `T`.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<T, AckError> {
        Ok(self.emit_with_ack_args(event, args).await?.parse(0)?)
    }

    /// Sends the event and waits for the answer, with all its arguments, unread.
    pub async fn emit_with_ack_args(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<RawArgs, AckError> {
        let space = self.socket.space();
        let id = space.hub.next_ack_id();
        let (sender, answer) = oneshot::channel();
        let max = space.config.max_pending_acks;
        self.socket.acks().expect(id, Waiting::One(sender), max).map_err(|refused| match refused {
            Refused::Closed => AckError::Disconnected,
            Refused::TooMany => AckError::TooMany,
        })?;
        let _forget = Forget { socket: &self.socket, id };
        self.send(Some(id), event, args)?;
        match tokio::time::timeout(self.timeout.unwrap_or(space.config.ack_timeout), answer).await {
            Ok(Ok(args)) => Ok(args),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => Err(AckError::Timeout),
        }
    }

    fn send<A: ToArgs + ?Sized>(&self, ack_id: Option<u64>, event: &str, args: &A) -> Result<(), EmitError> {
        self.tell_outgoing(event, args)?;
        let hub = &self.socket.space().hub;
        let message = emit::event(hub.parser(), hub.name(), ack_id, event, args, None)?;
        self.socket.send_prepared(message.compress(self.compress), self.volatile)
    }

    fn tell_outgoing<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let hub = &self.socket.space().hub;
        if hub.has_outgoing() {
            self.socket.tell_outgoing(&emit::to_event(hub.parser(), event, args)?);
        }
        Ok(())
    }
}

/// However the wait ends, also by dropping the future, nothing stays in the table.
struct Forget<'a> {
    socket: &'a Socket,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.socket.acks().forget(self.id);
    }
}
