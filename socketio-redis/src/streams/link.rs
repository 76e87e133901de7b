//! One namespace: its entries, requests and answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::cluster::{Channels, decode_if};
use socketio_cluster::streams::{decode_entry_if, is_ephemeral, stream_name};
use socketio_cluster::{DecodeError, EMITTER, Head, Limits, Message, NodeId};
use socketio_server::cluster::{
    AdapterError, AdapterHealth, BoxFuture, ClusterInbox, ClusterLink, EchoId, Presence, SessionStore,
};
use tokio::sync::watch;

use super::Options;
use super::node::{ECHO, StreamsNode};
use super::reader::{Streams, offset};
use super::sessions::Sessions;
use crate::driver::Topic;
use crate::link::{Receiver, adapter_error, close, has_any, health, others, receive, report_gaps};
use crate::medium::Medium;
use crate::medium::mailbox::{Arrival, Mailbox};

/// The link of a namespace. On drop its subscriptions end.
pub(super) struct StreamsLink {
    node: Arc<StreamsNode>,
    streams: Arc<Streams>,
    mailbox: Arc<Mailbox>,
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
        let stream = stream_name(&options.stream_name, options.stream_count, &namespace);
        let is_read = streams.add(&stream, &mailbox, &inbox);
        let node = Arc::new(StreamsNode {
            medium: medium.clone(),
            options: Arc::clone(options),
            channels,
            stream,
            is_read,
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

impl StreamsReceiver {
    /// Whether a message is for this node. A request has to be answered, whether there are sockets or not.
    fn is_wanted(&self, head: &Head<'_>) -> bool {
        head.from != Some(self.node.id.as_str())
            && head.namespace == Some(&*self.node.namespace)
            && (head.kind != 3 || head.is_request || has_any(&self.inbox, head.target))
    }

    /// The number of an operation of this node, if the entry is one that this node applies now.
    fn echo(&self, fields: &[(Bytes, Bytes)]) -> Option<EchoId> {
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
        field("uid").filter(|uid| **uid == self.node.id.as_str())?;
        Some(EchoId::from(std::str::from_utf8(field(ECHO)?).ok()?.parse::<u64>().ok()?))
    }

    async fn handle_entry(&self, id: &[u8], fields: Vec<(Bytes, Bytes)>) -> Result<(), DecodeError> {
        let offset = offset(id);
        if let Some((echo, offset)) = self.echo(&fields).zip(offset.as_ref()) {
            self.inbox.receive_echo(echo, offset);
            return Ok(());
        }
        let decoded = decode_entry_if(fields, &self.node.limits, |head| self.is_wanted(head));
        match (decoded, offset) {
            (Ok(Some(envelope)), offset) => {
                let from = envelope.from.unwrap_or_else(|| NodeId::from(EMITTER));
                self.inbox.receive(from, envelope.message, offset).await;
                Ok(())
            }
            (skipped, offset) => {
                if let Some(offset) = offset {
                    self.inbox.advance(&offset);
                }
                skipped.map(drop)
            }
        }
    }
}

impl Receiver for StreamsReceiver {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        if arrival.kind.is_none() {
            return self.handle_entry(&arrival.channel, arrival.fields).await;
        }
        let decoded = decode_if(arrival.payload, &self.node.limits, |head| self.is_wanted(head))?;
        if let Some(envelope) = decoded {
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

    fn echoes(&self, message: &Message) -> bool {
        self.node.is_read && !is_ephemeral(message)
    }

    fn publish_echoed<'a>(
        &'a self,
        message: &'a Message,
        echo: EchoId,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.node.publish_echoed(message, echo).await.map_err(adapter_error) })
    }

    fn sessions(&self) -> Option<Arc<dyn SessionStore>> {
        self.node.is_read.then(|| Arc::new(Sessions(Arc::clone(&self.node))) as _)
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
