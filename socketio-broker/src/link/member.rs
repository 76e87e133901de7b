//! This node as a member of the cluster, in one namespace.

use std::sync::Arc;

use socketio_cluster::{EMITTER, Envelope, Head, Limits, NodeId, Offset};
use socketio_server::cluster::{AdapterError, AdapterErrorKind, AdapterHealth, ClusterInbox};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::driver::Topic;
use crate::error::PublishError;
use crate::medium::{Mailbox, Medium};
use crate::publisher::Health;

/// State of the node in one namespace, in every format.
pub struct Member {
    /// The connections.
    pub medium: Medium,
    /// The namespace, which receives the messages of other nodes.
    pub inbox: ClusterInbox,
    /// The queue of received messages, which the task of the namespace handles.
    pub mailbox: Arc<Mailbox>,
    /// The name of the namespace.
    pub namespace: Arc<str>,
    /// The id of this node.
    pub id: NodeId,
    /// The limits of messages.
    pub limits: Limits,
    /// The topic of all nodes, by which they are counted.
    public: Topic,
}

impl Member {
    /// The member for an inbox. `public` is the topic of all nodes.
    pub fn new(medium: &Medium, inbox: ClusterInbox, public: Topic) -> Self {
        Self {
            medium: medium.clone(),
            mailbox: medium.router().mailbox(),
            namespace: inbox.namespace().into(),
            id: inbox.node().clone(),
            limits: Limits::default(),
            inbox,
            public,
        }
    }

    /// Whether a message is for this node. A request has to be answered, whether there are sockets or not.
    pub fn is_wanted(&self, head: &Head<'_>) -> bool {
        let is_for_us = head.from != Some(self.id.as_str()) && head.namespace == Some(&*self.namespace);
        let has_any = || head.target.is_none_or(|target| self.inbox.has_receivers(target));
        is_for_us && (head.kind != 3 || head.is_request || has_any())
    }

    /// Applies a message. Emitters do not always say who they are.
    pub async fn receive(&self, envelope: Envelope, offset: Option<Offset>) {
        let from = envelope.from.unwrap_or_else(|| NodeId::from(EMITTER));
        self.inbox.receive(from, envelope.message, offset).await;
    }

    /// The number of other nodes. Without a connection to the broker none can be counted: requests are answered by
    /// this node, and their results are partial, as its health says that it is down.
    pub(super) async fn count_others(&self) -> Result<usize, AdapterError> {
        match self.medium.subscribers_of(&self.public).await {
            Ok((count, is_counted)) => Ok(count.saturating_sub(usize::from(is_counted))),
            Err(PublishError::Down) => Ok(0),
            Err(error) => Err(adapter_error(error)),
        }
    }

    /// The health of the connections, as the server has it.
    pub(super) fn health(&self) -> watch::Receiver<AdapterHealth> {
        let convert = |health: Health| match health {
            Health::Connected => AdapterHealth::Connected,
            Health::Deaf { since } => AdapterHealth::Deaf { since },
            Health::Down { since } => AdapterHealth::Down { since },
        };
        let mut health = self.medium.health();
        let (sender, receiver) = watch::channel(convert(*health.borrow_and_update()));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = health.changed() => {
                        if changed.is_err() { return }
                        sender.send_replace(convert(*health.borrow_and_update()));
                    }
                    () = sender.closed() => return,
                }
            }
        });
        receiver
    }

    /// Tells the namespace of the times in which it may have missed messages.
    pub(super) fn report_gaps(&self) {
        let (inbox, mailbox) = (self.inbox.clone(), Arc::clone(&self.mailbox));
        let mut gaps = self.medium.gaps();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    gap = gaps.recv() => match gap {
                        Ok(gap) => inbox.gap(gap.lasted, gap.lost),
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    },
                    () = mailbox.closed() => return,
                }
            }
        });
    }

    /// Ends the subscriptions.
    pub(super) fn leave(&self) {
        self.medium.router().remove(&self.mailbox);
    }
}

/// The error of an adapter.
pub fn adapter_error(error: PublishError) -> AdapterError {
    let kind = match &error {
        PublishError::Full => AdapterErrorKind::Full,
        PublishError::TooLarge => AdapterErrorKind::TooLarge,
        PublishError::Down | PublishError::Closed => AdapterErrorKind::Down,
        PublishError::Refused(_) | PublishError::Encode(_) => AdapterErrorKind::Other,
    };
    AdapterError::of_kind(kind, error)
}
