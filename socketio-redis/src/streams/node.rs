//! A node in one namespace: what it publishes.

use std::sync::Arc;

use bytes::Bytes;
use socketio_cluster::cluster::{Channels, encode_msgpack};
use socketio_cluster::streams::{encode_entry, is_ephemeral};
use socketio_cluster::{Limits, Message, NodeId, Sender, Target};
use socketio_server::cluster::EchoId;

use super::Options;
use crate::driver::{Command, Topic};
use crate::error::PublishError;
use crate::medium::Medium;

/// The field of an entry by which its node recognizes the operation.
pub(super) const ECHO: &str = "echo";

/// State of the node in one namespace, shared by its link, its receiver and its store of sessions.
pub(super) struct StreamsNode {
    pub(super) medium: Medium,
    pub(super) options: Arc<Options>,
    pub(super) channels: Channels,
    pub(super) stream: String,
    /// Whether this node reads the stream: see [`stream_name`](socketio_cluster::streams::stream_name).
    pub(super) is_read: bool,
    pub(super) namespace: Arc<str>,
    pub(super) id: NodeId,
    pub(super) public: Topic,
    pub(super) limits: Limits,
}

impl StreamsNode {
    pub(super) fn publish(&self, message: &Message) -> Result<(), PublishError> {
        // Redis counts the nodes.
        if matches!(message, Message::InitialHeartbeat | Message::Heartbeat | Message::Close) {
            return Ok(());
        }
        if is_ephemeral(message) {
            return self.send(self.channels.public().to_owned(), message);
        }
        self.medium.push(self.append(message, None)?)
    }

    /// Publishes an entry that this node applies when it reads it.
    pub(super) async fn publish_echoed(&self, message: &Message, echo: EchoId) -> Result<(), PublishError> {
        self.medium.push_confirmed(self.append(message, Some(echo))?).await
    }

    fn append(&self, message: &Message, echo: Option<EchoId>) -> Result<Command, PublishError> {
        self.append_as(Sender::Node(&self.id), message, echo)
    }

    fn append_as(
        &self,
        sender: Sender<'_>,
        message: &Message,
        echo: Option<EchoId>,
    ) -> Result<Command, PublishError> {
        let only_plaintext = self.options.only_plaintext;
        let entry = encode_entry(sender, &self.namespace, message, only_plaintext, &self.limits)?;
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
        self.medium.push(self.append_as(Sender::Emitter, &message, None)?)
    }

    pub(super) fn send(&self, channel: String, message: &Message) -> Result<(), PublishError> {
        let payload = encode_msgpack(Sender::Node(&self.id), &self.namespace, message, &self.limits)?;
        self.medium.publish(channel, payload, self.options.use_sharded_pub_sub)
    }

    pub(super) async fn count_others(&self) -> Result<usize, PublishError> {
        let (count, is_counted) = self.medium.subscribers_of(&self.public).await?;
        Ok(count.saturating_sub(usize::from(is_counted)))
    }
}
