//! The current transport of a session.

use std::task::{Context, Poll};

use crate::client::error::TransportError;
use crate::client::machine::Input;
use crate::client::polling::Polling;
use crate::client::websocket::{Received, WebSocket};
use crate::config::Transport;
use crate::deflate::Plan;
use crate::outbox::Outbox;

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

    /// The compression of messages before they are queued.
    pub(super) fn plan_ahead(&self) -> Option<Plan> {
        match self {
            Self::Polling(_) => None,
            Self::WebSocket(websocket) => websocket.plan_ahead(),
        }
    }

    /// The next packet, or the end of a response or of the transport, as an input of the machine.
    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let input = match self {
            Self::Polling(polling) => {
                polling.poll_packet(cx).map_ok(|packet| packet.map_or(Input::PollEnded, Input::Packet))
            }
            Self::WebSocket(websocket) => websocket.poll_receive(cx).map_ok(|received| match received {
                Received::Packet(packet) => Input::Packet(packet),
                Received::Closed(code) => Input::CarrierClosed(code),
            }),
        };
        input.map(|input| input.unwrap_or_else(Input::Failed))
    }

    /// Writes the outbox before the next read. Without this, a server that never stops sending would get no
    /// response, not even to its pings. Polling reads and writes independently.
    pub(super) fn write_before_read(&mut self, outbox: &Outbox, cx: &mut Context<'_>) {
        if let Self::WebSocket(websocket) = self {
            if !websocket.has_received() {
                websocket.poll_flush(Some(outbox), cx);
            }
        }
    }

    /// Writes the answer to the server's close frame, if the socket accepts it at once.
    pub(super) fn write_last(&mut self, cx: &mut Context<'_>) {
        if let Self::WebSocket(websocket) = self {
            websocket.poll_flush(None, cx);
        }
    }

    /// Continues writing. `Ready` is the end of a POST; the flag says whether messages still wait.
    pub(super) fn poll_write(
        &mut self,
        outbox: &Outbox,
        cx: &mut Context<'_>,
    ) -> (Poll<Result<bool, TransportError>>, bool) {
        match self {
            Self::Polling(polling) => (polling.poll_post(outbox, cx), polling.is_waiting(outbox)),
            Self::WebSocket(websocket) => (Poll::Pending, !websocket.poll_flush(Some(outbox), cx)),
        }
    }

    /// Queues the close packet or close frame, behind everything else.
    pub(super) fn send_close(&mut self) {
        match self {
            Self::Polling(polling) => polling.start_close(),
            Self::WebSocket(websocket) => websocket.send_close(),
        }
    }

    pub(super) fn polling(&mut self) -> Option<&mut Polling> {
        match self {
            Self::Polling(polling) => Some(polling),
            Self::WebSocket(_) => None,
        }
    }
}
