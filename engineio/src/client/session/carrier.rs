//! The current transport of a session.

use std::task::{Context, Poll};

use crate::client::error::{Closed, TransportError};
use crate::client::polling::Polling;
use crate::client::websocket::{Received, WebSocket};
use crate::config::Transport;
use crate::outbox::Outbox;
use crate::protocol::packet::Packet;

pub(crate) enum Carrier {
    Polling(Box<Polling>),
    WebSocket(Box<WebSocket>),
}

impl Carrier {
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Polling(_) => Transport::Polling,
            Self::WebSocket(_) => Transport::WebSocket,
        }
    }

    /// The next packet, or the end of the transport.
    pub(crate) fn poll_packet(&mut self, cx: &mut Context<'_>) -> Poll<Result<Packet, Closed>> {
        match self {
            Self::Polling(polling) => polling.poll_packet(cx).map_err(Closed::from),
            Self::WebSocket(websocket) => websocket.poll_receive(cx).map(|received| match received? {
                Received::Packet(packet) => Ok(packet),
                Received::Closed(code) => Err(Closed::TransportClose(code)),
            }),
        }
    }

    /// Writes the outbox before the next read. Without this, a server that never stops sending would get no
    /// response, not even to its pings. Polling reads and writes independently.
    pub(crate) fn clear_the_way(&mut self, outbox: &Outbox, cx: &mut Context<'_>) {
        if let Self::WebSocket(websocket) = self {
            if !websocket.has_received() {
                websocket.poll_flush(Some(outbox), cx);
            }
        }
    }

    /// Writes the outbox. `true` means that nothing is left.
    pub(crate) fn poll_flush(
        &mut self,
        outbox: &Outbox,
        cx: &mut Context<'_>,
    ) -> Result<bool, TransportError> {
        match self {
            Self::Polling(polling) => polling.poll_flush(outbox, cx),
            Self::WebSocket(websocket) => Ok(websocket.poll_flush(Some(outbox), cx)),
        }
    }

    /// Queues the close packet or close frame, behind everything else.
    pub(crate) fn send_close(&mut self) {
        match self {
            Self::Polling(polling) => polling.send_close(),
            Self::WebSocket(websocket) => websocket.send_close(),
        }
    }

    /// Whether the close has been sent. A WebSocket also waits for the server's close frame.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Polling(polling) => !polling.is_posting(),
            Self::WebSocket(_) => false,
        }
    }

    pub(crate) fn polling(&mut self) -> Option<&mut Polling> {
        match self {
            Self::Polling(polling) => Some(polling),
            Self::WebSocket(_) => None,
        }
    }
}
