//! One namespace: what is published for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use socketio_cluster::classic::{
    Channels, Response, encode_answer_in, encode_broadcast_in, encode_request_in, encode_response_in,
};
use socketio_cluster::{Message, NodeId, RequestId, Sender};
use socketio_server::cluster::ClusterInbox;

use super::Options;
use socketio_broker::PublishError;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::link::{Format, Link, Member};
use socketio_broker::medium::Medium;

/// State of the node in one namespace.
pub(super) struct ClassicNode {
    pub(super) member: Member,
    options: Arc<Options>,
    pub(super) channels: Channels,
    /// Requests of old nodes, which expect ids of sockets instead of details.
    pub(super) ids_only: Mutex<HashSet<RequestId>>,
}

impl ClassicNode {
    /// Opens the link of a namespace.
    pub(super) fn open(medium: &Medium, options: &Arc<Options>, inbox: ClusterInbox) -> Link<Self> {
        let channels = Channels::new(&options.key, inbox.namespace());
        let requests = Topic::new(TopicKind::Channel, channels.requests());
        let topics = [
            Topic::new(TopicKind::Pattern, &channels.pattern()),
            requests.clone(),
            Topic::new(TopicKind::Channel, channels.responses()),
            Topic::new(TopicKind::Channel, &channels.responses_of(inbox.node())),
        ];
        let member = Member::new(medium, inbox, requests);
        let node = Self { member, options: Arc::clone(options), channels, ids_only: Mutex::default() };
        Link::open(node, topics)
    }

    /// Publishes an answer.
    pub(super) fn answer(&self, to: &NodeId, response: &Response) -> Result<(), PublishError> {
        let payload = encode_response_in(self.options.parser, response, &self.member.limits)?;
        self.publish_answer(to, payload, false)
    }

    fn publish_answer(&self, to: &NodeId, payload: Vec<u8>, is_server: bool) -> Result<(), PublishError> {
        let specific = self.options.publish_on_specific_response_channel && !is_server && !to.is_emitter();
        let channel =
            if specific { self.channels.responses_of(to) } else { self.channels.responses().to_owned() };
        self.member.medium.publish(channel, payload, false)
    }
}

impl Format for ClassicNode {
    fn member(&self) -> &Member {
        &self.member
    }

    fn requests_timeout(&self) -> Duration {
        self.options.requests_timeout
    }

    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let (sender, namespace, limits) =
            (Sender::Node(&self.member.id), &*self.member.namespace, &self.member.limits);
        let parser = self.options.parser;
        let (channel, payload) = match message {
            Message::Broadcast { target, flags, event, request: None } => (
                self.channels.broadcast(target),
                encode_broadcast_in(parser, sender, namespace, target, *flags, event, limits)?,
            ),
            request => (
                self.channels.requests().to_owned(),
                encode_request_in(parser, sender, namespace, request, limits)?,
            ),
        };
        self.member.medium.publish(channel, payload, false)
    }

    fn respond(&self, to: &NodeId, message: &Message) -> Result<(), PublishError> {
        if let Message::FetchSocketsResponse { request, sockets } = message {
            if self.ids_only.lock().contains(request) {
                let sockets = sockets.iter().map(|socket| Arc::clone(socket.id())).collect();
                return self.answer(to, &Response::Sockets { request: request.clone(), sockets });
            }
        }
        let payload = encode_answer_in(self.options.parser, message, &self.member.limits)?;
        // The official adapter answers events of servers on the channel of all.
        self.publish_answer(to, payload, matches!(message, Message::ServerSideEmitResponse { .. }))
    }
}
