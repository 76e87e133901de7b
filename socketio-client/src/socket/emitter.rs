//! One emit, with its flags.

use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_events::message;
use socketio_parser::{RawArgs, ToArgs};
use tokio::sync::oneshot;

use super::Socket;
use super::space::Space;
use crate::error::{AckError, EmitError};

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
        let timeout = socket.space.config.ack_timeout;
        Self { socket, volatile: false, compress: true, timeout }
    }

    /// The event is dropped if it cannot leave at once: the socket is not connected, or something else waits.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether the event may be compressed, where compression is on.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// How long to wait for the answer; with retries, for the answer to each of them.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the event. See [`Socket::emit`].
    pub fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        if self.is_queued() {
            return self.enqueue(event, args, None).map(drop);
        }
        self.send_event(None, event, args)
    }

    /// Sends the event `message`.
    pub fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args)
    }

    /// Sends the event and waits for the answer. See [`Socket::emit_with_ack`].
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
        let space = &*self.socket.space;
        if self.is_queued() {
            let (sender, answer) = oneshot::channel();
            let number = self.enqueue(event, args, Some(sender))?;
            let _abandon = Abandon { socket: &self.socket, number };
            // The queue keeps the time.
            return answer.await.unwrap_or(Err(AckError::Disconnected));
        }
        let id = space.next_ack_id();
        let answer = space.expect(id)?;
        let _forget = Forget { space, id };
        self.send_event(Some(id), event, args)?;
        let answer = async { answer.await.unwrap_or(Err(AckError::Disconnected)) };
        match self.timeout {
            None => answer.await,
            Some(timeout) => tokio::time::timeout(timeout, answer).await.unwrap_or(Err(AckError::Timeout)),
        }
    }

    /// Whether the event waits its turn and is sent until it is answered.
    fn is_queued(&self) -> bool {
        self.socket.space.config.retries.is_some() && !self.volatile
    }

    fn send_event<A: ToArgs + ?Sized>(
        &self,
        ack_id: Option<u64>,
        event: &str,
        args: &A,
    ) -> Result<(), EmitError> {
        let space = &self.socket.space;
        let message = message::event(space.config.parser, &space.name, ack_id, event, args)?;
        let told = if space.has_outgoing() {
            Some(message::to_event(space.config.parser, event, args)?)
        } else {
            None
        };
        space.send(message.compress(self.compress), ack_id, self.volatile, told)
    }

    fn enqueue<A: ToArgs + ?Sized>(
        &self,
        event: &str,
        args: &A,
        answer: Option<crate::retry::Answer>,
    ) -> Result<u64, EmitError> {
        let space = &self.socket.space;
        let number =
            space.enqueue(message::to_event(space.config.parser, event, args)?, self.timeout, answer)?;
        // The time is kept by the connection's task.
        self.socket.handle.hub.bell.ring();
        Ok(number)
    }
}

/// However the wait ends, also by dropping the future, nothing stays in the tables.
struct Forget<'a> {
    space: &'a Space,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.space.forget(self.id);
    }
}

/// The same for an event in the queue.
struct Abandon<'a> {
    socket: &'a Socket,
    number: u64,
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if self.socket.space.abandon(self.number) {
            self.socket.handle.hub.bell.ring();
        }
    }
}
