//! A node in one namespace: what it publishes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::cluster::{Channels, encode_msgpack};
use socketio_cluster::streams::{encode_entry, is_ephemeral, stream_name};
use socketio_cluster::{Message, NodeId, Sender, Target};
use socketio_server::cluster::{ClusterInbox, EchoId, SessionStore};

use super::Options;
use super::reader::Streams;
use super::sessions::Sessions;
use socketio_broker::PublishError;
use socketio_broker::driver::Command;
use socketio_broker::driver::Topic;
use socketio_broker::link::{Format, Link, Member};
use socketio_broker::medium::Medium;

/// The field of an entry by which its node recognizes the operation.
pub(super) const ECHO: &str = "echo";

/// State of the node in one namespace, shared by its link and its store of sessions.
pub(super) struct StreamsNode {
    pub(super) member: Member,
    pub(super) options: Arc<Options>,
    streams: Arc<Streams>,
    channels: Channels,
    pub(super) stream: String,
    /// Whether this node reads the stream: see [`stream_name`].
    is_read: bool,
}

impl StreamsNode {
    /// Opens the link of a namespace.
    pub(super) fn open(
        medium: &Medium,
        options: &Arc<Options>,
        streams: &Arc<Streams>,
        inbox: ClusterInbox,
    ) -> Link<Self> {
        let channels = Channels::new(&options.channel_prefix, inbox.namespace());
        let public = Topic::new(options.kind(), channels.public());
        let own = Topic::new(options.kind(), &channels.node(inbox.node()));
        let stream = stream_name(&options.stream_name, options.stream_count, inbox.namespace());
        let member = Member::new(medium, inbox, public.clone());
        let is_read = streams.add(&stream, &member.mailbox, &member.inbox);
        let (options, streams) = (Arc::clone(options), Arc::clone(streams));
        Link::open(Self { member, options, streams, channels, stream, is_read }, [public, own])
    }

    fn append(&self, message: &Message, echo: Option<EchoId>) -> Result<Command, PublishError> {
        self.append_as(Sender::Node(&self.member.id), message, echo)
    }

    fn append_as(
        &self,
        sender: Sender<'_>,
        message: &Message,
        echo: Option<EchoId>,
    ) -> Result<Command, PublishError> {
        let only_plaintext = self.options.only_plaintext;
        let entry =
            encode_entry(sender, &self.member.namespace, message, only_plaintext, &self.member.limits)?;
        let fields = entry.fields().map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes())));
        // Official nodes ignore further fields.
        let echo = echo.map(|echo| (ECHO, echo.to_string().into()));
        let fields = fields.chain(echo).collect();
        Ok(Command::Append { stream: self.stream.clone(), max_len: self.options.max_len, fields })
    }

    /// Has the socket of a session disconnected on all nodes, this one included.
    pub(super) fn disconnect(&self, sid: &str) -> Result<(), PublishError> {
        let target = Target { rooms: vec![sid.into()], except: Vec::new() };
        let message = Message::DisconnectSockets { target, close: false };
        // A node ignores its own messages without an echo.
        self.member.medium.push(self.append_as(Sender::Emitter, &message, None)?)
    }

    fn send(&self, channel: String, message: &Message) -> Result<(), PublishError> {
        let payload = encode_msgpack(
            Sender::Node(&self.member.id),
            &self.member.namespace,
            message,
            &self.member.limits,
        )?;
        self.member.medium.publish(channel, payload, self.options.use_sharded_pub_sub)
    }
}

impl Format for StreamsNode {
    fn member(&self) -> &Member {
        &self.member
    }

    fn requests_timeout(&self) -> Duration {
        self.options.requests_timeout
    }

    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        if is_ephemeral(message) {
            return self.send(self.channels.public().to_owned(), message);
        }
        self.member.medium.push(self.append(message, None)?)
    }

    fn respond(&self, to: &NodeId, message: &Message) -> Result<(), PublishError> {
        self.send(self.channels.node(to), message)
    }

    fn echoes(&self, message: &Message) -> bool {
        self.is_read && !is_ephemeral(message)
    }

    /// Publishes an entry that this node applies when it reads it.
    async fn publish_echoed(&self, message: &Message, echo: EchoId) -> Result<(), PublishError> {
        self.member.medium.push_confirmed(self.append(message, Some(echo))?).await
    }

    fn sessions(self: Arc<Self>) -> Option<Arc<dyn SessionStore>> {
        self.is_read.then(|| Arc::new(Sessions(self)) as _)
    }

    fn left(&self) {
        self.streams.remove(&self.member.namespace, &self.member.mailbox);
    }
}
