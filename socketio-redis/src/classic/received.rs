//! One namespace: what arrives for it.

use socketio_cluster::classic::{
    Action, RequestKind, Response, decode_broadcast_if, decode_request, decode_response_if,
};
use socketio_cluster::{DecodeError, EMITTER, Message, NodeId, RequestId, Target};

use super::node::ClassicNode;
use socketio_broker::driver::TopicKind;
use socketio_broker::link::Receiver;
use socketio_broker::medium::Arrival;

impl Receiver for ClassicNode {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let channel = String::from_utf8_lossy(&arrival.channel);
        if arrival.kind == Some(TopicKind::Pattern) {
            self.broadcast(&channel, arrival.payload).await
        } else if *channel == *self.channels.requests() {
            self.request(arrival.payload).await
        } else {
            self.response(arrival.payload).await
        }
    }
}

impl ClassicNode {
    async fn broadcast(&self, channel: &str, payload: bytes::Bytes) -> Result<(), DecodeError> {
        let Some(room) = self.channels.room_of(channel) else { return Ok(()) };
        if room.is_some_and(|room| !self.member.inbox.has_room(room)) {
            return Ok(());
        }
        let envelope = decode_broadcast_if(payload, &self.member.limits, |head| {
            head.from != Some(self.member.id.as_str())
                && head.namespace == Some(&*self.member.namespace)
                && head.target.is_none_or(|target| {
                    target.rooms.is_empty()
                        || target.rooms.iter().any(|room| self.member.inbox.has_room(room))
                })
        })?;
        if let Some(envelope) = envelope {
            self.member.receive(envelope, None).await;
        }
        Ok(())
    }

    async fn request(&self, payload: bytes::Bytes) -> Result<(), DecodeError> {
        let request = decode_request(payload, &self.member.limits)?;
        if request.from.as_ref() == Some(&self.member.id) {
            return Ok(());
        }
        let from = sender(request.from);
        match request.kind {
            RequestKind::Message(message) => self.member.inbox.receive(from, message, None).await,
            RequestKind::Sockets { request, rooms } => {
                self.ids_only.lock().insert(request.clone());
                let target = Target { rooms, except: Vec::new() };
                let asked = Message::FetchSockets { target, request: request.clone() };
                self.member.inbox.receive(from, asked, None).await;
                self.ids_only.lock().remove(&request);
            }
            RequestKind::Socket { request, socket, action } => {
                if !self.member.inbox.has_room(&socket) {
                    return Ok(());
                }
                let target = Target { rooms: vec![socket], except: Vec::new() };
                let message = match action {
                    Action::Join(room) => Message::SocketsJoin { target, rooms: vec![room] },
                    Action::Leave(room) => Message::SocketsLeave { target, rooms: vec![room] },
                    Action::Disconnect { close } => Message::DisconnectSockets { target, close },
                };
                self.member.inbox.receive(from.clone(), message, None).await;
                if let Some(request) = request {
                    // An answer that does not fit is counted; the other node has a timeout.
                    let _ = self.answer(&from, &Response::Done { request });
                }
            }
            // A kind that this version does not know.
            _ => {}
        }
        Ok(())
    }

    async fn response(&self, payload: bytes::Bytes) -> Result<(), DecodeError> {
        let wanted = |request: &RequestId| self.member.inbox.awaits(request);
        let response = decode_response_if(payload, &self.member.limits, wanted)?;
        if let Some(Response::Message(message)) = response {
            // Answers do not say from whom they are, and nodes are only counted.
            self.member.inbox.receive(NodeId::from(""), message, None).await;
        }
        Ok(())
    }
}

/// Emitters do not always say who they are.
fn sender(from: Option<NodeId>) -> NodeId {
    from.unwrap_or_else(|| NodeId::from(EMITTER))
}
