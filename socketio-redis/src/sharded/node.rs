//! One namespace: its messages, and the channels of its rooms.

use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use socketio_cluster::cluster::{Channels, decode_if, encode_sharded};
use socketio_cluster::{DecodeError, Message, NodeId, Sender};
use socketio_server::RoomEvent;
use socketio_server::cluster::ClusterInbox;

use super::Options;
use crate::channel_rule::{SubscriptionMode, looks_like_an_id};
use socketio_broker::PublishError;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::link::{Format, Link, Member, Receiver};
use socketio_broker::medium::Arrival;
use socketio_broker::medium::Medium;

/// State of the node in one namespace.
pub(super) struct ShardedNode {
    member: Member,
    options: Arc<Options>,
    channels: Channels,
    /// Held while a subscription is compared with the room and changed, so that the last change sees the last
    /// state.
    rooms: Mutex<()>,
}

impl ShardedNode {
    /// Opens the link of a namespace.
    pub(super) fn open(medium: &Medium, options: &Arc<Options>, inbox: ClusterInbox) -> Link<Self> {
        let channels = Channels::new(&options.channel_prefix, inbox.namespace());
        let public = Topic::new(TopicKind::Shard, channels.public());
        let own = Topic::new(TopicKind::Shard, &channels.node(inbox.node()));
        let member = Member::new(medium, inbox, public.clone());
        let node = Self { member, options: Arc::clone(options), channels, rooms: Mutex::default() };
        Link::open(node, [public, own])
    }

    /// Brings the subscription of a room to what the room needs now.
    fn follow(&self, room: &str) {
        if !self.has_channel(room) {
            return;
        }
        let topic = Topic::new(TopicKind::Shard, &self.channels.room(room));
        let router = self.member.medium.router();
        let _changing = self.rooms.lock();
        if self.member.inbox.has_room(room) {
            router.subscribe([topic], &self.member.mailbox);
        } else {
            router.unsubscribe([topic]);
        }
    }

    /// Whether other servers may use the channel of the room. In the dynamic mode they take names of 20
    /// characters for ids of sockets, which have none; a socket with another id needs one.
    fn has_channel(&self, room: &str) -> bool {
        match self.options.subscription_mode {
            SubscriptionMode::Static => false,
            SubscriptionMode::Dynamic => !looks_like_an_id(room) || !self.member.inbox.has_socket(room),
            SubscriptionMode::DynamicPrivate => true,
        }
    }

    fn send(&self, channel: String, message: &Message) -> Result<(), PublishError> {
        let Member { id, namespace, limits, .. } = &self.member;
        let payload = encode_sharded(Sender::Node(id), namespace, message, limits)?;
        self.member.medium.publish(channel, payload, true)
    }
}

impl Receiver for ShardedNode {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let limits = &self.member.limits;
        if let Some(envelope) = decode_if(arrival.payload, limits, |head| self.member.is_wanted(head))? {
            self.member.receive(envelope, None).await;
        }
        Ok(())
    }
}

impl Format for ShardedNode {
    fn member(&self) -> &Member {
        &self.member
    }

    fn requests_timeout(&self) -> Duration {
        self.options.requests_timeout
    }

    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        self.send(self.options.subscription_mode.channel(&self.channels, message), message)
    }

    fn respond(&self, to: &NodeId, message: &Message) -> Result<(), PublishError> {
        self.send(self.channels.node(to), message)
    }

    fn on_room_event(&self, event: &RoomEvent) {
        if let RoomEvent::Created(room) | RoomEvent::Deleted(room) = event {
            self.follow(room);
        }
    }
}
