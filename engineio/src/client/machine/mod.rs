//! The client's session as a state machine: inputs and times in, at most one action out. No I/O, no clock.
//!
//! The caller (the session's driver, or a test with virtual time) passes every event to [`Machine::handle`]
//! and carries out the returned action. Then it reads [`Machine::poll_timeout`], the time of the next
//! [`Input::Timeout`]; if that time has passed, it passes the input at once. The outbox and the connections
//! stay with the caller.
//!
//! The upgrade to WebSocket has four steps. The caller opens a WebSocket while the session polls
//! ([`Machine::is_upgrading`]); the probe ping is sent on it; the server's pong pauses polling; the WebSocket
//! becomes the carrier once no polling request is in progress. Up to the last step a failure leaves the
//! session on polling.

pub(crate) mod heartbeat;
#[cfg(test)]
mod tests;
pub(crate) mod upgrade;

use std::time::{Duration, Instant};

use self::heartbeat::{Due, Heartbeat};
use self::upgrade::Upgrade;
use crate::client::error::{Closed, TransportError, UpgradeError};
use crate::config::Transport;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Message, Packet, Protocol};
use crate::protocol::text::Text;

/// The time that a server may take to answer the close packet, or the close frame of a WebSocket.
const CLOSE_ANSWER: Duration = Duration::from_secs(2);

/// The values of a session that its settings and the open packet determine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) protocol: Protocol,
    /// The transport of the open packet.
    pub(crate) transport: Transport,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    /// The time that an upgrade may take; `None` if the session does not upgrade.
    pub(crate) upgrade_timeout: Option<Duration>,
    /// The time that the messages sent before a close may take.
    pub(crate) close_timeout: Duration,
}

/// The state of a session.
#[derive(Clone, Debug)]
enum State {
    /// Packets are sent and received over the carrier.
    Open(Carrier),
    /// The application closed the session. The messages sent before are written until the deadline.
    Closing(Carrier, Instant),
    /// The close packet or close frame is on its way. The server may answer it until the deadline.
    CloseSent(Carrier, Instant),
    /// The session has ended. This state is final.
    Closed(Closed),
}

/// The transport that carries the packets of a session, with the state of that transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Carrier {
    /// HTTP long-polling.
    Polling {
        /// A GET waits for its response, or packets of the response are not handled yet.
        get: bool,
        /// A POST waits for its response.
        post: bool,
        /// The rest of a message belongs into the next POST.
        split: bool,
        /// A WebSocket is about to take over the session.
        upgrade: Option<Upgrade>,
    },
    /// WebSocket, from the start or after an upgrade.
    WebSocket,
}

/// An input of the machine.
#[derive(Debug)]
pub(crate) enum Input {
    /// The caller can handle packets.
    Read,
    /// The caller can write. `waiting`: messages are queued that the carrier has not accepted.
    Write { waiting: bool },
    /// A packet arrived on the carrier.
    Packet(Packet),
    /// The GET was answered, and all packets of the response are handled.
    PollEnded,
    /// The POST was answered. `split`: its last message is not complete.
    PostEnded { split: bool },
    /// The carrier failed, or the server violated the protocol.
    Failed(TransportError),
    /// The server closed the WebSocket that carries the session.
    CarrierClosed(Option<CloseCode>),
    /// The WebSocket of the upgrade is open.
    ProbeOpened,
    /// A packet arrived on the WebSocket of the upgrade.
    ProbePacket(Packet),
    /// The WebSocket of the upgrade failed or was closed.
    ProbeFailed(UpgradeError),
    /// The last pong was written.
    PongWritten,
    /// The application closes the session.
    Close,
    /// The time of `poll_timeout` has come.
    Timeout,
}

/// The action that the caller has to carry out.
#[derive(Debug)]
#[must_use]
pub(crate) enum Action {
    /// Return a message to the application.
    Deliver(Message),
    /// Put a ping into the outbox (revision 3: the client pings).
    Ping,
    /// Put a pong with this data into the outbox, and report [`Input::PongWritten`] once it is written.
    Pong(Text),
    /// Start a GET.
    Poll,
    /// Start a POST with queued messages, the rest of an incomplete one first.
    Post,
    /// Send the probe ping on the WebSocket of the upgrade.
    Probe,
    /// Make the WebSocket of the upgrade the carrier. Its first packet is the upgrade packet.
    Switch,
    /// Drop the WebSocket of the upgrade and report the failure. The session stays on polling.
    FailUpgrade(UpgradeError),
    /// Drop the WebSocket of the upgrade without a report, because the session is being closed.
    CancelUpgrade,
    /// Send the close packet in a POST of its own, or the close frame.
    SendClose,
    /// The session has ended: drop both transports and the outbox, report the reason.
    Closed(Closed),
}

