//! WebSockets that want to take over a session which another node has: the probe, and its two outcomes.
//! Either the session moves here, or the WebSocket is relayed.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Response;
use tokio::sync::oneshot;

use super::carry::Carry;
use super::ticket::{Asked, Relayed, within};
use super::{Elsewhere, READS_PER_TURN, unknown};
use crate::close_reason::CloseReason;
use crate::config::Transport;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Packet, Protocol, decode_text};
use crate::protocol::prepared::Dialect;
use crate::protocol::sid::Sid;
use crate::server::dispatch::Checked;
use crate::server::driver::close;
use crate::server::driver::websocket_carrier::{Received, WebSocketCarrier};
use crate::server::metrics::stats::Gauge;
use crate::server::peers::edge::{Upgraded, Wait};
use crate::server::peers::relayed::RelayedSocket;
use crate::server::peers::{Access, PeerCommand, PeerId, PeerMessage};
use crate::server::request::head::RequestHead;
use crate::server::request::request_error::{BadRequest, RequestError};
use crate::server::response::body::Body;
use crate::server::response::unavailable;
use crate::server::session::command::Command;
use crate::server::shared::Shared;
use crate::websocket::accept;
use crate::websocket::inbound::Event;

impl Shared {
    /// A WebSocket wants to take over a session of another node.
    pub(super) async fn relay_websocket(
        self: &Arc<Self>,
        mut request: Checked<'_>,
        session: Elsewhere,
    ) -> Result<Response<Body>, RequestError> {
        let (switching, deflate) = match accept::accept(request.parts, self.config.per_message_deflate) {
            Ok(accepted) => accepted,
            Err(error) => return Ok(error.into_response().map(|()| Body::default())),
        };
        let Some(upgrading) = request.upgrading.take() else {
            return Err(BadRequest::TransportHandshake.into());
        };
        // The session may move here. Without the WebSocket its client stays on polling, at its owner.
        if self.is_closing() || self.registry.len() >= self.options.max_sessions {
            return Ok(unavailable());
        }
        let Ok(counted) = Relayed::enter(session) else { return Ok(unavailable()) };
        let Ok(asked) = Asked::lock(&counted.0, Transport::WebSocket, Access::Read, Vec::new()) else {
            return Ok(unavailable());
        };
        let Some(owner) = asked.owner().await else { return Err(unknown(counted.0.sid.as_str())) };

        let dialect = Dialect { protocol: Protocol::V4, base64: request.handshake.base64 };
        let probe = Probe {
            websocket: self.websocket_in(upgrading, dialect, deflate),
            head: RequestHead::of(request.parts, request.query.clone(), &self.kept_extensions),
            dialect,
            owner,
            session: counted,
            task: self.tasks.enter(),
            server: Arc::clone(self),
        };
        tokio::spawn(probe.run());
        let mut response = switching.map(|()| Body::default());
        self.decorate(request.parts, &mut response, false);
        Ok(response)
    }
}

/// A probing WebSocket. The owner has granted the lock, and releases GETs that wait.
struct Probe {
    server: Arc<Shared>,
    websocket: Box<WebSocketCarrier>,
    session: Relayed,
    owner: PeerId,
    /// The request, which a session that moves here keeps.
    head: RequestHead,
    dialect: Dialect,
    task: Gauge,
}

impl Probe {
    async fn run(mut self) {
        let closed = self.server.closed.notified();
        let timeout = self.server.config.upgrade_timeout;
        let is_upgraded = tokio::select! {
            biased;
            upgraded = poll_fn(|cx| self.websocket.poll_probe(cx)) => upgraded,
            () = async { if !self.server.is_closed() { closed.await } } => false,
            () = tokio::time::sleep(timeout) => false,
        };
        if is_upgraded {
            return self.upgrade().await;
        }
        // The official engine sends nothing, so that its owner accepts no further probe.
        self.send(|sid| PeerMessage::Upgrade { request: 0, sid, success: false });
        close::spawn(*self.websocket, None, &self.server);
    }

