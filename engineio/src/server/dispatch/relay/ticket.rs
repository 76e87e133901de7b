//! The entries of a request in the tables of the edge, for as long as it lives.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::error::Elapsed;

use super::Elsewhere;
use crate::close_reason::{CloseReason, Fault};
use crate::config::Transport;
use crate::protocol::packet::Packet;
use crate::protocol::sid::Sid;
use crate::server::peers::edge::{Drained, Full, Wait};
use crate::server::peers::packets::has_messages;
use crate::server::peers::{Access, Linked, PeerId, PeerMessage};

/// A request that waits for an answer. Its entry is removed on drop.
pub(super) struct Asked<'s> {
    session: &'s Elsewhere,
    number: u64,
    granted: oneshot::Receiver<PeerId>,
}

impl<'s> Asked<'s> {
    /// Asks for the lock of a POST or a WebSocket.
    pub(super) fn lock(
        session: &'s Elsewhere,
        transport: Transport,
        access: Access,
        packets: Vec<Packet>,
    ) -> Result<Self, Full> {
        let (granted, grant) = oneshot::channel();
        let number = session.ask(transport, access, packets, Wait::Lock(granted))?;
        Ok(Self { session, number, granted: grant })
    }

    /// The owner, if it grants the lock in time.
    pub(super) async fn owner(mut self) -> Option<PeerId> {
        within(self.session.linked.settings.response_timeout, &mut self.granted).await
    }

    /// The owner, if it grants the lock within this time; `None` if it refuses.
    pub(super) async fn answer(mut self, timeout: Duration) -> Result<Option<PeerId>, Elapsed> {
        tokio::time::timeout(timeout, &mut self.granted).await.map(Result::ok)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.session.linked.edge.forget(self.number);
    }
}

/// A relayed connection, counted until it is dropped.
pub(super) struct Relayed(pub(super) Elsewhere);

impl Relayed {
    pub(super) fn enter(session: Elsewhere) -> Result<Self, Full> {
        session.linked.edge.enter()?;
        Ok(Self(session))
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.0.linked.edge.leave();
    }
}

/// A GET that asks for its lock, and then waits for packets. If it is dropped before its client has an
/// answer, the owner learns that the connection is lost.
pub(super) struct Parked {
    session: Relayed,
    number: u64,
    granted: oneshot::Receiver<PeerId>,
    drained: oneshot::Receiver<Drained>,
    owner: Option<PeerId>,
    answered: bool,
}

impl Parked {
    pub(super) fn new(session: Elsewhere) -> Result<Self, Full> {
        let session = Relayed::enter(session)?;
        let ((granted, grant), (drained, drain)) = (oneshot::channel(), oneshot::channel());
        let wait = Wait::Get { granted, drained };
        let number = session.0.ask(Transport::Polling, Access::Read, Vec::new(), wait)?;
        Ok(Self { session, number, granted: grant, drained: drain, owner: None, answered: false })
    }

    /// Whether the owner grants the lock in time.
    pub(super) async fn granted(&mut self) -> bool {
        self.owner = within(self.session.0.linked.settings.response_timeout, &mut self.granted).await;
        self.owner.is_some()
    }

    /// The packets of the owner, and their delivery. `None` if the link to it is lost.
    pub(super) async fn packets(&mut self) -> Option<(Vec<Packet>, Delivery)> {
        let drained = (&mut self.drained).await.ok();
        self.answered = true;
        let Drained { owner, packets } = drained?;
        let Elsewhere { linked, sid, .. } = &self.session.0;
        let is_confirmed = linked.link.has_extensions() && has_messages(&packets);
        let delivery = Delivery {
            linked: Arc::clone(linked),
            sid: sid.clone(),
            owner: is_confirmed.then_some(owner),
            is_sent: false,
        };
        Some((packets, delivery))
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let Elsewhere { linked, sid, .. } = &self.session.0;
        linked.edge.left(self.number);
        let waiting = linked.edge.detach(sid, self.number);
        if self.answered {
            return;
        }
        // The lock and the packets may have come after the last look.
        let late = || self.drained.try_recv().ok().map(|drained| drained.owner);
        if let Some(owner) = self.owner.take().or(waiting).or_else(late) {
            let reason = CloseReason::TransportError(Fault::PollAborted);
            linked.link.send(Some(&owner), PeerMessage::Close { sid: sid.clone(), reason });
        }
    }
}

/// The delivery of messages to the client. The owner learns when they are written, or that the client has left before.
pub(super) struct Delivery {
    linked: Arc<Linked>,
    sid: Sid,
    /// `None` if the owner waits for nothing.
    owner: Option<PeerId>,
    is_sent: bool,
}

impl Delivery {
    /// Ties the delivery to the bytes of the response: it is done when the connection has written them.
    pub(super) fn attach(mut self, body: Bytes) -> Bytes {
        self.is_sent = true;
        if self.owner.is_some() { Bytes::from_owner(Sent { body, _delivery: self }) } else { body }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(owner) = self.owner.take() else { return };
        let sid = self.sid.clone();
        let message = if self.is_sent {
            PeerMessage::Delivered { sid }
        } else {
            PeerMessage::Close { sid, reason: CloseReason::TransportError(Fault::PollAborted) }
        };
        self.linked.link.send(Some(&owner), message);
    }
}

struct Sent {
    body: Bytes,
    _delivery: Delivery,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// The value of a channel, if it comes in time.
pub(super) async fn within<T>(
    timeout: Duration,
    value: impl Future<Output = Result<T, oneshot::error::RecvError>>,
) -> Option<T> {
    tokio::time::timeout(timeout, value).await.ok()?.ok()
}
