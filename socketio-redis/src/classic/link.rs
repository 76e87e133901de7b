//! One namespace: what is published for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use socketio_cluster::classic::{
    Channels, Response, encode_broadcast_in, encode_request_in, encode_response_in,
};
use socketio_cluster::{Limits, Message, NodeId, RequestId, Sender};
use socketio_server::cluster::{AdapterError, AdapterHealth, BoxFuture, ClusterInbox, ClusterLink, Presence};
use tokio::sync::watch;

use super::{Options, received};
use crate::driver::{Topic, TopicKind};
use crate::error::PublishError;
use crate::link::{adapter_error, close, health, others, report_gaps};
use crate::medium::Medium;
use crate::medium::mailbox::Mailbox;

/// The link of a namespace. On drop its subscriptions end.
pub(super) struct ClassicLink {
    node: Arc<ClassicNode>,
    mailbox: Arc<Mailbox>,
}

/// State of the node in one namespace, shared by its link and its receiver.
pub(super) struct ClassicNode {
    pub(super) medium: Medium,
    options: Arc<Options>,
    pub(super) channels: Channels,
    pub(super) namespace: Arc<str>,
    pub(super) id: NodeId,
    requests: Topic,
    /// Requests of old nodes, which expect ids of sockets instead of details.
    pub(super) ids_only: Mutex<HashSet<RequestId>>,
    pub(super) limits: Limits,
}

impl ClassicLink {
    pub(super) fn open(medium: &Medium, options: &Arc<Options>, inbox: ClusterInbox) -> Self {
        let channels = Channels::new(&options.key, inbox.namespace());
        let requests = Topic::new(TopicKind::Channel, channels.requests());
        let mailbox = medium.router().mailbox();
        let topics = [
            Topic::new(TopicKind::Pattern, &channels.pattern()),
            requests.clone(),
            Topic::new(TopicKind::Channel, channels.responses()),
            Topic::new(TopicKind::Channel, &channels.responses_of(inbox.node())),
        ];
        medium.router().subscribe(topics, &mailbox);
        let node = Arc::new(ClassicNode {
            medium: medium.clone(),
            options: Arc::clone(options),
            channels,
            namespace: inbox.namespace().into(),
            id: inbox.node().clone(),
            requests,
            ids_only: Mutex::default(),
            limits: Limits::default(),
        });
        report_gaps(medium, inbox.clone(), Arc::clone(&mailbox));
        received::start(Arc::clone(&node), inbox, Arc::clone(&mailbox));
        Self { node, mailbox }
    }
}

impl ClassicNode {
    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let (sender, namespace, limits) = (Sender::Node(&self.id), &*self.namespace, &self.limits);
        let parser = self.options.parser;
        let (channel, payload) = match message {
            // Redis counts the nodes.
            Message::InitialHeartbeat | Message::Heartbeat | Message::Close => return Ok(()),
            Message::Broadcast { target, flags, event, request: None } => (
                self.channels.broadcast(target),
                encode_broadcast_in(parser, sender, namespace, target, *flags, event, limits)?,
            ),
            request => (
                self.channels.requests().to_owned(),
                encode_request_in(parser, sender, namespace, request, limits)?,
            ),
        };
        self.medium.publish(channel, payload, false)
    }

    /// Publishes an answer.
    pub(super) fn respond(&self, to: &NodeId, response: &Response) -> Result<(), PublishError> {
        let payload = encode_response_in(self.options.parser, response, &self.limits)?;
        // The official adapter answers events of servers on the channel of all.
        let is_server = matches!(response, Response::Message(Message::ServerSideEmitResponse { .. }));
        let specific = self.options.publish_on_specific_response_channel && !is_server && !to.is_emitter();
        let channel =
            if specific { self.channels.responses_of(to) } else { self.channels.responses().to_owned() };
        self.medium.publish(channel, payload, false)
    }

    fn respond_message(&self, to: &NodeId, message: &Message) -> Result<(), PublishError> {
        if let Message::FetchSocketsResponse { request, sockets } = message {
            if self.ids_only.lock().contains(request) {
                let sockets = sockets.iter().map(|socket| socket.id.as_str().into()).collect();
                return self.respond(to, &Response::Sockets { request: request.clone(), sockets });
            }
        }
        self.respond(to, &Response::Message(message.clone()))
    }

    async fn count_others(&self) -> Result<usize, PublishError> {
        let (count, is_counted) = self.medium.subscribers_of(&self.requests).await?;
        Ok(count.saturating_sub(usize::from(is_counted)))
    }
}

impl ClusterLink for ClassicLink {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.node.publish(message).map_err(adapter_error) })
    }

    fn respond<'a>(
        &'a self,
        to: &'a NodeId,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.node.respond_message(to, message).map_err(adapter_error) })
    }

    fn presence(&self) -> Presence {
        Presence::Counted
    }

    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        Box::pin(async move { others(self.node.count_others().await) })
    }

    fn request_timeout(&self) -> Duration {
        self.node.options.requests_timeout
    }

    fn health(&self) -> watch::Receiver<AdapterHealth> {
        health(&self.node.medium)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        close(&self.node.medium, &self.mailbox)
    }
}

impl Drop for ClassicLink {
    fn drop(&mut self) {
        self.node.medium.router().remove(&self.mailbox);
    }
}
