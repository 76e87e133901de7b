//! A node in one namespace: what it publishes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_cluster::cluster::encode_msgpack;
use socketio_cluster::streams::{encode_entry, is_ephemeral, stream_name};
use socketio_cluster::{Message, NodeId, Sender, Target};
use socketio_server::cluster::{ClusterInbox, EchoId, Presence, SessionStore};

use super::reader::Reading;
use super::sessions::{SessionKeys, Sessions};
use super::{Names, Options};
use crate::driver::{Command, Topic, TopicKind};
use crate::error::PublishError;
use crate::link::{Format, Link, Member};
use crate::medium::Medium;

/// The field of an entry by which its node recognizes the operation.
pub(super) const ECHO: &str = "echo";

/// State of the node in one namespace, shared by its link and its store of sessions.
pub(super) struct StreamsNode {
    pub(super) member: Member,
    pub(super) options: Arc<Options>,
    pub(super) keys: Arc<dyn SessionKeys>,
    names: Arc<dyn Names>,
    reading: Arc<Reading>,
    public: String,
    pub(super) stream: String,
    /// Whether this node reads the stream: see [`stream_name`].
    is_read: bool,
}

impl StreamsNode {
    /// Opens the link of a namespace.
    pub(super) fn open(
        medium: &Medium,
        options: &Arc<Options>,
        names: &Arc<dyn Names>,
        keys: &Arc<dyn SessionKeys>,
        reading: &Arc<Reading>,
        inbox: ClusterInbox,
    ) -> Link<Self> {
        let namespace = inbox.namespace();
        let public = names.public(namespace);
        let own = Topic::new(options.topics, &names.node(namespace, inbox.node()));
        let topic = Topic::new(options.topics, &public);
        let stream = stream_name(&options.stream_name, options.stream_count, namespace);
        let member = Member::new(medium, inbox, topic.clone());
        let is_read = reading.add(&stream, &member.mailbox, &member.inbox);
        let node = Self {
            member,
            options: Arc::clone(options),
            keys: Arc::clone(keys),
            names: Arc::clone(names),
            reading: Arc::clone(reading),
            public,
            stream,
            is_read,
        };
        Link::open(node, [topic, own])
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
        self.member.medium.publish(channel, payload, self.options.topics == TopicKind::Shard)
    }
}

impl Format for StreamsNode {
    fn member(&self) -> &Member {
        &self.member
    }

    fn requests_timeout(&self) -> Duration {
        self.options.requests_timeout
    }

    fn presence(&self) -> Presence {
        self.options.presence
    }

    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        if is_ephemeral(message) {
            return self.send(self.public.clone(), message);
        }
        self.member.medium.push(self.append(message, None)?)
    }

    fn respond(&self, to: &NodeId, message: &Message) -> Result<(), PublishError> {
        self.send(self.names.node(&self.member.namespace, to), message)
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
        self.reading.remove(&self.member.namespace, &self.member.mailbox);
    }
}
