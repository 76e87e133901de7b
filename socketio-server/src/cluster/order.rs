//! Operations on the sockets of all nodes: applied at once and published, or applied when the medium returns them.

use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use socketio_cluster::{AdapterErrorKind, Message, Offset};
use tokio::time::timeout_at;

use super::AdapterError;
use super::echoes::{Applied, Operation};
use super::node::NamespaceNode;
use super::peers::ClusterPeers;
use super::requests::deadline;
use crate::encode::Marks;
use crate::error::EmitError;
use crate::recovery::{DirectQueue, EchoId};
use crate::trace;

impl NamespaceNode {
    /// Applies an operation to the sockets of all nodes. Where the medium orders it, the sockets of this node get it
    /// when the medium returns it, so that all nodes apply it in the same order.
    pub(super) async fn apply_everywhere(
        &self,
        cluster: &ClusterPeers,
        message: Message,
        marks: &Marks,
    ) -> Result<(), EmitError> {
        if !cluster.orders(&message) {
            self.apply(&message, marks, None)?;
            return Ok(cluster.publish(&message).await?);
        }
        let operation = Arc::new(Operation { message, marks: marks.clone() });
        if cluster.echoes(&operation.message) {
            if let Some((id, applied)) = cluster.pending_echoes().expect(&operation, None) {
                return ExpectedEcho { node: self, id, applied }.publish(&operation).await;
            }
        }
        // The operation must not overtake those that wait for their echoes, when too many wait, or when the medium has
        // just become unable to return them.
        self.apply_now(cluster.pending_echoes().all());
        self.apply(&operation.message, marks, None)?;
        Ok(cluster.publish(&operation.message).await?)
    }

    /// The same for an emit to one socket of this node, without waiting. A socket that has left gets the event when it
    /// is recovered.
    pub(crate) fn emit_in_order(
        self: &Arc<Self>,
        message: Message,
        marks: Marks,
        queue: &Arc<DirectQueue>,
        has_left: bool,
    ) -> Result<(), EmitError> {
        let cluster = self.cluster().filter(|cluster| cluster.echoes(&message));
        let operation = Arc::new(Operation { message, marks });
        let expected = cluster.and_then(|cluster| cluster.pending_echoes().expect(&operation, Some(queue)));
        let Some((id, applied)) = expected else {
            if has_left {
                let why = "the event cannot be kept for the recovery of the client";
                return Err(AdapterError::of_kind(AdapterErrorKind::Down, why).into());
            }
            self.apply_now(queue.on_their_way());
            return self.apply(&operation.message, &operation.marks, None);
        };
        let echo = ExpectedEcho { node: Arc::clone(self), id, applied };
        let mut publishing = Box::pin(async move {
            if let Err(error) = echo.publish(&operation).await {
                trace::publish_failed("event", &error);
            }
        });
        // The first poll decides about the order. Without a runtime the event is applied when the future is dropped.
        if publishing.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending {
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(publishing);
            }
        }
        Ok(())
    }

    /// Handles an operation of this node that the medium has returned.
    pub(super) fn echoed(&self, echo: EchoId, offset: &Offset) {
        self.apply_pending(echo, Some(offset));
        self.advance(offset);
    }

    /// Records that all messages of the medium up to this position were handled.
    pub(super) fn advance(&self, offset: &Offset) {
        if self.log().is_none() {
            return;
        }
        if self.ordered_log().is_none() && self.cluster().is_none() {
            let mut early = self.early_position.lock();
            if self.ordered_log().is_none() {
                *early = early.take().max(Some(offset.clone()));
                return;
            }
        }
        if let Some(log) = self.ordered_log() {
            log.advance(offset);
        }
    }

    /// Applies pending operations at once, without their echoes.
    pub(crate) fn apply_now(&self, echoes: impl IntoIterator<Item = EchoId>) {
        for echo in echoes {
            self.apply_pending(echo, None);
        }
    }

    /// Applies a pending operation. `false` if it was applied before.
    fn apply_pending(&self, echo: EchoId, offset: Option<&Offset>) -> bool {
        let taken = self.cluster().and_then(|cluster| cluster.pending_echoes().take(echo));
        let Some(taken) = taken else { return false };
        let result = self.apply(&taken.operation.message, &taken.operation.marks, offset);
        taken.finish(result);
        true
    }

    /// Applies an operation to the sockets of this node.
    pub(super) fn apply(
        &self,
        message: &Message,
        marks: &Marks,
        offset: Option<&Offset>,
    ) -> Result<(), EmitError> {
        match message {
            Message::Broadcast { target, flags, event, request: None } => {
                self.deliver_event(target, *flags, event, marks, offset)?;
            }
            Message::SocketsJoin { target, rooms } => self.rooms.join_all(target, rooms),
            Message::SocketsLeave { target, rooms } => self.rooms.leave_rooms(target, rooms),
            Message::DisconnectSockets { target, close } => self.disconnect_here(target, *close),
            _ => {}
        }
        Ok(())
    }
}

/// An operation whose echo is expected. If this is dropped, also with a cancelled future, the operation is applied
/// without it, and a later echo is skipped.
struct ExpectedEcho<N: Deref<Target = NamespaceNode>> {
    node: N,
    id: EchoId,
    applied: Applied,
}

impl<N: Deref<Target = NamespaceNode>> ExpectedEcho<N> {
    /// Publishes the operation and waits until it is applied: when the medium returns it, or when that fails or takes
    /// too long.
    async fn publish(mut self, operation: &Operation) -> Result<(), EmitError> {
        let Some(cluster) = self.node.cluster() else { return Ok(()) };
        let deadline = deadline(cluster.echo_timeout());
        let publishing = cluster.publish_echoed(&operation.message, self.id);
        // A message whose publication has not settled may be on its way.
        let published = timeout_at(deadline, publishing).await.unwrap_or(Ok(()));
        let in_time = match &published {
            Ok(()) => timeout_at(deadline, &mut self.applied).await.ok(),
            Err(_) => None,
        };
        match (in_time, published) {
            (Some(Ok(result)), _) => result,
            (_, published) => {
                // It must not overtake those before it.
                let pending = cluster.pending_echoes().all().into_iter();
                self.node.apply_now(pending.filter(|echo| echo.number() < self.id.number()));
                if self.node.apply_pending(self.id, None) {
                    cluster.pending_echoes().count_missed();
                    return Ok(published?);
                }
                // The echo came in spite of the error, so the message is in the medium.
                self.applied.try_recv().unwrap_or(Ok(()))
            }
        }
    }
}

impl<N: Deref<Target = NamespaceNode>> Drop for ExpectedEcho<N> {
    fn drop(&mut self) {
        self.node.apply_pending(self.id, None);
    }
}
