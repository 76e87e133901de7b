//! One namespace: its messages, and the channels of its rooms.

use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use socketio_cluster::cluster::{Channels, decode_if, encode_sharded};
use socketio_cluster::{DecodeError, EMITTER, Limits, Message, NodeId, Sender};
use socketio_server::RoomEvent;
use socketio_server::cluster::{AdapterError, AdapterHealth, BoxFuture, ClusterInbox, ClusterLink, Presence};
use tokio::sync::watch;

use super::Options;
use crate::channel_rule::{SubscriptionMode, looks_like_an_id};
use crate::driver::{Topic, TopicKind};
use crate::error::PublishError;
use crate::link::{Receiver, adapter_error, close, has_any, health, others, receive, report_gaps};
use crate::medium::Medium;
use crate::medium::mailbox::{Arrival, Mailbox};

/// The link of a namespace. On drop its subscriptions end.
pub(super) struct ShardedLink {
    node: Arc<ShardedNode>,
    inbox: ClusterInbox,
    mailbox: Arc<Mailbox>,
    /// Held while a subscription is compared with the room and changed, so that the last change sees the last
    /// state.
    rooms: Mutex<()>,
}

/// State of the node in one namespace, shared by its link and its receiver.
struct ShardedNode {
    medium: Medium,
    options: Arc<Options>,
    channels: Channels,
    namespace: Arc<str>,
    id: NodeId,
    public: Topic,
    limits: Limits,
}

struct ShardedReceiver {
    node: Arc<ShardedNode>,
    inbox: ClusterInbox,
}

impl ShardedLink {
    pub(super) fn open(medium: &Medium, options: &Arc<Options>, inbox: ClusterInbox) -> Self {
        let channels = Channels::new(&options.channel_prefix, inbox.namespace());
        let public = Topic::new(TopicKind::Shard, channels.public());
        let mailbox = medium.router().mailbox();
        let own = Topic::new(TopicKind::Shard, &channels.node(inbox.node()));
        medium.router().subscribe([public.clone(), own], &mailbox);
        let namespace: Arc<str> = inbox.namespace().into();
        let node = Arc::new(ShardedNode {
            medium: medium.clone(),
            options: Arc::clone(options),
            channels,
            namespace: Arc::clone(&namespace),
            id: inbox.node().clone(),
            public,
            limits: Limits::default(),
        });
        let receiver = Arc::new(ShardedReceiver { node: Arc::clone(&node), inbox: inbox.clone() });
        receive(medium.clone(), namespace, Arc::clone(&mailbox), receiver);
        report_gaps(medium, inbox.clone(), Arc::clone(&mailbox));
        Self { node, inbox, mailbox, rooms: Mutex::default() }
    }

    /// Brings the subscription of a room to what the room needs now.
    fn follow(&self, room: &str) {
        if !self.node.has_channel(room, &self.inbox) {
            return;
        }
        let topic = Topic::new(TopicKind::Shard, &self.node.channels.room(room));
        let _changing = self.rooms.lock();
        if self.inbox.has_room(room) {
            self.node.medium.router().subscribe([topic], &self.mailbox);
        } else {
            self.node.medium.router().unsubscribe([topic]);
        }
    }
}

impl ShardedNode {
    /// Whether other servers may use the channel of the room. In the dynamic mode they take names of 20
    /// characters for ids of sockets, which have none; a socket with another id needs one.
    fn has_channel(&self, room: &str, inbox: &ClusterInbox) -> bool {
        match self.options.subscription_mode {
            SubscriptionMode::Static => false,
            SubscriptionMode::Dynamic => !looks_like_an_id(room) || !inbox.has_socket(room),
            SubscriptionMode::DynamicPrivate => true,
        }
    }

    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        // Redis counts the nodes.
        if matches!(message, Message::InitialHeartbeat | Message::Heartbeat | Message::Close) {
            return Ok(());
        }
        let channel = self.options.subscription_mode.channel(&self.channels, message);
        self.send(channel, message)
    }

    fn send(&self, channel: String, message: &Message) -> Result<(), PublishError> {
        let payload = encode_sharded(Sender::Node(&self.id), &self.namespace, message, &self.limits)?;
        self.medium.publish(channel, payload, true)
    }

    async fn count_others(&self) -> Result<usize, PublishError> {
        let (count, is_counted) = self.medium.subscribers_of(&self.public).await?;
        Ok(count.saturating_sub(usize::from(is_counted)))
    }
}

impl Receiver for ShardedReceiver {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let envelope = decode_if(arrival.payload, &self.node.limits, |head| {
            let is_for_us =
                head.from != Some(self.node.id.as_str()) && head.namespace == Some(&*self.node.namespace);
            // A request has to be answered, whether there are sockets or not.
            is_for_us && (head.kind != 3 || head.is_request || has_any(&self.inbox, head.target))
        })?;
        if let Some(envelope) = envelope {
            let from = envelope.from.unwrap_or_else(|| NodeId::from(EMITTER));
            self.inbox.receive(from, envelope.message, None).await;
        }
        Ok(())
    }
}

impl ClusterLink for ShardedLink {
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

    fn on_room_event(&self, event: &RoomEvent) {
        if let RoomEvent::Created(room) | RoomEvent::Deleted(room) = event {
            self.follow(room);
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        close(&self.node.medium, &self.mailbox)
    }
}

impl Drop for ShardedLink {
    fn drop(&mut self) {
        self.node.medium.router().remove(&self.mailbox);
    }
}
