//! The messages of other nodes, for a session here or for a request that is relayed.

use std::sync::Arc;
use std::time::Duration;

use crate::close_reason::{CloseReason, Fault};
use crate::protocol::packet::Packet;
use crate::protocol::sid::Sid;
use crate::server::peers::edge::Upgraded;
use crate::server::peers::{Linked, PeerCommand, PeerId, PeerMessage, PeerSettings, Receive, Reply};
use crate::server::session::command::Command;
use crate::server::shared::Shared;

impl Receive for Shared {
    fn receive(&self, from: PeerId, message: PeerMessage, to_all: bool) {
        let Some(linked) = self.peers.get() else { return };
        let edge = &linked.edge;
        match message {
            PeerMessage::AcquireLock { request, sid, transport, access, packets } => {
                let reply = reply(linked, from, request);
                let command = |reply| PeerCommand::Lock { reply, transport, access, packets };
                self.answer(&sid, reply, to_all, command);
            }
            PeerMessage::Upgrade { request, sid, success } => {
                let reply = reply(linked, from, request);
                self.answer(&sid, reply, to_all || !success, |reply| PeerCommand::Upgrade { reply, success });
            }
            PeerMessage::Packet { sid, packet } => self.pass(&sid, PeerCommand::Packet(packet)),
            PeerMessage::Close { sid, reason } => self.pass(&sid, PeerCommand::Close(from, reason)),
            PeerMessage::Delivered { sid } => self.pass(&sid, PeerCommand::Delivered(from)),

            PeerMessage::AcquireLockResponse { request, success: true } => {
                if let Some(sid) = edge.granted(from.clone(), request) {
                    let reason = CloseReason::TransportError(Fault::PollAborted);
                    linked.link.send(Some(&from), PeerMessage::Close { sid, reason });
                }
            }
            PeerMessage::AcquireLockResponse { request, success: false } => edge.refused(&from, request),
            PeerMessage::UpgradeResponse { request, take_over, packets } => {
                edge.upgraded(&from, request, Upgraded { take_over, packets });
            }
            PeerMessage::Drain { sid, packets } => {
                let is_last = packets.contains(&Packet::Close);
                // The owner believes that the client has the packets. It has not, so the session has to
                // end, unless it has done so already.
                if !edge.drain(&from, &sid, packets) && !is_last {
                    let reason = CloseReason::TransportError(Fault::Remote);
                    linked.link.send(Some(&from), PeerMessage::Close { sid, reason });
                }
            }
        }
    }

    fn lost(&self, peer: &PeerId) {
        let Some(linked) = self.peers.get() else { return };
        linked.edge.lost(peer);
        for session in self.registry.all() {
            session.command(Command::Peer(Box::new(PeerCommand::Lost(peer.clone()))));
        }
    }
}

impl Shared {
    /// Passes a request to the session, which answers it. A request for a session that is not here is
    /// refused, or not answered if all nodes were asked.
    fn answer(&self, sid: &Sid, reply: Reply, silent: bool, command: impl FnOnce(Reply) -> PeerCommand) {
        match self.registry.find(sid.as_str()) {
            Some(session) => session.command(Command::Peer(Box::new(command(reply)))),
            None if silent => reply.forget(),
            None => drop(reply),
        }
    }

    fn pass(&self, sid: &Sid, command: PeerCommand) {
        if let Some(session) = self.registry.find(sid.as_str()) {
            session.command(Command::Peer(Box::new(command)));
        }
    }

    /// The longest time without a packet of the owner. Its heartbeat sends one in each interval, and with
    /// the same settings as here the session ends in this time if the client is silent. So an owner that is
    /// gone, on a medium that does not notice, does not keep connections for ever.
    pub(super) fn silence(&self, settings: &PeerSettings) -> Duration {
        self.config.ping_interval + self.config.ping_timeout + settings.response_timeout
    }
}

fn reply(linked: &Linked, from: PeerId, request: u64) -> Reply {
    Reply::new(Arc::clone(&linked.link), from, request)
}
