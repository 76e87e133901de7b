//! The part of a session that is at other nodes: a waiting GET, a probing WebSocket, or the WebSocket that
//! carries the session. Everything that its client sends there arrives as a command of that node.

mod hold;
mod lock;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use self::hold::Hold;
use super::Driver;
use crate::close_reason::{CloseReason, Fault};
use crate::config::Transport;
use crate::protocol::packet::{Packet, PacketType, Protocol};
use crate::protocol::prepared::Prepared;
use crate::server::peers::packets::{control, has_messages, packets};
use crate::server::peers::{Access, PeerCommand, PeerId, PeerLink, PeerMessage, Reply};
use crate::server::trace;
use crate::session::Input;

/// Nothing, for a session that other nodes have nothing to do with.
pub(super) struct Remote(Option<Box<Parts>>);

struct Parts {
    link: Arc<dyn PeerLink>,
    away: Away,
    hold: Option<Hold>,
    /// The node that has messages for a GET, and has not said that the client has them.
    undelivered: Option<PeerId>,
    /// Packets of other nodes that wait for a busy handler, and their bytes.
    waiting: VecDeque<Packet>,
    waiting_bytes: usize,
}

/// The connections of the client at other nodes.
enum Away {
    /// The session is on polling, or a WebSocket here carries it.
    Polling {
        /// The node with the waiting GET, while the machine has one parked and it is not here.
        get: Option<PeerId>,
        /// The node with the probing WebSocket, while the machine has a probe and it is not here.
        probe: Option<PeerId>,
    },
    /// The node with the WebSocket that carries the session.
    WebSocket(PeerId),
}

impl Parts {
    fn new(link: &Arc<dyn PeerLink>, hold: Option<Hold>) -> Box<Self> {
        let away = Away::Polling { get: None, probe: None };
        let link = Arc::clone(link);
        Box::new(Self { link, away, hold, undelivered: None, waiting: VecDeque::new(), waiting_bytes: 0 })
    }
}

impl Remote {
    pub(super) fn none() -> Self {
        Self(None)
    }

    fn parts(&mut self, link: &Arc<dyn PeerLink>) -> &mut Parts {
        self.0.get_or_insert_with(|| Parts::new(link, None))
    }

    /// Whether packets for the client are taken now.
    pub(super) fn takes_packets(&self) -> bool {
        match self.0.as_deref() {
            Some(Parts { away: Away::Polling { get, .. }, .. }) => get.is_some(),
            Some(Parts { away: Away::WebSocket(_), .. }) => true,
            None => false,
        }
    }

    /// Whether messages are on their way to a GET at another node. Further ones wait until the client has them, since it may
    /// be a proxy that sends the GET again.
    pub(super) fn is_delivering(&self) -> bool {
        self.0.as_ref().is_some_and(|parts| parts.undelivered.is_some())
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.0.as_ref().is_some_and(|parts| !parts.waiting.is_empty())
    }

    fn next_waiting(&mut self) -> Option<Packet> {
        let parts = self.0.as_deref_mut()?;
        let packet = parts.waiting.pop_front()?;
        parts.waiting_bytes -= weight(&packet);
        Some(packet)
    }

    pub(super) fn drop_probe(&mut self) {
        if let Some(Parts { away: Away::Polling { probe, .. }, .. }) = self.0.as_deref_mut() {
            *probe = None;
        }
    }

    /// Frees the memory of a session that other nodes have nothing to do with any more.
    fn tidy(&mut self) {
        let idle = |parts: &Parts| {
            let here = matches!(parts.away, Away::Polling { get: None, probe: None });
            here && parts.hold.is_none() && parts.waiting.is_empty() && parts.undelivered.is_none()
        };
        if self.0.as_deref().is_some_and(idle) {
            self.0 = None;
        }
    }

    /// The node with the waiting GET, which is answered now.
    fn take_get(&mut self) -> Option<(PeerId, &Arc<dyn PeerLink>)> {
        match self.0.as_deref_mut() {
            Some(Parts { away: Away::Polling { get, .. }, link, .. }) => Some((get.take()?, &*link)),
            _ => None,
        }
    }
}

