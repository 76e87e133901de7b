//! The WebSocket transport of a session: packets over frames.

pub(crate) mod frames;

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use self::frames::{Frames, Incoming};
use super::error::TransportError;
use super::http::route::Route;
use crate::deflate::Plan;
use crate::outbox::Outbox;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Packet, decode_binary, decode_text};
use crate::protocol::prepared::Prepared;

/// An open WebSocket.
pub(crate) struct WebSocket(Frames);

/// An event of the server.
pub(crate) enum Received {
    Packet(Packet),
    /// The connection is closed, with a close frame or without.
    Closed(Option<CloseCode>),
}

impl WebSocket {
    /// Opens a WebSocket, for a new session or to probe an upgrade.
    pub(crate) async fn open(route: Arc<Route>, sid: Option<String>) -> Result<Self, TransportError> {
        Frames::open(&route, sid.as_deref()).await.map(Self)
    }

    /// The compression of messages before they are queued.
    pub(crate) fn plan_ahead(&self) -> Option<Plan> {
        self.0.plan_ahead()
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

    /// Whether a message was read and is not returned yet.
    pub(crate) fn has_received(&self) -> bool {
        self.0.has_received()
    }

    /// Queues a packet in front of the outbox.
    pub(crate) fn send(&mut self, packet: Prepared) {
        self.0.send(packet);
    }

    /// Queues a message that another transport took from the outbox.
    pub(crate) fn send_taken(&mut self, message: Prepared) {
        self.0.send_taken(message);
    }

    /// Queues a close frame, the last frame that is written.
    pub(crate) fn send_close(&mut self) {
        self.0.send_close();
    }

    /// Writes the queue and the outbox. `true` means that nothing is left. A write error is reported by
    /// [`poll_receive`](Self::poll_receive), behind the messages that the server sent before.
    pub(crate) fn poll_flush(&mut self, outbox: Option<&Outbox>, cx: &mut Context<'_>) -> bool {
        self.0.poll_flush(outbox, cx)
    }
}
