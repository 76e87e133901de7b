//! One session. [`Client::recv`] does all its work, in this order:
//!
//! 1. Deadlines: the server's heartbeat, the upgrade, the close.
//! 2. A close by the application.
//! 3. Received packets. A message is returned at once, and the other steps follow in the next turn. The
//!    responses to the messages of one read are thus written together, before the next read.
//! 4. Writing the outbox.
//! 5. The upgrade.
//! 6. The close packet or close frame, after everything before it is written.

pub(crate) mod carrier;
pub(crate) mod handle;
pub(crate) mod handshake;
mod probe;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use self::carrier::Carrier;
use self::handle::{Sender, Shared};
use self::handshake::{Handshake, LONGEST};
use self::probe::Probe;
use crate::client::config::ClientConfig;
use crate::client::error::{Closed, UpgradeError};
use crate::client::http::route::Route;
use crate::client::machine::heartbeat::{Due, Heartbeat};
use crate::client::trace;
use crate::config::Transport;
use crate::protocol::packet::{Message, Packet, PacketType};
use crate::protocol::prepared::Prepared;
use crate::protocol::sid::Sid;

/// The time that a server may take to answer a WebSocket's close frame.
const GOODBYE: Duration = Duration::from_secs(2);

/// A session with a server.
///
/// It is active while [`recv`](Self::recv) is awaited: heartbeats, the upgrade and sending all happen there.
/// The session has no task; dropping it closes the connection without a close packet.
pub struct Client {
    shared: Arc<Shared>,
    config: Arc<ClientConfig>,
    sid: Sid,
    carrier: Carrier,
    probe: Option<Probe>,
    phase: Phase,
    heartbeat: Heartbeat,
    /// Fires at the earliest of all deadlines or before: a deadline that moves later does not reset it.
    timer: Pin<Box<Sleep>>,
    remembered: Arc<AtomicBool>,
    reading: bool,
    /// The outbox number of the last pong.
    pong: u64,
}

/// The remaining steps of a session.
enum Phase {
    Open,
    /// The application has closed the session, and the messages sent before are being written.
    Closing(Instant),
    /// The close packet or close frame is being written.
    Goodbye(Instant),
    Closed(Closed),
}

/// An event of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message of the server.
    Message(Message),
    /// The session has upgraded to WebSocket.
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

    /// The session's id. It is a secret: it gives access to the session.
    pub fn sid(&self) -> &Sid {
        &self.sid
    }

    /// The current transport of the session.
    pub fn transport(&self) -> Transport {
        self.carrier.transport()
    }

    /// The sending half.
    pub fn sender(&self) -> Sender {
        Sender(Arc::clone(&self.shared))
    }

    /// Waits for the next event. An error is the reason for the end of the session, and is returned again by
    /// further calls.
    ///
    /// The future may be dropped at any point without any loss.
    pub async fn recv(&mut self) -> Result<Event, Closed> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Sets whether messages of the server are read. Default true. While reading is off, sending continues,
    /// and the server has to wait in the end. It should not last long: the server's heartbeat is not read
    /// either, and the session ends without it.
    pub fn set_reading(&mut self, reading: bool) {
        self.reading = reading;
    }

    /// Closes the session: writes all messages sent before, then notifies the server. Messages that arrive
    /// meanwhile are dropped.
    pub async fn close(mut self) -> Closed {
        self.shared.close();
        loop {
            if let Err(closed) = self.recv().await {
                return closed;
            }
        }
    }

    /// [`recv`](Self::recv) as a poll function.
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
            // A close before the outbox was parked has not woken this task.
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

    /// Handles a packet. Messages are returned for the application.
    fn handle(&mut self, packet: Packet) -> Result<Option<Message>, Closed> {
        if self.heartbeat.heard(packet.kind(), Instant::now) {
            self.shared.set_heartbeat(self.heartbeat.deadline());
        }
        match packet {
            Packet::Message(message) => Ok(Some(message)),
            Packet::Ping(data) => {
                // A server that pings again before it has read the pong gets only that pong: pings must not
                // fill the memory.
                if self.shared.outbox.has_written(self.pong) {
                    let pong = Prepared::control(PacketType::Pong, data.as_bytes());
                    self.pong = self.shared.outbox.push_control(pong);
                }
                Ok(None)
            }
            Packet::Close => Err(Closed::TransportClose(None)),
            Packet::Pong(_) => {
                // The next ping may have the earliest deadline.
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

    /// The upgrade failed: the session stays on polling.
    fn stay(&mut self, error: UpgradeError) -> Event {
        self.probe = None;
        if let Some(polling) = self.carrier.polling() {
            polling.resume();
        }
        trace::not_upgraded(&self.sid, &error);
        Event::UpgradeFailed(error)
    }

    /// A session that closes or upgrades always reads, as it could not finish otherwise.
    fn is_reading(&self) -> bool {
        self.reading || !matches!(self.phase, Phase::Open) || self.probe.is_some()
    }

    fn has_unseen_close(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.shared.is_closing()
    }

    fn begin_close(&mut self) {
        self.phase = Phase::Closing(Instant::now() + self.config.close_timeout.min(LONGEST));
        // A close cancels an unanswered probe, as no transport would accept the close packet during the
        // upgrade.
        if self.probe.as_ref().is_some_and(|probe| !probe.is_answered()) {
            self.probe = None;
        }
        self.arm();
    }

    /// `true` requests another turn.
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
            // Writes the answer to the server's close frame, if the socket accepts it at once.
            websocket.poll_flush(None, cx);
        }
        if matches!(closed, Closed::TransportError(_)) {
            self.remembered.store(false, Ordering::Relaxed);
        }
        // Any end of a session that is being closed counts as a close by the application.
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
