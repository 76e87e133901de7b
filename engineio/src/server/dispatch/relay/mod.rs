//! Requests for a session that another node has.

mod carry;
mod get;
mod post;
mod receive;
#[cfg(test)]
mod tests;
mod ticket;
mod websocket;

use std::sync::Arc;

use http::{Method, Response, StatusCode};

use super::{Checked, unknown};
use crate::config::Transport;
use crate::protocol::packet::{Packet, Protocol};
use crate::protocol::sid::Sid;
use crate::server::peers::edge::{Full, Wait};
use crate::server::peers::{Access, Linked, Owner, PeerId, PeerMessage};
use crate::server::request::request_error::{BadRequest, RequestError};
use crate::server::response::body::Body;
use crate::server::response::{status, unavailable};
use crate::server::shared::Shared;

/// Maximum number of reads from a WebSocket in a turn, as in the driver of a session.
const READS_PER_TURN: usize = 8;

/// The session of a request, at another node.
pub(super) struct Elsewhere {
    pub(super) linked: Arc<Linked>,
    pub(super) sid: Sid,
    /// The node to ask; `None` asks all.
    pub(super) to: Option<PeerId>,
}

impl Shared {
    /// Answers a request for a session that this server does not have.
    pub(super) async fn relay<B: http_body::Body>(
        self: &Arc<Self>,
        request: Checked<'_>,
        body: B,
        linked: Arc<Linked>,
        sid: Sid,
    ) -> Result<Response<Body>, RequestError> {
        let to = match linked.link.owner_of(sid.as_str()) {
            Owner::Node(peer) => Some(peer),
            Owner::Unknown => None,
            Owner::Nobody => return Err(unknown(sid.as_str())),
        };
        // The packets between the nodes have the form of revision 4.
        if request.handshake.protocol != Protocol::V4 {
            return Err(unknown(sid.as_str()));
        }
        if self.is_closed() {
            return Ok(unavailable());
        }
        let session = Elsewhere { linked, sid, to };
        match (request.transport, request.upgrading.is_some()) {
            (Transport::WebSocket, true) => self.relay_websocket(request, session).await,
            (Transport::WebSocket, false) | (Transport::Polling, true) => {
                Err(BadRequest::TransportHandshake.into())
            }
            (Transport::Polling, false) => match request.parts.method {
                Method::GET => self.relay_get(&request, session).await,
                Method::POST => self.relay_post(&request, body, session).await,
                _ => Ok(status(StatusCode::INTERNAL_SERVER_ERROR)),
            },
        }
    }
}

impl Elsewhere {
    /// Makes the entry of a request for a lock, and sends it.
    fn ask(
        &self,
        transport: Transport,
        access: Access,
        packets: Vec<Packet>,
        wait: Wait,
    ) -> Result<u64, Full> {
        let request = self.linked.edge.ask(self.to.clone(), self.sid.clone(), wait)?;
        let sid = self.sid.clone();
        self.send(PeerMessage::AcquireLock { request, sid, transport, access, packets });
        Ok(request)
    }

    /// Sends a message to the owner, or to all nodes if it is unknown.
    fn send(&self, message: PeerMessage) {
        self.linked.link.send(self.to.as_ref(), message);
    }
}
