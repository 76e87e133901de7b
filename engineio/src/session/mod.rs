//! One session as a state machine: inputs and times in, at most one action out. No I/O, no clock.
//!
//! The caller (the driver, or a test with virtual time) passes every event to [`Machine::handle`] and carries
//! out the returned action. Then it reads [`Machine::poll_timeout`], the time of the next [`Input::Timeout`];
//! if that time has passed, it passes the input at once. The outbox stays with the caller, which may write it
//! whenever [`Machine::writable`] is true.

mod heartbeat;
#[cfg(test)]
mod tests;
mod upgrade;

use std::sync::Arc;
use std::time::Instant;

use self::heartbeat::{Due, GRACE, Heartbeat, LATE};
use self::upgrade::Probe;
use crate::close_reason::{CloseReason, Fault};
use crate::config::{Config, Transport};
use crate::protocol::packet::{Message, Packet, Protocol};
use crate::protocol::text::Text;

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Packets are sent and received over the carrier.
    Open(Carrier),
    /// The application closed the session. Queued messages are still delivered, new ones are refused, and
    /// packets from the peer are ignored.
    Closing {
        /// The carrier of the queued messages.
        carrier: Carrier,
        /// The end of the wait for the peer.
        deadline: Instant,
        /// The deadline was already extended, as it was noticed late.
        graced: bool,
    },
    /// The session has ended. This state is final.
    Closed(CloseReason),
}

/// The transport that carries the packets of a session, with the state of that transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// HTTP long-polling.
    Polling {
        /// A GET waits for an answer.
        parked: bool,
        /// A POST is being read.
        posting: bool,
        /// A WebSocket is probing to take over the session.
        probe: Option<Probe>,
    },
    /// WebSocket, from the start or after an upgrade. It cannot be probed or replaced.
    WebSocket,
}

/// An input of the machine.
#[derive(Debug)]
pub enum Input {
    /// A packet arrived on the carrier.
    Packet(Packet),
    /// Bytes arrived on the carrier that are not a valid packet.
    Undecodable,
    /// A GET requests packets.
    PollOpened,
    /// The waiting GET was answered.
    PollAnswered,
    /// The connection of the waiting GET was lost.
    PollLost,
    /// A POST begins.
    PostOpened,
    /// The POST ended, whatever its response.
    PostEnded,
    /// The connection of the POST was lost.
    PostLost,
    /// A WebSocket with this session's id requests to take over.
    ProbeOpened,
    /// A packet arrived on the probing WebSocket.
    ProbePacket(Packet),
    /// The probing WebSocket disconnected, or sent an invalid packet.
    ProbeLost,
    /// The WebSocket that carries the session disconnected.
    CarrierLost(CloseReason),
    /// The application requested an orderly close.
    Close,
    /// The session has to end at once.
    Abort(CloseReason),
    /// While closing: the outbox is empty and everything was passed to the transport.
    Drained,
    /// The time of `poll_timeout` has come.
    Timeout,
}

/// The action that the caller has to carry out.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Action {
    /// Pass a message to the application.
    Deliver(Message),
    /// Put a ping into the outbox.
    Ping,
    /// Put a pong with this data into the outbox (revision 3: the client pings).
    Pong(Text),
    /// Refuse the request that caused the input; the session is not affected.
    Refuse,
    /// Answer the probe on the probing WebSocket.
    AnswerProbe,
    /// Answer the waiting GET with a noop, so that the client can leave polling.
    ReleasePoll,
    /// Close the probing WebSocket. The session stays on polling.
    DropProbe,
    /// Make the probing WebSocket the carrier; answer a waiting GET with a noop.
    Switch,
    /// Refuse new messages, deliver the queued ones, then report [`Input::Drained`].
    Drain,
    /// The session has ended: notify the peer as the [`FinalPacket`] says, drop both transports, notify the
    /// application.
    Closed(CloseReason, FinalPacket),
}

/// The last packet or frame for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalPacket {
    /// A close packet (polling) or a close frame (WebSocket).
    Close,
    /// A noop for the waiting GET: the peer has closed the session itself.
    Noop,
}

/// The state machine of one session.
#[derive(Debug)]
pub struct Machine {
    config: Arc<Config>,
    protocol: Protocol,
    state: State,
    heartbeat: Heartbeat,
}

