//! One namespace: what arrives for it.

use std::sync::Arc;

use socketio_cluster::classic::{
    Action, RequestKind, Response, decode_broadcast_if, decode_request, decode_response,
};
use socketio_cluster::{DecodeError, EMITTER, Message, NodeId, Target};
use socketio_server::cluster::ClusterInbox;

use super::link::ClassicNode;
use crate::driver::TopicKind;
use crate::link::{Receiver, receive};
use crate::medium::mailbox::{Arrival, Mailbox};

/// Handles messages until the mailbox is closed.
pub(super) fn start(node: Arc<ClassicNode>, inbox: ClusterInbox, mailbox: Arc<Mailbox>) {
    let medium = node.medium.clone();
    let namespace = Arc::clone(&node.namespace);
    receive(medium, namespace, mailbox, Arc::new(ClassicReceiver { node, inbox }));
}

struct ClassicReceiver {
    node: Arc<ClassicNode>,
    inbox: ClusterInbox,
}

impl Receiver for ClassicReceiver {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let channel = String::from_utf8_lossy(&arrival.channel);
        if arrival.kind == Some(TopicKind::Pattern) {
            self.broadcast(&channel, arrival.payload).await
        } else if *channel == *self.node.channels.requests() {
            self.request(arrival.payload).await
        } else {
            self.response(arrival.payload).await
        }
    }
}

impl ClassicReceiver {
    async fn broadcast(&self, channel: &str, payload: bytes::Bytes) -> Result<(), DecodeError> {
        let Some(room) = self.node.channels.room_of(channel) else { return Ok(()) };
        if room.is_some_and(|room| !self.inbox.has_room(room)) {
            return Ok(());
        }
        let envelope = decode_broadcast_if(payload, &self.node.limits, |head| {
            head.from != Some(self.node.id.as_str())
                && head.namespace == Some(&*self.node.namespace)
                && head.target.is_none_or(|target| {
                    target.rooms.is_empty() || target.rooms.iter().any(|room| self.inbox.has_room(room))
                })
        })?;
        if let Some(envelope) = envelope {
            self.inbox.receive(sender(envelope.from), envelope.message, None).await;
        }
        Ok(())
    }

    async fn request(&self, payload: bytes::Bytes) -> Result<(), DecodeError> {
        let request = decode_request(payload, &self.node.limits)?;
        if request.from.as_ref() == Some(&self.node.id) {
            return Ok(());
        }
        let from = sender(request.from);
        match request.kind {
            RequestKind::Message(message) => self.inbox.receive(from, message, None).await,
            RequestKind::Sockets { request, rooms } => {
                self.node.ids_only.lock().insert(request.clone());
                let target = Target { rooms, except: Vec::new() };
                let asked = Message::FetchSockets { target, request: request.clone() };
                self.inbox.receive(from, asked, None).await;
                self.node.ids_only.lock().remove(&request);
            }
            RequestKind::Socket { request, socket, action } => {
                if !self.inbox.has_room(&socket) {
                    return Ok(());
                }
                let target = Target { rooms: vec![socket], except: Vec::new() };
                let message = match action {
                    Action::Join(room) => Message::SocketsJoin { target, rooms: vec![room] },
                    Action::Leave(room) => Message::SocketsLeave { target, rooms: vec![room] },
                    Action::Disconnect { close } => Message::DisconnectSockets { target, close },
                };
                self.inbox.receive(from.clone(), message, None).await;
                if let Some(request) = request {
                    // An answer that does not fit is counted; the other node has a timeout.
                    let _ = self.node.respond(&from, &Response::Done { request });
                }
            }
            // A kind that this version does not know.
            _ => {}
        }
        Ok(())
    }

    async fn response(&self, payload: bytes::Bytes) -> Result<(), DecodeError> {
        if let Response::Message(message) = decode_response(payload, &self.node.limits)? {
            // Answers do not say from whom they are, and nodes are only counted.
            self.inbox.receive(NodeId::from(""), message, None).await;
        }
        Ok(())
    }
}

/// Emitters do not always say who they are.
fn sender(from: Option<NodeId>) -> NodeId {
    from.unwrap_or_else(|| NodeId::from(EMITTER))
}
