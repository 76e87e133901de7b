//! Requests of the client at other nodes: whether the session accepts them now.

use std::time::Instant;

use super::{Away, Driver};
use crate::config::Transport;
use crate::polling::Packets;
use crate::protocol::packet::Packet;
use crate::protocol::text::Text;
use crate::server::driver::polling::PostReply;
use crate::server::peers::Reply;
use crate::session::Input;

impl Driver {
    /// A GET at another node waits for packets. The answer is sent before the packets. Unlike a second GET
    /// here, one that overlaps is only refused, as by the official engine.
    pub(super) fn lock_get(&mut self, reply: Reply, now: Instant) {
        if self.machine.transport() != Some(Transport::Polling) || self.machine.writable() {
            return;
        }
        match self.machine.handle(Input::PollOpened, now) {
            None => {
                let parts = self.remote.parts(reply.link());
                if let Away::Polling { get, .. } = &mut parts.away {
                    *get = Some(reply.node().clone());
                }
                reply.grant();
                self.poll_opened(now);
            }
            Some(action) => self.act(action, now),
        }
    }

    /// A POST at another node. Without packets, they follow one by one.
    pub(super) fn lock_post(&mut self, reply: Reply, packets: Vec<Packet>, now: Instant) {
        if packets.is_empty() {
            if self.machine.transport() == Some(Transport::Polling) {
                reply.grant();
            }
            return;
        }
        match self.machine.handle(Input::PostOpened, now) {
            None => {
                let packets: Packets = Box::new(packets.into_iter().map(Ok));
                self.take_post(packets, PostReply::Peer(Box::new(reply)), now);
            }
            Some(action) => self.act(action, now),
        }
    }

    /// A WebSocket at another node wants to take the session over. That node answers the probe by itself,
    /// so for the machine the probe has arrived: a waiting GET is released at once.
    pub(super) fn lock_probe(&mut self, reply: Reply, now: Instant) {
        if let Some(action) = self.machine.handle(Input::ProbeOpened, now) {
            return self.act(action, now);
        }
        let parts = self.remote.parts(reply.link());
        if let Away::Polling { probe, .. } = &mut parts.away {
            *probe = Some(reply.node().clone());
        }
        reply.grant();
        self.input(Input::ProbePacket(Packet::Ping(Text::from_static("probe"))), now);
    }
}
