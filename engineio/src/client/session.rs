//! One session: everything it does happens in [`Client::recv`], in this order:
//!
//! 1. Deadlines: the server's heartbeat, the upgrade, the close.
//! 2. Whether the application closes the session.
//! 3. Packets that came. A message is handed out at once, and the rest happens in the next turn: what answers the
//!    messages of one read leaves in one write, in front of the next read.
//! 4. What waits in the outbox is written.
//! 5. The upgrade goes on.
//! 6. The goodbye, when everything before it has left.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::carrier::Carrier;
use super::config::ClientConfig;
use super::error::{Closed, UpgradeError};
use super::handshake::{Handshake, LONGEST};
use super::heartbeat::{Due, Heartbeat};
use super::probe::Probe;
use super::route::Route;
use super::sender::{Sender, Shared};
use super::trace;
use crate::config::Transport;
use crate::packet::{Message, Packet, PacketType};
use crate::prepared::Prepared;
use crate::sid::Sid;

/// How long a server may take to answer a WebSocket's close frame.
const GOODBYE: Duration = Duration::from_secs(2);

/// A session with a server.
///
/// It lives while somebody waits in [`recv`](Self::recv): heartbeats, the upgrade and sending all happen there. There is
/// no task behind it; dropping it closes the connection without a word.
pub struct Client {
    shared: Arc<Shared>,
    config: Arc<ClientConfig>,
    sid: Sid,
    carrier: Carrier,
    probe: Option<Probe>,
    phase: Phase,
    heartbeat: Heartbeat,
    /// Fires at the earliest of all deadlines, or before: a deadline that moves away does not touch it.
    timer: Pin<Box<Sleep>>,
    remembered: Arc<AtomicBool>,
    reading: bool,
    /// The number of the last answer to a ping.
    pong: u64,
}

/// What is left to do.
enum Phase {
    Open,
    /// The application wants to close; what it sent before is on its way.
    Closing(Instant),
    /// The goodbye is on its way.
    Goodbye(Instant),
    Closed(Closed),
}

/// Something that happened on a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message of the server.
    Message(Message),
    /// The session has moved to WebSocket.
    Upgraded,
    /// The session stays on polling.
    UpgradeFailed(UpgradeError),
}

impl Client {
    pub(crate) fn new(
        route: &Arc<Route>,
        carrier: Carrier,
        handshake: Handshake,
        remembered: Arc<AtomicBool>,
    ) -> Self {
        let now = Instant::now();
        let config = &route.config;
        let wanted = config.upgrade && config.transports.contains(&Transport::WebSocket);
        let is_websocket = carrier.transport() == Transport::WebSocket;
        let probe = (wanted && !is_websocket && handshake.offers(Transport::WebSocket)).then(|| {
            Probe::new(Arc::clone(route), handshake.sid.clone(), now + config.upgrade_timeout.min(LONGEST))
        });
        remembered.store(is_websocket, Ordering::Relaxed);
        let heartbeat = handshake.heartbeat(config.protocol, now);
        let timer = probe.as_ref().map_or(heartbeat.next(), |probe| probe.deadline.min(heartbeat.next()));
        let client = Self {
            shared: Arc::new(Shared::new(config.max_buffered, heartbeat.deadline())),
            sid: handshake.sid.into(),
            carrier,
            probe,
            phase: Phase::Open,
            heartbeat,
            timer: Box::pin(sleep_until(timer)),
            config: Arc::clone(config),
            remembered,
            reading: true,
            pong: 0,
        };
        trace::opened(&client.sid, client.transport());
        client
    }

    /// The session's id. Whoever knows it can use the session.
    pub fn sid(&self) -> &Sid {
        &self.sid
    }

    /// The transport that the session is on.
    pub fn transport(&self) -> Transport {
        self.carrier.transport()
    }

    /// The sending half.
    pub fn sender(&self) -> Sender {
        Sender(Arc::clone(&self.shared))
    }

