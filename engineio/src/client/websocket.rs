//! The WebSocket of a session: packets over its frames.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::error::TransportError;
use super::frames::{Frames, Incoming};
use super::route::Route;
use crate::frame::CloseCode;
use crate::outbox::Outbox;
use crate::packet::{Packet, decode_binary, decode_text};
use crate::prepared::Prepared;

/// A WebSocket that is open.
pub(crate) struct WebSocket(Frames);

/// What the server did.
pub(crate) enum Received {
    Packet(Packet),
    /// It closed the connection, with a close frame or without.
    Closed(Option<CloseCode>),
}

impl WebSocket {
    /// Opens one: for a new session, or to probe whether a session can move to it.
    pub(crate) async fn open(route: Arc<Route>, sid: Option<String>) -> Result<Self, TransportError> {
        Frames::open(&route, sid.as_deref()).await.map(Self)
    }

    /// The next packet, or the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, TransportError>> {
        let protocol = self.0.dialect().protocol;
        let packet = match ready!(self.0.poll_receive(cx))? {
            Incoming::Text(text) => decode_text(text, protocol)?,
            Incoming::Binary(data) => decode_binary(data, protocol)?,
            Incoming::Closed(code) => return Poll::Ready(Ok(Received::Closed(code))),
        };
        Poll::Ready(Ok(Received::Packet(packet)))
    }

    /// Whether something was read and not handed out.
    pub(crate) fn has_received(&self) -> bool {
        self.0.has_received()
    }

    /// Queues a packet in front of what the outbox has.
    pub(crate) fn send(&mut self, packet: Prepared) {
        self.0.send(packet);
    }

    /// Queues a message that was taken from the outbox by another transport.
    pub(crate) fn send_taken(&mut self, message: Prepared) {
        self.0.send_taken(message);
    }

    /// Queues a close frame, the last thing that is written.
    pub(crate) fn send_close(&mut self) {
        self.0.send_close();
    }

    /// Writes what waits here and in the outbox. `true` says that nothing is left. When writing fails,
    /// [`poll_receive`](Self::poll_receive) says so at its end, behind what the server sent before.
    pub(crate) fn poll_flush(&mut self, outbox: Option<&Outbox>, cx: &mut Context<'_>) -> bool {
        self.0.poll_flush(outbox, cx)
    }
}
