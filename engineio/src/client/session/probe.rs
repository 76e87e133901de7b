//! The WebSocket of an upgrade in progress, while the session is still polling.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::client::error::{TransportError, UpgradeError};
use crate::client::http::route::Route;
use crate::client::websocket::{Received, WebSocket};
use crate::protocol::packet::{Packet, PacketType};
use crate::protocol::prepared::Prepared;

type Opening = Pin<Box<dyn Future<Output = Result<WebSocket, TransportError>> + Send>>;

/// An upgrade in progress.
pub(crate) struct Probe {
    stage: Stage,
    pub(crate) deadline: Instant,
}

enum Stage {
    Opening(Opening),
    /// The probe ping was sent.
    Asked(Box<WebSocket>),
    /// The pong has arrived. The session moves when no polling request is in progress.
    Answered(Box<WebSocket>),
}

impl Probe {
    pub(crate) fn new(route: Arc<Route>, sid: String, deadline: Instant) -> Self {
        Self { stage: Stage::Opening(Box::pin(WebSocket::open(route, Some(sid)))), deadline }
    }

    /// Whether the server has answered the probe, so that the session is about to move.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered(_))
    }

    /// The WebSocket for the session, if the server has answered the probe.
    pub(crate) fn into_websocket(self) -> Option<Box<WebSocket>> {
        match self.stage {
            Stage::Answered(websocket) => Some(websocket),
            Stage::Opening(_) | Stage::Asked(_) => None,
        }
    }

    /// Ready once, when the server has answered the probe.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UpgradeError>> {
        loop {
            match &mut self.stage {
                Stage::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(websocket) => {
                        let mut websocket = websocket?;
                        websocket.send(Prepared::control(PacketType::Ping, b"probe"));
                        self.stage = Stage::Asked(Box::new(websocket));
                    }
                },
                Stage::Asked(websocket) => {
                    websocket.poll_flush(None, cx);
                    let Poll::Ready(received) = websocket.poll_receive(cx)? else { return Poll::Pending };
                    match received {
                        Received::Packet(Packet::Pong(data)) if data.as_bytes() == b"probe" => {}
                        Received::Packet(_) => return Poll::Ready(Err(UpgradeError::Answer)),
                        Received::Closed(_) => return Poll::Ready(Err(UpgradeError::Closed)),
                    }
                    let opened =
                        std::mem::replace(&mut self.stage, Stage::Opening(Box::pin(std::future::pending())));
                    if let Stage::Asked(websocket) = opened {
                        self.stage = Stage::Answered(websocket);
                    }
                    return Poll::Ready(Ok(()));
                }
                Stage::Answered(_) => return Poll::Pending,
            }
        }
    }
}