impl Driver {
    /// Executes a command of another node.
    pub(super) fn peer_command(&mut self, command: PeerCommand, now: Instant) {
        match command {
            // Requests of revision 3 are not relayed: a refused answer is made by dropping the reply.
            PeerCommand::Lock { .. } if self.machine.protocol() == Protocol::V3 => {}
            PeerCommand::Lock { reply, transport: Transport::WebSocket, .. } => self.lock_probe(reply, now),
            PeerCommand::Lock { reply, transport: Transport::Polling, access: Access::Read, .. } => {
                self.lock_get(reply, now);
            }
            PeerCommand::Lock { reply, transport: Transport::Polling, access: Access::Write, packets } => {
                self.lock_post(reply, packets, now);
            }
            PeerCommand::Packet(packet) => self.remote_packet(packet, now),
            PeerCommand::Upgrade { reply, success: true } => self.remote_upgrade(reply, now),
            PeerCommand::Upgrade { reply, success: false } => {
                if self.has_probe_at(reply.node()) {
                    self.input(Input::ProbeLost, now);
                }
                reply.forget();
            }
            PeerCommand::Close(peer, reason) => {
                // The official engine announces the session first, so that the application sees its end.
                self.release();
                self.gone(&peer);
                self.input(Input::CarrierLost(reason), now);
            }
            PeerCommand::Delivered(peer) => self.delivered(&peer),
            PeerCommand::Lost(peer) => {
                if self.has_probe_at(&peer) {
                    self.input(Input::ProbeLost, now);
                }
                if self.gone(&peer) {
                    self.input(Input::CarrierLost(CloseReason::TransportError(Fault::Remote)), now);
                }
            }
            PeerCommand::TakenOver(packets) => {
                trace::upgraded(&self.session);
                self.handler.on_upgrade(&self.session, Transport::WebSocket);
                self.observe(|observer, session| observer.on_upgrade(session, Transport::WebSocket));
                for packet in packets {
                    self.remote_packet(packet, now);
                }
            }
        }
    }

    fn has_probe_at(&self, peer: &PeerId) -> bool {
        match self.remote.0.as_deref() {
            Some(Parts { away: Away::Polling { probe, .. }, .. }) => probe.as_ref() == Some(peer),
            _ => false,
        }
    }

    /// The client has sent its upgrade packet at another node.
    fn remote_upgrade(&mut self, reply: Reply, now: Instant) {
        // The probe has timed out here, or another one has begun.
        if !self.has_probe_at(reply.node()) {
            return;
        }
        if self.remote.is_held() && !self.is_closing() {
            return self.hand_over(reply, now);
        }
        reply.upgraded(false, Vec::new());
        self.input(Input::ProbePacket(Packet::Upgrade), now);
    }

    /// The session moves to the node with its WebSocket. For the application it has not existed here.
    fn hand_over(&mut self, reply: Reply, now: Instant) {
        self.answer_poll(&[PacketType::Noop], now);
        self.refuse_post();
        self.leave();
        let kept = self.remote.take_kept();
        reply.upgraded(true, kept.into_iter().map(Packet::Message).collect());
        self.over = true;
        // The machine ends too, so that no deadline is left.
        let _ = self.machine.handle(Input::Abort(CloseReason::TransportClose), now);
        self.session.outbox().clear();
    }

    /// The probing WebSocket becomes the carrier. If it is here, the session is announced before the
    /// application hears of the upgrade, and packets that wait for the handler precede those of the
    /// WebSocket.
    pub(super) fn remote_switch(&mut self, now: Instant) {
        self.release();
        if let Some(parts) = self.remote.0.as_deref_mut() {
            // A client upgrades when its GET is answered.
            parts.undelivered = None;
        }
        if self.carrier.is_some() {
            while let Some(packet) = self.remote.next_waiting() {
                self.packet(packet, now);
            }
        }
        if let Some(Parts { away, .. }) = self.remote.0.as_deref_mut() {
            if let Away::Polling { probe: Some(peer), .. } = away {
                *away = Away::WebSocket(peer.clone());
            }
        }
        self.remote.tidy();
    }

    /// A packet that the client sent to another node.
    fn remote_packet(&mut self, packet: Packet, now: Instant) {
        // A packet that has arrived late does not wait behind the WebSocket that the client has moved to.
        if self.carrier.is_some() || (!self.remote.has_waiting() && self.handler.is_ready()) {
            return self.packet(packet, now);
        }
        let Some(linked) = self.server.peers.get() else { return };
        let parts = self.remote.parts(&linked.link);
        parts.waiting_bytes += weight(&packet);
        parts.waiting.push_back(packet);
        if parts.waiting_bytes > self.server.config.max_payload {
            self.input(Input::CarrierLost(CloseReason::TransportError(Fault::Backlog)), now);
        }
    }

    /// Delivers the packets that wait, while the handler is ready.
    pub(super) fn deliver_waiting(&mut self, now: Instant) {
        while self.handler.is_ready() && !self.over {
            let Some(packet) = self.remote.next_waiting() else { return };
            self.packet(packet, now);
        }
    }