/// The state machine of one session.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    state: State,
    heartbeat: Heartbeat,
    close_timeout: Duration,
    /// A pong is in the outbox. Further pings get no pong of their own until it is written, so that a server
    /// that pings without reading does not fill the memory.
    pong_queued: bool,
}

impl Machine {
    /// A session whose open packet arrived at `now`. On polling, further packets of that response may follow:
    /// its end is the first [`Input::PollEnded`].
    pub(crate) fn new(settings: &Settings, now: Instant) -> Self {
        let carrier = match settings.transport {
            Transport::Polling => Carrier::Polling {
                get: true,
                post: false,
                split: false,
                upgrade: settings.upgrade_timeout.map(|timeout| Upgrade::new(now + timeout)),
            },
            Transport::WebSocket => Carrier::WebSocket,
        };
        let (interval, timeout) = (settings.ping_interval, settings.ping_timeout);
        Self {
            state: State::Open(carrier),
            heartbeat: Heartbeat::new(settings.protocol, interval, timeout, now),
            close_timeout: settings.close_timeout,
            pong_queued: false,
        }
    }

    /// The reason for the end; `None` before the end.
    pub(crate) fn closed(&self) -> Option<&Closed> {
        match &self.state {
            State::Closed(closed) => Some(closed),
            State::Open(_) | State::Closing(..) | State::CloseSent(..) => None,
        }
    }

    /// Whether the application has not closed the session and it has not ended.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether an upgrade is in progress.
    pub(crate) fn is_upgrading(&self) -> bool {
        matches!(self.carrier(), Some(Carrier::Polling { upgrade: Some(_), .. }))
    }