    /// Waits for what happens next. An error says why the session is closed, and stays.
    ///
    /// The future may be dropped at any point without losing anything.
    pub async fn recv(&mut self) -> Result<Event, Closed> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Whether what the server sends is taken, which it is at first. While it is not, sending goes on, and the server has
    /// to wait in the end. That should not last: the server's heartbeat is not seen either, and the session ends without
    /// it.
    pub fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }

    /// Closes the session: everything that was sent before is sent, and the server gets to know. Messages that come in the
    /// meantime are dropped.
    pub async fn close(mut self) -> Closed {
        self.shared.close();
        loop {
            if let Err(closed) = self.recv().await {
                return closed;
            }
        }
    }

    /// [`recv`](Self::recv), for those who poll by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        loop {
            if let Phase::Closed(closed) = &self.phase {
                return Poll::Ready(Err(closed.clone()));
            }
            self.shared.outbox.attend();
            match self.turn(cx) {
                Ok(Some(event)) => return Poll::Ready(Ok(event)),
                Ok(None) => {}
                Err(closed) => {
                    self.finish(closed, cx);
                    continue;
                }
            }
            let parked = self.shared.outbox.park(self.is_writable(), cx.waker());
            // Whoever closed before the outbox was parked did not wake us.
            if parked && !self.has_unseen_close() {
                return Poll::Pending;
            }
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Option<Event>, Closed> {
        loop {
            if let Some(event) = self.check_deadlines(cx)? {
                return Ok(Some(event));
            }
            if self.has_unseen_close() {
                self.begin_close();
            }
            while self.is_reading() {
                self.carrier.clear_the_way(&self.shared.outbox, cx);
                let Poll::Ready(packet) = self.carrier.poll_packet(cx) else { break };
                if let Some(message) = self.handle(packet?)? {
                    return Ok(Some(Event::Message(message)));
                }
            }
            let flushed = self.carrier.poll_flush(&self.shared.outbox, cx)?;
            self.set_blocked(!flushed);
            match self.go_on_with_probe(cx) {
                Some(event) => return Ok(Some(event)),
                None => {
                    if !self.go_on_with_close(flushed)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn check_deadlines(&mut self, cx: &mut Context<'_>) -> Result<Option<Event>, Closed> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match self.heartbeat.due(now) {
                Some(Due::Dead) => return Err(Closed::PingTimeout),
                Some(Due::Ping) => {
                    self.shared.set_heartbeat(self.heartbeat.deadline());
                    self.shared.outbox.push_control(Prepared::ping());
                }
                None => {}
            }
            if self.close_deadline().is_some_and(|deadline| now >= deadline) {
                return Err(Closed::Forced);
            }
            let late = self.probe.as_ref().is_some_and(|probe| now >= probe.deadline);
            if late {
                return Ok(Some(self.stay(UpgradeError::Timeout)));
            }
            self.arm();
        }
        Ok(None)
    }

    /// What a packet asks for. Messages are the application's.
    fn handle(&mut self, packet: Packet) -> Result<Option<Message>, Closed> {
        if self.heartbeat.heard(packet.kind(), Instant::now) {
            self.shared.set_heartbeat(self.heartbeat.deadline());
        }
        match packet {
            Packet::Message(message) => Ok(Some(message)),
            Packet::Ping(data) => {
                // A server that asks again before it took the answer gets that one: it must not fill our memory.
                if self.shared.outbox.has_written(self.pong) {
                    let pong = Prepared::control(PacketType::Pong, data.as_bytes());
                    self.pong = self.shared.outbox.push_control(pong);
                }
                Ok(None)
            }
            Packet::Close => Err(Closed::TransportClose(None)),
            Packet::Pong(_) => {
                // The next ping may be the first thing that is due.
                self.arm();
                Ok(None)
            }
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => Ok(None),
        }
    }

    fn go_on_with_probe(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        let (Some(probe), Some(polling)) = (&mut self.probe, self.carrier.polling()) else { return None };
        match probe.poll_answer(cx) {
            Poll::Ready(Err(error)) => return Some(self.stay(error)),
            Poll::Ready(Ok(())) => polling.pause(),
            Poll::Pending if !probe.is_answered() => return None,
            Poll::Pending => {}
        }
        if !polling.is_quiet() {
            return None;
        }
        let held = polling.take_held();
        let mut websocket = self.probe.take()?.into_websocket()?;
        websocket.send(Prepared::control(PacketType::Upgrade, b""));
        if let Some(held) = held {
            websocket.send_taken(held);
        }
        self.carrier = Carrier::WebSocket(websocket);
        self.remembered.store(true, Ordering::Relaxed);
        trace::upgraded(&self.sid);
        Some(Event::Upgraded)
    }

    /// The upgrade failed: polling goes on.
    fn stay(&mut self, error: UpgradeError) -> Event {
        self.probe = None;
        if let Some(polling) = self.carrier.polling() {
            polling.resume();
        }
        trace::not_upgraded(&self.sid, &error);
        Event::UpgradeFailed(error)
    }

    /// A session that closes or moves reads in any case: that is how it gets on.
    fn is_reading(&self) -> bool {
        self.reading || !matches!(self.phase, Phase::Open) || self.probe.is_some()
    }

    fn has_unseen_close(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.shared.is_closing()
    }

    fn begin_close(&mut self) {
        self.phase = Phase::Closing(Instant::now() + self.config.close_timeout.min(LONGEST));
        // A session in the middle of a move has no transport that would take a packet.
        if self.probe.as_ref().is_some_and(|probe| !probe.is_answered()) {
            self.probe = None;
        }
        self.arm();
    }

    /// `true` asks for another turn.
    fn go_on_with_close(&mut self, flushed: bool) -> Result<bool, Closed> {
        match self.phase {
            Phase::Closing(_) if flushed && self.probe.is_none() => {
                self.carrier.send_close();
                self.phase = Phase::Goodbye(Instant::now() + GOODBYE);
                self.arm();
                Ok(true)
            }
            Phase::Goodbye(_) if self.carrier.is_gone() => Err(Closed::Forced),
            _ => Ok(false),
        }
    }

    fn finish(&mut self, closed: Closed, cx: &mut Context<'_>) {
        if let (Closed::TransportError(_) | Closed::TransportClose(_), Carrier::WebSocket(websocket)) =
            (&closed, &mut self.carrier)
        {
            // The answer to the server's close frame, if there is room for it at once.
            websocket.poll_flush(None, cx);
        }
        if matches!(closed, Closed::TransportError(_)) {
            self.remembered.store(false, Ordering::Relaxed);
        }
        // Whatever ends a session that is being closed: it is closed as the application wanted.
        let wanted = matches!(self.phase, Phase::Closing(_) | Phase::Goodbye(_));
        let closed = if wanted { Closed::Forced } else { closed };
        trace::closed(&self.sid, &closed);
        self.phase = Phase::Closed(closed);
        self.probe = None;
        self.shared.outbox.close();
        self.shared.outbox.clear();
    }

    fn is_writable(&self) -> bool {
        let moving = self.probe.as_ref().is_some_and(Probe::is_answered);
        let posting = matches!(&self.carrier, Carrier::Polling(polling) if polling.is_posting());
        !moving && !posting && !self.shared.outbox.is_blocked()
    }

    fn set_blocked(&mut self, blocked: bool) {
        let moving = self.probe.as_ref().is_some_and(Probe::is_answered);
        self.shared.outbox.set_blocked(blocked || moving);
    }

    fn close_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closing(deadline) | Phase::Goodbye(deadline) => Some(deadline),
            Phase::Open | Phase::Closed(_) => None,
        }
    }

    fn arm(&mut self) {
        let probe = self.probe.as_ref().map(|probe| probe.deadline);
        let others = self.close_deadline().into_iter().chain(probe);
        let next = others.fold(self.heartbeat.next(), Instant::min);
        self.timer.as_mut().reset(next);
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("sid", &self.sid)
            .field("transport", &self.transport())
            .finish_non_exhaustive()
    }
}