    /// Announces the session if it is time, and delivers packets that wait. Called in each turn of a
    /// session that no WebSocket here carries.
    pub(super) fn remote_turn(&mut self, now: Instant) {
        if self.over {
            return;
        }
        if self.remote.is_due(now, self.server.config.max_payload) {
            self.release();
        }
        if self.remote.has_waiting() {
            self.deliver_waiting(now);
        }
        self.remote.tidy();
    }

    /// Answers the waiting GET with control packets, if it is at another node.
    pub(super) fn answer_remote(&mut self, packets: &[PacketType]) -> bool {
        let sid = self.session.id().clone();
        let Some((peer, link)) = self.remote.take_get() else { return false };
        let packets = packets.iter().map(|kind| control(*kind)).collect();
        link.send(Some(&peer), PeerMessage::Drain { sid, packets });
        true
    }

    /// Sends messages to the node with the waiting GET or the WebSocket.
    pub(super) fn drain_remote(&mut self, messages: &[Prepared]) {
        let sid = self.session.id().clone();
        let Some(parts) = self.remote.0.as_deref_mut() else { return };
        let (peer, is_get) = match &mut parts.away {
            Away::Polling { get, .. } => (get.take(), true),
            Away::WebSocket(peer) => (Some(peer.clone()), false),
        };
        if let Some(peer) = peer {
            let packets = packets(messages);
            if is_get && parts.link.has_extensions() && has_messages(&packets) {
                parts.undelivered = Some(peer.clone());
            }
            parts.link.send(Some(&peer), PeerMessage::Drain { sid, packets });
        }
    }

    /// Ends the connection that carries the session, if it is at another node. As in the official engine a
    /// close packet does it, which that node takes as the end of the WebSocket.
    pub(super) fn close_remote(&mut self) {
        self.answer_remote(&[PacketType::Close]);
        let sid = self.session.id().clone();
        if let Some(Parts { away: Away::WebSocket(peer), link, .. }) = self.remote.0.as_deref() {
            link.send(Some(peer), PeerMessage::Drain { sid, packets: vec![Packet::Close] });
        }
        if let Some(parts) = self.remote.0.as_deref_mut() {
            parts.away = Away::Polling { get: None, probe: None };
        }
    }

    /// The client has the messages that were sent to this node.
    fn delivered(&mut self, peer: &PeerId) {
        let Some(parts) = self.remote.0.as_deref_mut() else { return };
        if parts.undelivered.take_if(|from| from == peer).is_some() {
            self.remote.tidy();
            let is_blocked = !self.can_answer();
            self.session.outbox().set_blocked(is_blocked);
        }
    }

    /// Forgets the connections at a node, which are lost. Returns whether one of them carried the session, or messages of
    /// it.
    fn gone(&mut self, peer: &PeerId) -> bool {
        let Some(parts) = self.remote.0.as_deref_mut() else { return false };
        let has_messages = parts.undelivered.take_if(|from| from == peer).is_some();
        let carries = has_messages
            || match &parts.away {
                Away::Polling { get, .. } => get.as_ref() == Some(peer),
                Away::WebSocket(carrier) => carrier == peer,
            };
        if carries {
            let probe = match &mut parts.away {
                Away::Polling { probe, .. } => probe.take(),
                Away::WebSocket(_) => None,
            };
            parts.away = Away::Polling { get: None, probe };
        }
        carries
    }

    /// Announces the session to the application, if that is still to be done, and passes it the messages so
    /// far.
    fn release(&mut self) {
        if !self.remote.is_held() {
            return;
        }
        let kept = self.remote.take_kept();
        self.handler = self.server.accept(&self.session);
        for message in kept {
            let packet = Packet::Message(message);
            self.handler.on_packet(&self.session, &packet);
            self.observe(|observer, session| observer.on_packet(session, &packet));
            if let Packet::Message(message) = packet {
                self.handler.on_message(&self.session, message);
            }
        }
    }

    /// Announces a session that ends, if it has messages for the application: they must not be lost.
    /// Otherwise the application does not hear of it, as with the official engine.
    pub(super) fn release_kept(&mut self) {
        if self.remote.has_kept() {
            self.release();
        }
    }
}

/// The memory that a packet which waits is counted with.
fn weight(packet: &Packet) -> usize {
    let data = match packet {
        Packet::Message(message) => message.len(),
        _ => 0,
    };
    size_of::<Packet>() + data
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session costs one pointer more, and nothing else as long as other nodes have nothing to do with it.
    #[test]
    fn a_session_here_costs_a_pointer() {
        assert_eq!(size_of::<Remote>(), size_of::<usize>());
    }
}