    /// Whether the server has answered the probe, so that polling is paused.
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self.carrier(), Some(Carrier::Polling { upgrade: Some(upgrade), .. }) if upgrade.is_answered())
    }

    /// Whether the carrier accepts queued messages now.
    pub(crate) fn writable(&self) -> bool {
        match self.carrier() {
            Some(Carrier::Polling { post, .. }) => !post && !self.is_paused(),
            Some(Carrier::WebSocket) => true,
            None => false,
        }
    }

    /// Whether packets have to be read although the application does not want messages now: an upgrade or a
    /// close could not finish otherwise.
    pub(crate) fn must_read(&self) -> bool {
        self.closed().is_none() && (!self.is_open() || self.is_upgrading())
    }

    /// The end of the session, unless the server's heartbeat arrives before.
    pub(crate) fn heartbeat_deadline(&self) -> Instant {
        self.heartbeat.deadline()
    }

    /// The time of the next [`Input::Timeout`], unless another input comes before. Every state but the last
    /// one has such a time.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let mut next = self.heartbeat.next();
        if let Carrier::Polling { upgrade: Some(upgrade), .. } = self.carrier()? {
            next = next.min(upgrade.deadline());
        }
        if let State::Closing(_, deadline) | State::CloseSent(_, deadline) = self.state {
            next = next.min(deadline);
        }
        Some(next)
    }

    /// Handles one input and returns the action for it. After the end there are no actions.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) -> Option<Action> {
        if self.closed().is_some() {
            return None;
        }
        match input {
            Input::Read => self.on_read(),
            Input::Write { waiting } => self.on_write(waiting, now),
            Input::Packet(packet) => self.on_packet(packet, now),
            Input::PollEnded => {
                if let Some(Carrier::Polling { get, .. }) = self.carrier_mut() {
                    *get = false;
                }
                self.switch()
            }
            Input::PostEnded { split: rest } => {
                // The close packet is the last POST.
                if matches!(self.state, State::CloseSent(..)) {
                    return self.close(Closed::Forced);
                }
                if let Some(Carrier::Polling { post, split, .. }) = self.carrier_mut() {
                    (*post, *split) = (false, rest);
                }
                self.switch()
            }
            Input::Failed(error) => self.close(Closed::TransportError(error)),
            Input::CarrierClosed(code) => self.close(Closed::TransportClose(code)),
            Input::ProbeOpened => self.upgrade_mut()?.opened().then_some(Action::Probe),
            Input::ProbePacket(packet) => self.on_probe_packet(&packet),
            Input::ProbeFailed(error) => self.fail_upgrade(error),
            Input::PongWritten => {
                self.pong_queued = false;
                None
            }
            Input::Close => self.on_close(now),
            Input::Timeout => self.on_timeout(now),
        }
    }

    fn on_read(&mut self) -> Option<Action> {
        // The close packet is the last packet of the session, so no further GET follows it.
        if self.is_paused() || matches!(self.state, State::CloseSent(..)) {
            return None;
        }
        match self.carrier_mut() {
            Some(Carrier::Polling { get: get @ false, .. }) => {
                *get = true;
                Some(Action::Poll)
            }
            _ => None,
        }
    }

    fn on_write(&mut self, waiting: bool, now: Instant) -> Option<Action> {
        if matches!(self.state, State::CloseSent(..)) {
            return None;
        }
        let is_paused = self.is_paused();
        match self.carrier_mut() {
            Some(Carrier::Polling { post: true, .. }) => return None,
            // A message that is partly sent is finished on polling, also while polling is paused.
            Some(Carrier::Polling { post, split, .. }) if *split || (waiting && !is_paused) => {
                (*post, *split) = (true, false);
                return Some(Action::Post);
            }
            _ => {}
        }
        let State::Closing(mut carrier, _) = self.state else { return None };
        // No transport accepts the close packet during an upgrade.
        if waiting || self.is_upgrading() {
            return None;
        }
        if let Carrier::Polling { post, .. } = &mut carrier {
            *post = true;
        }
        self.state = State::CloseSent(carrier, now + CLOSE_ANSWER);
        Some(Action::SendClose)
    }

    fn on_packet(&mut self, packet: Packet, now: Instant) -> Option<Action> {
        self.heartbeat.heard(packet.kind(), now);
        match packet {
            Packet::Message(message) => Some(Action::Deliver(message)),
            Packet::Ping(data) if self.is_open() && !self.pong_queued => {
                self.pong_queued = true;
                Some(Action::Pong(data))
            }
            Packet::Close => self.close(Closed::TransportClose(None)),
            // These packets have no meaning on a carrier; the official client ignores them too.
            Packet::Ping(_) | Packet::Pong(_) | Packet::Open(_) | Packet::Upgrade | Packet::Noop => None,
        }
    }

    fn on_probe_packet(&mut self, packet: &Packet) -> Option<Action> {
        let upgrade = self.upgrade_mut()?;
        match packet {
            Packet::Pong(data) if data.as_bytes() == b"probe" && upgrade.answered() => self.switch(),
            _ => self.fail_upgrade(UpgradeError::Answer),
        }
    }

    fn on_close(&mut self, now: Instant) -> Option<Action> {
        let State::Open(carrier) = self.state else { return None };
        self.state = State::Closing(carrier, now + self.close_timeout);
        // No transport accepts the close packet during an upgrade. An upgrade that the server has answered
        // finishes first; an earlier one is cancelled.
        if self.is_upgrading() && !self.is_paused() { self.end_upgrade(Action::CancelUpgrade) } else { None }
    }

    fn on_timeout(&mut self, now: Instant) -> Option<Action> {
        match self.heartbeat.due(now) {
            Some(Due::Dead) => return self.close(Closed::PingTimeout),
            // A session that is being closed sends no ping, but the server still has to answer in time.
            Some(Due::Ping) if self.is_open() => return Some(Action::Ping),
            Some(Due::Ping) | None => {}
        }
        match self.state {
            State::Closing(_, deadline) | State::CloseSent(_, deadline) if deadline <= now => {
                return self.close(Closed::Forced);
            }
            _ => {}
        }
        let late = self.upgrade_mut().is_some_and(|upgrade| upgrade.deadline() <= now);
        if late { self.fail_upgrade(UpgradeError::Timeout) } else { None }
    }

    /// Moves the session to the WebSocket, if the server has answered the probe and polling has come to rest.
    fn switch(&mut self) -> Option<Action> {
        let is_paused = self.is_paused();
        match self.carrier_mut() {
            Some(carrier @ Carrier::Polling { get: false, post: false, split: false, .. }) if is_paused => {
                *carrier = Carrier::WebSocket;
                Some(Action::Switch)
            }
            _ => None,
        }
    }

    fn fail_upgrade(&mut self, error: UpgradeError) -> Option<Action> {
        self.end_upgrade(Action::FailUpgrade(error))
    }

    fn end_upgrade(&mut self, action: Action) -> Option<Action> {
        match self.carrier_mut() {
            Some(Carrier::Polling { upgrade, .. }) => upgrade.take().map(|_| action),
            _ => None,
        }
    }

    /// Ends the session. Any end of a session that is being closed counts as a close by the application.
    fn close(&mut self, reason: Closed) -> Option<Action> {
        let closed = if self.is_open() { reason } else { Closed::Forced };
        self.state = State::Closed(closed.clone());
        Some(Action::Closed(closed))
    }

    fn carrier(&self) -> Option<Carrier> {
        match self.state {
            State::Open(carrier) | State::Closing(carrier, _) | State::CloseSent(carrier, _) => Some(carrier),
            State::Closed(_) => None,
        }
    }

    fn carrier_mut(&mut self) -> Option<&mut Carrier> {
        match &mut self.state {
            State::Open(carrier) | State::Closing(carrier, _) | State::CloseSent(carrier, _) => Some(carrier),
            State::Closed(_) => None,
        }
    }

    fn upgrade_mut(&mut self) -> Option<&mut Upgrade> {
        match self.carrier_mut() {
            Some(Carrier::Polling { upgrade, .. }) => upgrade.as_mut(),
            _ => None,
        }
    }
}
