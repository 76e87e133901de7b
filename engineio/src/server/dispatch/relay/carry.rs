//! A relayed WebSocket: its packets go to the owner of the session, and those of the owner to the client.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::READS_PER_TURN;
use super::ticket::Relayed;
use crate::close_reason::{CloseReason, Fault};
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Protocol, decode_binary, decode_text};
use crate::protocol::prepared::Prepared;
use crate::server::driver::close;
use crate::server::driver::websocket_carrier::{Received, WebSocketCarrier};
use crate::server::peers::relayed::RelayedSocket;
use crate::server::peers::{PeerId, PeerMessage};
use crate::server::shared::Shared;
use crate::websocket::inbound::Event;
use crate::websocket::outbound::Source;

/// A WebSocket that carries a session of another node.
pub(super) struct Carry {
    server: Arc<Shared>,
    websocket: Box<WebSocketCarrier>,
    session: Relayed,
    owner: PeerId,
    /// The packets that wait for the client.
    socket: Arc<RelayedSocket>,
    /// The number of the entry of this connection.
    number: u64,
    /// The end of the wait for the next packet of the owner.
    timer: Pin<Box<Sleep>>,
    patience: Duration,
}

/// The end of a relay.
struct End {
    /// The reason for the owner. `None` if the owner has ended the session, or is lost.
    reason: Option<CloseReason>,
    /// The code of the close frame.
    code: Option<CloseCode>,
}

impl End {
    fn fault(fault: Fault, code: CloseCode) -> Self {
        Self { reason: Some(CloseReason::TransportError(fault)), code: Some(code) }
    }
}

impl Carry {
    pub(super) fn new(
        server: Arc<Shared>,
        websocket: Box<WebSocketCarrier>,
        session: Relayed,
        owner: PeerId,
        socket: Arc<RelayedSocket>,
        number: u64,
    ) -> Self {
        let patience = server.silence(&session.0.linked.settings);
        let timer = Box::pin(tokio::time::sleep(patience));
        Self { server, websocket, session, owner, socket, number, timer, patience }
    }

    pub(super) async fn run(mut self) {
        let server = Arc::clone(&self.server);
        let closed = server.closed.notified();
        let end = tokio::select! {
            biased;
            end = poll_fn(|cx| self.poll(cx)) => end,
            () = async { if !server.is_closed() { closed.await } } => {
                End { reason: Some(CloseReason::TransportClose), code: Some(CloseCode::GOING_AWAY) }
            }
        };
        let session = &self.session.0;
        session.linked.edge.detach(&session.sid, self.number);
        if let Some(reason) = end.reason {
            self.send(PeerMessage::Close { sid: session.sid.clone(), reason });
        }
        self.socket.outbox.close();
        self.socket.outbox.clear();
        close::spawn(*self.websocket, end.code.map(|code| (code, "")), &server);
    }

    fn send(&self, message: PeerMessage) {
        self.session.0.linked.link.send(Some(&self.owner), message);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            self.socket.outbox.attend();
            match self.socket.fault() {
                Some(Fault::Remote) => {
                    return Poll::Ready(End { reason: None, code: Some(CloseCode::GOING_AWAY) });
                }
                Some(fault) => return Poll::Ready(End::fault(fault, CloseCode::POLICY_VIOLATION)),
                None => {}
            }
            let more = match self.read(cx) {
                Ok(more) => more,
                Err(end) => return Poll::Ready(end),
            };
            if let Some(end) = self.write(cx) {
                return Poll::Ready(end);
            }
            if self.timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::fault(Fault::Remote, CloseCode::GOING_AWAY));
            }
            if more {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.socket.outbox.park(self.websocket.is_writable(), cx.waker()) {
                return Poll::Pending;
            }
        }
    }

    /// Reads packets of the client. Returns whether there may be more to read.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        for _ in 0..READS_PER_TURN {
            let Poll::Ready(mut batch) = self.websocket.poll_receive(cx) else { return Ok(false) };
            while let Some(received) = self.websocket.next(&mut batch) {
                self.received(received)?;
            }
        }
        Ok(true)
    }

    fn received(&mut self, received: Received) -> Result<(), End> {
        let packet = match received {
            Received::Event(Event::Text(text)) => decode_text(text, Protocol::V4),
            Received::Event(Event::Binary(data)) => decode_binary(data, Protocol::V4),
            Received::Event(Event::Ping(data)) => {
                self.websocket.pong(&data);
                return Ok(());
            }
            Received::Event(_) => return Ok(()),
            Received::Closed(code) => return Err(End { reason: Some(CloseReason::TransportClose), code }),
            Received::Violation(code) => {
                return Err(End {
                    reason: Some(CloseReason::TransportError(Fault::WebSocket)),
                    code: Some(code),
                });
            }
            Received::ServerFull => return Err(End::fault(Fault::ServerFull, CloseCode::TRY_AGAIN_LATER)),
            Received::Lost => {
                return Err(End { reason: Some(CloseReason::TransportError(Fault::Io)), code: None });
            }
        };
        let Ok(packet) = packet else {
            return Err(End { reason: Some(CloseReason::ParseError), code: None });
        };
        let sid = self.session.0.sid.clone();
        self.send(PeerMessage::Packet { sid, packet });
        Ok(())
    }

    /// Writes packets of the owner. An owner that has ended the session is done when they are written.
    fn write(&mut self, cx: &mut Context<'_>) -> Option<End> {
        let mut wrote = false;
        let outbox = &self.socket.outbox;
        let mut on_take = |_: &[Prepared]| wrote = true;
        let source = Source { outbox, on_take: &mut on_take, translate: None };
        let flushed = self.websocket.poll_flush(Some(source), cx);
        if wrote {
            self.timer.as_mut().reset(Instant::now() + self.patience);
        }
        match flushed {
            // Bytes that the client sent before the failure are still read.
            Err(_) => {
                self.websocket.fail();
                None
            }
            Ok(true) if !outbox.is_open() => Some(End { reason: None, code: None }),
            Ok(_) => None,
        }
    }
}
