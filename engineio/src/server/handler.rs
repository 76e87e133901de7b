//! The application's side: what makes a handler for each session, and what the handler is told.

use std::task::{Context, Poll};

use super::session::Session;
use crate::close_reason::CloseReason;
use crate::config::Transport;
use crate::packet::{Message, PacketType};
use crate::prepared::Prepared;

/// What an application does with one session.
///
/// The methods are called one after the other from the session's own task, in the order in which things happened.
/// They must not block: start work with [`Session::send`] from a spawned task, or in [`poll`](Self::poll).
///
/// A handler that panics is dropped, and its session ends, without [`on_close`](Self::on_close): what has to be undone in
/// any case belongs into its `Drop`.
///
/// A closure over `(&Session, Message)` is a handler too.
pub trait Handler: Send + 'static {
    /// A message arrived.
    fn on_message(&mut self, session: &Session, message: Message);

    /// The session ended. Called exactly once, last. The unsent messages are still counted by
    /// [`Session::queued_messages`]; they are dropped afterwards.
    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        let _ = (session, reason);
    }

    /// The session moved to another transport.
    fn on_upgrade(&mut self, session: &Session, transport: Transport) {
        let _ = (session, transport);
    }

    /// A packet of any type arrived, before it takes effect. A pong is the heartbeat.
    fn on_packet(&mut self, session: &Session, kind: PacketType) {
        let _ = (session, kind);
    }

    /// These packets are about to be handed to the transport: messages, and the protocol's own such as pings
    /// ([`Prepared::kind`] tells them apart).
    fn on_flush(&mut self, session: &Session, messages: &[Prepared]) {
        let _ = (session, messages);
    }

    /// The outbox ran empty.
    fn on_drain(&mut self, session: &Session) {
        let _ = session;
    }

    /// Makes progress with work of the handler's own: futures that its messages started, say. Called after every
    /// batch of messages and whenever the waker of `cx` was used. What it returns does not matter for the session.
    fn poll(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<()> {
        let _ = (session, cx);
        Poll::Ready(())
    }

    /// Whether more messages may come. While it says `false` nothing is read from a WebSocket, and over polling a POST
    /// is not answered before all of its messages are taken; so in the end the peer waits. The handler has to wake the
    /// task (see [`poll`](Self::poll)) when that changes.
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

/// Makes the handler of each new session. A closure from `&Session` to a handler is one.
///
/// It is called when the handshake was accepted. What it sends follows the open packet.
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
    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        (**self).on_close(session, reason);
    }
    fn on_upgrade(&mut self, session: &Session, transport: Transport) {
        (**self).on_upgrade(session, transport);
    }
    fn on_packet(&mut self, session: &Session, kind: PacketType) {
        (**self).on_packet(session, kind);
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

/// Helps the compiler to see a closure as a message handler: `server(|_: &Session| handler_fn(|session, message| ...))`.
pub fn handler_fn<F>(f: F) -> F
where
    F: FnMut(&Session, Message) + Send + 'static,
{
    f
}
