//! One namespace: what is sent for it, and what arrives for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socketio_broker::PublishError;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::link::{Format, Link, Member, Receiver};
use socketio_broker::medium::{Arrival, Medium};
use socketio_cluster::postgres::{Notification, decode_if};
use socketio_cluster::{DecodeError, Head, Message, NodeId, Sender, cluster};
use socketio_server::cluster::{ClusterInbox, Presence};

use super::Options;
use crate::channel::channel;
use crate::driver::{RowError, Rows};
use crate::encode::Envelope;

/// State of the node in one namespace.
pub(super) struct PostgresNode {
    member: Member,
    rows: Arc<Rows>,
    options: Arc<Options>,
    channel: String,
}

impl PostgresNode {
    /// Opens the link of a namespace.
    pub(super) fn open(
        medium: &Medium,
        rows: &Arc<Rows>,
        options: &Arc<Options>,
        inbox: ClusterInbox,
    ) -> Link<Self> {
        let channel = channel(&options.channel_prefix, inbox.namespace());
        let topic = Topic::new(TopicKind::Channel, &channel);
        let member = Member::new(medium, inbox, topic.clone());
        let node = Self { member, rows: Arc::clone(rows), options: Arc::clone(options), channel };
        Link::open(node, [topic])
    }

    /// Whether a message is for this node. Those of the official emitter do not name their namespace.
    fn is_wanted(&self, head: &Head<'_>) -> bool {
        let namespace = head.namespace.or(Some(&*self.member.namespace));
        self.member.is_wanted(&Head { namespace, ..*head })
    }

    /// Reads a row, and applies the message in it.
    async fn row(&self, id: &str) -> Result<(), DecodeError> {
        let limits = &self.member.limits;
        let max_bytes = limits.max_message_bytes.min(self.options.max_received_bytes);
        let payload = match self.rows.read(id, max_bytes).await {
            Ok(payload) => payload,
            Err(error) => {
                // The message is lost, unless the notification is wrong.
                if !matches!(error, RowError::Id) {
                    self.member.inbox.gap(Duration::ZERO, Some(1));
                }
                return Err(DecodeError::Row(error.to_string()));
            }
        };
        let _held = self.member.mailbox.hold(payload.len());
        if let Some(envelope) = cluster::decode_if(payload, limits, |head| self.is_wanted(head))? {
            self.member.receive(envelope, None).await;
        }
        Ok(())
    }
}

impl Receiver for PostgresNode {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let text: Bytes = arrival.payload;
        match decode_if(text, &self.member.limits, |head| self.is_wanted(head))? {
            Some(Notification::Message(envelope)) => self.member.receive(envelope, None).await,
            Some(Notification::Row { from, id }) if from.as_ref() != Some(&self.member.id) => {
                self.row(&id).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Format for PostgresNode {
    fn member(&self) -> &Member {
        &self.member
    }

    fn requests_timeout(&self) -> Duration {
        self.options.requests_timeout
    }

    fn presence(&self) -> Presence {
        let (interval, timeout) = (self.options.heartbeat_interval, self.options.heartbeat_timeout);
        Presence::Heartbeats { interval, timeout }
    }

    fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let envelope = Envelope {
            sender: Sender::Node(&self.member.id),
            namespace: &self.member.namespace,
            channel: &self.channel,
            threshold: self.options.payload_threshold,
            limits: &self.member.limits,
        };
        self.member.medium.push(envelope.command(message)?)
    }

    /// All nodes receive an answer; the others do not know the request.
    fn respond(&self, _: &NodeId, message: &Message) -> Result<(), PublishError> {
        self.publish(message)
    }
}