impl Machine {
    /// A session that opened over `transport` at `now`.
    pub fn new(config: Arc<Config>, protocol: Protocol, transport: Transport, now: Instant) -> Self {
        let carrier = match transport {
            Transport::Polling => Carrier::Polling { parked: false, posting: false, probe: None },
            Transport::WebSocket => Carrier::WebSocket,
        };
        let heartbeat = Heartbeat::new(protocol, &config, now);
        Self { config, protocol, state: State::Open(carrier), heartbeat }
    }

    /// The state of the session.
    pub fn state(&self) -> State {
        self.state
    }

    /// The protocol revision, fixed at the handshake.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The transport that carries the session; `None` once it is closed.
    pub fn transport(&self) -> Option<Transport> {
        match self.carrier()? {
            Carrier::Polling { .. } => Some(Transport::Polling),
            Carrier::WebSocket => Some(Transport::WebSocket),
        }
    }

    /// Whether queued messages can be passed to the carrier now.
    pub fn writable(&self) -> bool {
        match self.carrier() {
            Some(Carrier::Polling { parked, .. }) => parked,
            Some(Carrier::WebSocket) => true,
            None => false,
        }
    }

    /// The time of the next [`Input::Timeout`], unless another input comes before. Every state but the last
    /// one has such a time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let carrier = self.carrier()?;
        let mut next = self.heartbeat.deadline();
        if let State::Closing { deadline, .. } = self.state {
            next = next.min(deadline);
        }
        if let Carrier::Polling { parked, probe: Some(probe), .. } = carrier {
            next = next.min(probe.deadline(parked));
        }
        Some(next)
    }

    /// Handles one input and returns the action for it.
    pub fn handle(&mut self, input: Input, now: Instant) -> Option<Action> {
        let open = match self.state {
            State::Open(_) => true,
            State::Closing { .. } => false,
            State::Closed(_) => {
                return matches!(input, Input::PollOpened | Input::PostOpened | Input::ProbeOpened)
                    .then_some(Action::Refuse);
            }
        };
        match input {
            Input::Packet(packet) if open => self.on_packet(packet, now),
            // "packet received with closed socket": a closing session ignores all packets except a close.
            Input::Packet(Packet::Close) => self.close(CloseReason::TransportClose, FinalPacket::Noop),
            Input::Packet(_) => None,
            Input::Undecodable => self.close(CloseReason::ParseError, FinalPacket::Close),

            Input::PollOpened => self.on_poll_opened(),
            Input::PollAnswered => {
                if let Some(Carrier::Polling { parked, .. }) = self.carrier_mut() {
                    *parked = false;
                }
                None
            }
            Input::PollLost => self.fail(Fault::PollAborted),
            Input::PostOpened => self.on_post_opened(),
            Input::PostEnded => {
                if let Some(Carrier::Polling { posting, .. }) = self.carrier_mut() {
                    *posting = false;
                }
                None
            }
            Input::PostLost => self.fail(Fault::PostAborted),

            Input::ProbeOpened => self.on_probe_opened(now),
            Input::ProbePacket(packet) => self.on_probe_packet(&packet, now),
            Input::ProbeLost => self.drop_probe(),

            Input::CarrierLost(reason) => self.close(reason, FinalPacket::Close),
            Input::Close => self.on_close(now),
            Input::Abort(reason) => self.close(reason, FinalPacket::Close),
            Input::Drained if open => None,
            Input::Drained => self.close(CloseReason::ForcedClose, FinalPacket::Close),
            Input::Timeout => self.on_timeout(now),
        }
    }

    fn on_packet(&mut self, packet: Packet, now: Instant) -> Option<Action> {
        if !matches!(packet, Packet::Pong(_)) {
            self.heartbeat.packet_received(now);
        }
        match packet {
            Packet::Message(message) => Some(Action::Deliver(message)),
            Packet::Close => self.close(CloseReason::TransportClose, FinalPacket::Noop),
            // The side that may only answer must not ping: it is a client of the other revision, or a faulty
            // one.
            Packet::Ping(data) => match self.heartbeat.ping_received(now) {
                Ok(()) => Some(Action::Pong(data)),
                Err(fault) => self.fail(fault),
            },
            Packet::Pong(_) => match self.heartbeat.pong_received(now) {
                Ok(()) => None,
                Err(fault) => self.fail(fault),
            },
            // These packets have no meaning on a carrier; the official server ignores them too.
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => None,
        }
    }

    fn on_poll_opened(&mut self) -> Option<Action> {
        match self.carrier_mut() {
            Some(Carrier::Polling { parked: true, .. }) => self.fail(Fault::PollOverlap),
            Some(Carrier::Polling { parked, .. }) => {
                *parked = true;
                None
            }
            _ => Some(Action::Refuse),
        }
    }

    fn on_post_opened(&mut self) -> Option<Action> {
        match self.carrier_mut() {
            Some(Carrier::Polling { posting: true, .. }) => self.fail(Fault::PostOverlap),
            Some(Carrier::Polling { posting, .. }) => {
                *posting = true;
                None
            }
            _ => Some(Action::Refuse),
        }
    }

    fn on_probe_opened(&mut self, now: Instant) -> Option<Action> {
        let allowed = self.config.allow_upgrades && self.config.allows(Transport::WebSocket);
        let deadline = now + self.config.upgrade_timeout;
        match self.carrier_mut() {
            Some(Carrier::Polling { probe: probe @ None, .. }) if allowed => {
                *probe = Some(Probe::new(deadline));
                None
            }
            _ => Some(Action::Refuse),
        }
    }

    fn on_probe_packet(&mut self, packet: &Packet, now: Instant) -> Option<Action> {
        let Some(Carrier::Polling { probe: Some(probe), .. }) = self.carrier_mut() else {
            return None;
        };
        match packet {
            Packet::Ping(data) if data.as_bytes() == b"probe" => {
                probe.answered(now);
                Some(Action::AnswerProbe)
            }
            Packet::Upgrade => {
                self.set_carrier(Carrier::WebSocket);
                self.heartbeat.transport_changed(now);
                Some(Action::Switch)
            }
            _ => self.drop_probe(),
        }
    }

    fn on_close(&mut self, now: Instant) -> Option<Action> {
        let State::Open(carrier) = self.state else {
            return None;
        };
        self.state = State::Closing { carrier, deadline: now + self.config.close_timeout, graced: false };
        Some(Action::Drain)
    }

    fn on_timeout(&mut self, now: Instant) -> Option<Action> {
        match self.heartbeat.due(now) {
            Some(Due::Dead) => return self.close(CloseReason::PingTimeout, FinalPacket::Close),
            // A closing session sends no ping, but the peer still has to prove that it is alive.
            Some(Due::Ping) if matches!(self.state, State::Open(_)) => return Some(Action::Ping),
            Some(Due::Ping) | None => {}
        }
        match &mut self.state {
            // The process was suspended meanwhile: a peer that requests the rest of the messages is served
            // first.
            State::Closing { deadline, graced, .. }
                if !*graced && now.saturating_duration_since(*deadline) > LATE =>
            {
                *graced = true;
                *deadline = now + GRACE;
            }
            State::Closing { deadline, .. } if *deadline <= now => {
                return self.close(CloseReason::ForcedClose, FinalPacket::Close);
            }
            // A probe needs no grace period: its socket is read before the clock.
            _ => {}
        }
        if let Some(Carrier::Polling { parked, probe: Some(probe), .. }) = self.carrier_mut() {
            if probe.expired(now) {
                return self.drop_probe();
            }
            if *parked && probe.releases_poll(now) {
                return Some(Action::ReleasePoll);
            }
        }
        None
    }

    fn drop_probe(&mut self) -> Option<Action> {
        match self.carrier_mut() {
            Some(Carrier::Polling { probe, .. }) => probe.take().map(|_| Action::DropProbe),
            _ => None,
        }
    }

    fn fail(&mut self, fault: Fault) -> Option<Action> {
        self.close(CloseReason::TransportError(fault), FinalPacket::Close)
    }

    fn close(&mut self, reason: CloseReason, final_packet: FinalPacket) -> Option<Action> {
        self.state = State::Closed(reason);
        Some(Action::Closed(reason, final_packet))
    }

    fn carrier(&self) -> Option<Carrier> {
        match self.state {
            State::Open(carrier) | State::Closing { carrier, .. } => Some(carrier),
            State::Closed(_) => None,
        }
    }

    fn carrier_mut(&mut self) -> Option<&mut Carrier> {
        match &mut self.state {
            State::Open(carrier) | State::Closing { carrier, .. } => Some(carrier),
            State::Closed(_) => None,
        }
    }

    fn set_carrier(&mut self, new: Carrier) {
        if let Some(carrier) = self.carrier_mut() {
            *carrier = new;
        }
    }
}
