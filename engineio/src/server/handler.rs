//! The application's handlers of sessions, and the trait that makes one for each session.

use std::any::Any;
use std::task::{Context, Poll};

use super::session::handle::Session;
use crate::close_reason::CloseReason;
use crate::config::Transport;
use crate::protocol::packet::{Message, Packet};
use crate::protocol::prepared::Prepared;

/// The application's handler of one session.
///
/// The session's task calls the methods one after the other, in the order of the events. They must not block:
/// start work in a spawned task that uses [`Session::send`], or in [`poll`](Self::poll).
///
/// A handler that panics is dropped and its session ends, without [`on_close`](Self::on_close). Cleanup that
/// must always run belongs in the handler's `Drop`.
///
/// A closure over `(&Session, Message)` is a handler too.
pub trait Handler: Send + 'static {
    /// A message arrived.
    fn on_message(&mut self, session: &Session, message: Message);

    /// A message arrived that the [`Translator`](crate::Translator) of the session has decoded. Default: it is
    /// dropped. [`on_packet`](Self::on_packet) sees an empty message.
    fn on_decoded(&mut self, session: &Session, message: &mut dyn Any) {
        let _ = (session, message);
    }

    /// The session ended. Called exactly once, as the last method. [`Session::queued_messages`] still counts
    /// the unsent messages; they are dropped afterwards.
    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        let _ = (session, reason);
    }

    /// The session upgraded to another transport.
    fn on_upgrade(&mut self, session: &Session, transport: Transport) {
        let _ = (session, transport);
    }

    /// The client has begun to upgrade to this transport. The upgrade may still fail.
    fn on_upgrading(&mut self, session: &Session, transport: Transport) {
        let _ = (session, transport);
    }

    /// A packet of any type arrived; called before it takes effect. A pong belongs to the heartbeat.
    fn on_packet(&mut self, session: &Session, packet: &Packet) {
        let _ = (session, packet);
    }

    /// The client proved that it is alive: with a pong, or in revision 3 with a ping.
    fn on_heartbeat(&mut self, session: &Session) {
        let _ = session;
    }

    /// These packets are about to be passed to the transport: messages, and the protocol's own packets such
    /// as pings. [`Prepared::kind`] tells them apart.
    fn on_flush(&mut self, session: &Session, messages: &[Prepared]) {
        let _ = (session, messages);
    }

    /// The outbox became empty.
    fn on_drain(&mut self, session: &Session) {
        let _ = session;
    }

    /// Polls the handler's own work, such as futures that its messages started. Called after every batch of
    /// messages and whenever the waker of `cx` is used. The session ignores the result.
    fn poll(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<()> {
        let _ = (session, cx);
        Poll::Ready(())
    }

    /// Whether the handler accepts more messages. While it returns `false`, a WebSocket is not read, and the
    /// response to a POST waits until all of its messages are handled; so the peer has to wait. The handler
    /// has to wake the task (see [`poll`](Self::poll)) when this changes.
    fn is_ready(&self) -> bool {
        true
    }
}

impl<F> Handler for F
where
    F: FnMut(&Session, Message) + Send + 'static,
{
    fn on_message(&mut self, session: &Session, message: Message) {
        self(session, message);
    }
}

/// Makes the handler of each new session. A closure from `&Session` to a handler implements it.
///
/// It is called once the handshake is accepted. Messages that it sends follow the open packet.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make a handler for a session",
    note = "pass a closure `|session: &Session| ...` that returns a `Handler`, or use `handler_fn` for a closure that takes messages"
)]
pub trait Accept: Send + Sync + 'static {
    /// A session opened.
    fn accept(&self, session: &Session) -> Box<dyn Handler>;
}

impl<F, H> Accept for F
where
    F: Fn(&Session) -> H + Send + Sync + 'static,
    H: Handler,
{
    fn accept(&self, session: &Session) -> Box<dyn Handler> {
        Box::new(self(session))
    }
}

impl Handler for Box<dyn Handler> {
    fn on_message(&mut self, session: &Session, message: Message) {
        (**self).on_message(session, message);
    }
    fn on_decoded(&mut self, session: &Session, message: &mut dyn Any) {
        (**self).on_decoded(session, message);
    }
    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        (**self).on_close(session, reason);
    }
    fn on_upgrade(&mut self, session: &Session, transport: Transport) {
        (**self).on_upgrade(session, transport);
    }
    fn on_upgrading(&mut self, session: &Session, transport: Transport) {
        (**self).on_upgrading(session, transport);
    }
    fn on_packet(&mut self, session: &Session, packet: &Packet) {
        (**self).on_packet(session, packet);
    }
    fn on_heartbeat(&mut self, session: &Session) {
        (**self).on_heartbeat(session);
    }
    fn on_flush(&mut self, session: &Session, messages: &[Prepared]) {
        (**self).on_flush(session, messages);
    }
    fn on_drain(&mut self, session: &Session) {
        (**self).on_drain(session);
    }
    fn poll(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll(session, cx)
    }
    fn is_ready(&self) -> bool {
        (**self).is_ready()
    }
}

/// Gives a closure the type of a message handler, which type inference needs in `server(|_: &Session|
/// handler_fn(|session, message| ...))`.
pub fn handler_fn<F>(f: F) -> F
where
    F: FnMut(&Session, Message) + Send + 'static,
{
    f
}
