//! One namespace: what is sent for it, and what arrives for it.

use std::sync::Arc;
use std::time::Duration;

use socketio_broker::PublishError;
use socketio_broker::driver::{Topic, TopicKind};
use socketio_broker::link::{Format, Link, Member, Receiver};
use socketio_broker::medium::{Arrival, Medium};
use socketio_cluster::cluster::decode_if;
use socketio_cluster::{DecodeError, Message, NodeId, Sender};
use socketio_server::cluster::{ClusterInbox, Presence};

use super::Options;
use crate::encode::Encoder;
use crate::subject::Subjects;

/// State of the node in one namespace.
pub(super) struct NatsNode {
    member: Member,
    encoder: Encoder,
    options: Arc<Options>,
    subjects: Subjects,
}

impl NatsNode {
    /// Opens the link of a namespace.
    pub(super) fn open(
        medium: &Medium,
        encoder: &Encoder,
        options: &Arc<Options>,
        inbox: ClusterInbox,
    ) -> Link<Self> {
        let subjects = Subjects::new(&options.subject_prefix, inbox.namespace());
        let public = Topic::new(TopicKind::Channel, subjects.public());
        let own = Topic::new(TopicKind::Channel, &subjects.node(inbox.node()));
        let member = Member::new(medium, inbox, public.clone());
        let node = Self { member, encoder: encoder.clone(), options: Arc::clone(options), subjects };
        Link::open(node, [public, own])
    }

    fn send(&self, subject: String, message: &Message) -> Result<(), PublishError> {
        let Member { id, namespace, medium, .. } = &self.member;
        medium.push(self.encoder.command(Sender::Node(id), namespace, subject, message)?)
    }
}

impl Receiver for NatsNode {
    async fn handle(&self, arrival: Arrival) -> Result<(), DecodeError> {
        let limits = &self.member.limits;
        if let Some(envelope) = decode_if(arrival.payload, limits, |head| self.member.is_wanted(head))? {
            self.member.receive(envelope, None).await;
        }
        Ok(())
    }
}

impl Format for NatsNode {
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
        self.send(self.subjects.public().to_owned(), message)
    }

    fn respond(&self, to: &NodeId, message: &Message) -> Result<(), PublishError> {
        self.send(self.subjects.node(to), message)
    }
}
