//! Requests of other nodes, as the task of a session gets them, and the answers to them.

use std::fmt;
use std::sync::Arc;

use super::{Access, PeerId, PeerLink, PeerMessage};
use crate::close_reason::CloseReason;
use crate::config::Transport;
use crate::protocol::packet::Packet;

/// A command of another node for a session.
#[derive(Debug)]
pub(crate) enum PeerCommand {
    /// A request of the client has arrived there.
    Lock { reply: Reply, transport: Transport, access: Access, packets: Vec<Packet> },
    /// A packet of the client.
    Packet(Packet),
    /// The probe of a WebSocket there was successful, or not.
    Upgrade { reply: Reply, success: bool },
    /// The client's connection there is lost.
    Close(PeerId, CloseReason),
    /// The client has the messages that were sent there for its GET.
    Delivered(PeerId),
    /// The link to a node has ended.
    Lost(PeerId),
    /// The session comes from another node, which received these packets.
    TakenOver(Vec<Packet>),
}

/// The answer to a request of another node. Dropped without an answer, it refuses the request: so a session
/// that ends with requests in its mailbox leaves no node waiting.
pub(crate) struct Reply {
    link: Arc<dyn PeerLink>,
    from: PeerId,
    request: u64,
    open: bool,
}

impl Reply {
    pub(crate) fn new(link: Arc<dyn PeerLink>, from: PeerId, request: u64) -> Self {
        Self { link, from, request, open: true }
    }

    /// The node that asks.
    pub(crate) fn node(&self) -> &PeerId {
        &self.from
    }

    pub(crate) fn link(&self) -> &Arc<dyn PeerLink> {
        &self.link
    }

    /// Grants a lock.
    pub(crate) fn grant(self) {
        let message = PeerMessage::AcquireLockResponse { request: self.request, success: true };
        self.send(message);
    }

    /// Answers the end of a probe.
    pub(crate) fn upgraded(self, take_over: bool, packets: Vec<Packet>) {
        let message = PeerMessage::UpgradeResponse { request: self.request, take_over, packets };
        self.send(message);
    }

    /// Sends no answer.
    pub(crate) fn forget(mut self) {
        self.open = false;
    }

    fn send(mut self, message: PeerMessage) {
        self.open = false;
        self.link.send(Some(&self.from), message);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.open {
            let message = PeerMessage::AcquireLockResponse { request: self.request, success: false };
            self.link.send(Some(&self.from), message);
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("from", &self.from)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