    /// The client has sent its upgrade packet. Packets of the owner may follow before its answer, so they
    /// need their place now.
    async fn upgrade(self) {
        let Elsewhere { linked, sid, .. } = &self.session.0;
        let socket = RelayedSocket::new(self.server.config.max_buffered, &self.server.budget);
        let socket = Arc::new(socket);
        let (answer, answered) = oneshot::channel();
        let asked = linked.edge.ask(Some(self.owner.clone()), sid.clone(), Wait::Upgrade(answer));
        let Ok(number) = asked else {
            self.send(|sid| PeerMessage::Upgrade { request: 0, sid, success: false });
            return close::spawn(*self.websocket, Some((CloseCode::TRY_AGAIN_LATER, "")), &self.server);
        };
        linked.edge.attach(sid.clone(), number, self.owner.clone(), Arc::clone(&socket));
        self.send(|sid| PeerMessage::Upgrade { request: number, sid, success: true });
        let upgraded = within(linked.settings.response_timeout, answered).await;
        linked.edge.forget(number);
        match upgraded {
            Some(Upgraded { take_over: true, packets }) => {
                linked.edge.detach(sid, number);
                self.take_over(packets);
            }
            Some(Upgraded { take_over: false, .. }) => {
                let Self { server, websocket, session, owner, task, .. } = self;
                let carry = Carry::new(server, websocket, session, owner, socket, number);
                carry.run().await;
                drop(task);
            }
            None => {
                linked.edge.detach(sid, number);
                let reason = CloseReason::TransportClose;
                self.send(|sid| PeerMessage::Close { sid, reason });
                close::spawn(*self.websocket, None, &self.server);
            }
        }
    }

    /// The session moves here, with its id. Its heartbeat starts anew. If a limit of this server has been
    /// reached meanwhile, the session ends, as its owner has given it up.
    fn take_over(self, packets: Vec<Packet>) {
        let Self { server, websocket, session, head, dialect, .. } = self;
        let sid = session.0.sid.clone();
        let pending = match server.admit(head.peer()) {
            Ok(address) => server.add(sid, head, Transport::WebSocket, dialect, address).ok().flatten(),
            Err(_) => None,
        };
        let Some(pending) = pending else {
            return close::spawn(*websocket, Some((CloseCode::TRY_AGAIN_LATER, "")), &server);
        };
        pending.session.command(Command::Peer(Box::new(PeerCommand::TakenOver(packets))));
        server.begin(pending, Some(websocket), None);
    }

    fn send(&self, message: impl FnOnce(Sid) -> PeerMessage) {
        let Elsewhere { linked, sid, .. } = &self.session.0;
        linked.link.send(Some(&self.owner), message(sid.clone()));
    }
}

impl WebSocketCarrier {
    /// Answers probes until the client has sent its upgrade packet. `false` means that the probe has
    /// failed. Bytes behind the upgrade packet are kept.
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut more = true;
        for _ in 0..READS_PER_TURN {
            let Poll::Ready(mut batch) = self.poll_receive(cx) else {
                more = false;
                break;
            };
            while let Some(received) = self.next(&mut batch) {
                match received {
                    Received::Event(Event::Ping(data)) => self.pong(&data),
                    Received::Event(Event::Pong) => {}
                    Received::Event(Event::Text(text)) => match decode_text(text, Protocol::V4) {
                        Ok(Packet::Ping(data)) if data.as_bytes() == b"probe" => self.answer_probe(),
                        Ok(Packet::Upgrade) => return Poll::Ready(self.keep(batch)),
                        _ => return Poll::Ready(false),
                    },
                    _ => return Poll::Ready(false),
                }
            }
        }
        if self.poll_flush(None, cx).is_err() {
            return Poll::Ready(false);
        }
        if more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
