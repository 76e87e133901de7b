//! The WebSocket of an upgrade, while the session is still polling.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::client::error::{TransportError, UpgradeError};
use crate::client::http::route::Route;
use crate::client::machine::Input;
use crate::client::websocket::{Received, WebSocket};
use crate::protocol::packet::PacketType;
use crate::protocol::prepared::Prepared;

type Opening = Pin<Box<dyn Future<Output = Result<WebSocket, TransportError>> + Send>>;

/// A WebSocket that is being opened, or is open.
pub(super) enum Probe {
    Opening(Opening),
    Open(Box<WebSocket>),
}

impl Probe {
    pub(super) fn new(route: Arc<Route>, sid: String) -> Self {
        Self::Opening(Box::pin(WebSocket::open(route, Some(sid))))
    }

    /// Queues the probe ping.
    pub(super) fn send_ping(&mut self) {
        if let Self::Open(websocket) = self {
            websocket.send(Prepared::control(PacketType::Ping, b"probe"));
        }
    }

    /// The WebSocket for the session, if it is open.
    pub(super) fn into_websocket(self) -> Option<Box<WebSocket>> {
        match self {
            Self::Open(websocket) => Some(websocket),
            Self::Opening(_) => None,
        }
    }

    /// The next event, as an input of the machine.
    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let input = match self {
            Self::Opening(opening) => ready!(opening.as_mut().poll(cx)).map(|websocket| {
                *self = Self::Open(Box::new(websocket));
                Input::ProbeOpened
            }),
            Self::Open(websocket) => {
                websocket.poll_flush(None, cx);
                ready!(websocket.poll_receive(cx)).map(|received| match received {
                    Received::Packet(packet) => Input::ProbePacket(packet),
                    Received::Closed(_) => Input::ProbeFailed(UpgradeError::Closed),
                })
            }
        };
        Poll::Ready(input.unwrap_or_else(|error| Input::ProbeFailed(error.into())))
    }
}
