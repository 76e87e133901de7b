//! One namespace: its entries, requests and answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::cluster::{Channels, decode_if, encode_msgpack};
use socketio_cluster::streams::{decode_entry_if, encode_entry, is_ephemeral, stream_name};
use socketio_cluster::{DecodeError, EMITTER, Head, Limits, Message, NodeId, Sender};
use socketio_server::cluster::{AdapterError, AdapterHealth, BoxFuture, ClusterInbox, ClusterLink, Presence};
use tokio::sync::watch;

use super::Options;
use super::reader::Streams;
use crate::driver::{Command, Topic};
use crate::error::PublishError;
use crate::link::{Receiver, adapter_error, close, has_any, health, others, receive, report_gaps};
use crate::medium::Medium;
use crate::medium::mailbox::{Arrival, Mailbox};

/// The link of a namespace. On drop its subscriptions end.
pub(super) struct StreamsLink {
    node: Arc<StreamsNode>,
    streams: Arc<Streams>,
    mailbox: Arc<Mailbox>,
}

/// State of the node in one namespace, shared by its link and its receiver.
struct StreamsNode {
    medium: Medium,
    options: Arc<Options>,
    channels: Channels,
    stream: String,
    namespace: Arc<str>,
    id: NodeId,
    public: Topic,
    limits: Limits,
}

struct StreamsReceiver {
    node: Arc<StreamsNode>,
    inbox: ClusterInbox,
}

impl StreamsLink {
    pub(super) fn open(
        medium: &Medium,
        options: &Arc<Options>,
        streams: &Arc<Streams>,
        inbox: ClusterInbox,
    ) -> Self {
        let channels = Channels::new(&options.channel_prefix, inbox.namespace());
        let public = Topic::new(options.kind(), channels.public());
        let mailbox = medium.router().mailbox();
        let own = Topic::new(options.kind(), &channels.node(inbox.node()));
        medium.router().subscribe([public.clone(), own], &mailbox);
        let namespace: Arc<str> = inbox.namespace().into();
        streams.add(&namespace, &mailbox);
        let node = Arc::new(StreamsNode {
            medium: medium.clone(),
            options: Arc::clone(options),
            channels,
            stream: stream_name(&options.stream_name, options.stream_count, &namespace),
            namespace: Arc::clone(&namespace),
            id: inbox.node().clone(),
            public,
            limits: Limits::default(),
        });
        report_gaps(medium, inbox.clone(), Arc::clone(&mailbox));
        let receiver = Arc::new(StreamsReceiver { node: Arc::clone(&node), inbox });
        receive(medium.clone(), namespace, Arc::clone(&mailbox), receiver);
        Self { node, streams: Arc::clone(streams), mailbox }
    }
}

impl StreamsNode {
    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        // Redis counts the nodes.
        if matches!(message, Message::InitialHeartbeat | Message::Heartbeat | Message::Close) {
            return Ok(());
        }
        if is_ephemeral(message) {
            return self.send(self.channels.public().to_owned(), message);
        }
        let only_plaintext = self.options.only_plaintext;
        let entry =
            encode_entry(Sender::Node(&self.id), &self.namespace, message, only_plaintext, &self.limits)?;
        let fields =
            entry.fields().map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes()))).collect();
        let (stream, max_len) = (self.stream.clone(), self.options.max_len);
        self.medium.push(Command::Append { stream, max_len, fields })
    }

    fn send(&self, channel: String, message: &Message) -> Result<(), PublishError> {
        let payload = encode_msgpack(Sender::Node(&self.id), &self.namespace, message, &self.limits)?;
        self.medium.publish(channel, payload, self.options.use_sharded_pub_sub)
    }

    async fn count_others(&self) -> Result<usize, PublishError> {
        let (count, is_counted) = self.medium.subscribers_of(&self.public).await?;
        Ok(count.saturating_sub(usize::from(is_counted)))
    }
}

impl Receiver for StreamsReceiver {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let wanted = |head: &Head<'_>| {
            let is_for_us =
                head.from != Some(self.node.id.as_str()) && head.namespace == Some(&*self.node.namespace);
            // A request has to be answered, whether there are sockets or not.
            is_for_us && (head.kind != 3 || head.is_request || has_any(&self.inbox, head.target))
        };
        let envelope = if arrival.kind.is_none() {
            decode_entry_if(arrival.fields, &self.node.limits, wanted)?
        } else {
            decode_if(arrival.payload, &self.node.limits, wanted)?
        };
        if let Some(envelope) = envelope {
            let from = envelope.from.unwrap_or_else(|| NodeId::from(EMITTER));
            self.inbox.receive(from, envelope.message, None).await;
        }
        Ok(())
    }
}

impl ClusterLink for StreamsLink {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.node.publish(message).map_err(adapter_error) })
    }

    fn respond<'a>(
        &'a self,
        to: &'a NodeId,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        let channel = self.node.channels.node(to);
        Box::pin(async move { self.node.send(channel, message).map_err(adapter_error) })
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
        self.streams.remove(&self.node.namespace, &self.mailbox);
        close(&self.node.medium, &self.mailbox)
    }
}

impl Drop for StreamsLink {
    fn drop(&mut self) {
        self.streams.remove(&self.node.namespace, &self.mailbox);
        self.node.medium.router().remove(&self.mailbox);
    }
}
