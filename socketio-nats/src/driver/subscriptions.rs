//! The connection that subscribes.

use std::collections::HashMap;
use std::sync::Arc;

use socketio_broker::driver::{BoxError, BoxFuture, Change, Sink, Subscriptions, TopicKind};

use super::connection::{Connection, Inbound};
use crate::protocol::{Frame, Message, Permission};

/// The subscriptions of a connection.
pub(super) struct Subscribing {
    connection: Connection,
    /// The number of each subscription.
    numbers: HashMap<Arc<str>, u64>,
    last: u64,
}

/// Passes messages on.
pub(super) struct ToSink(pub(super) Arc<dyn Sink>);

impl Inbound for ToSink {
    fn arrived(&self, Message { subject, payload, .. }: Message) {
        // There are no subscriptions with wildcards, so that the subject is the topic. The messages of the format have no
        // headers.
        let topic = subject.clone();
        self.0.arrived(TopicKind::Channel, &topic, subject, payload);
    }

    fn skipped(&self, _: Message) {
        self.0.skipped();
    }
}

impl Subscribing {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, numbers: HashMap::new(), last: 0 }
    }

    async fn carry_out(&mut self, changes: &[Change]) -> Result<Vec<bool>, BoxError> {
        let mut frames = Vec::with_capacity(changes.len());
        for Change { topic, subscribe } in changes {
            if topic.kind != TopicKind::Channel {
                continue;
            }
            // A second subscription to a subject would bring each message twice.
            frames.extend(self.numbers.remove(&topic.name).map(Frame::unsubscribe));
            if *subscribe {
                self.last += 1;
                self.numbers.insert(Arc::clone(&topic.name), self.last);
                frames.push(Frame::subscribe(&topic.name, self.last));
            }
        }
        let missing = self.connection.confirmed(&frames).await?;
        let is_refused = |topic: &str| {
            missing
                .iter()
                .any(|(permission, subject)| *permission == Permission::Subscribe && subject == topic)
        };
        Ok(changes
            .iter()
            .map(|Change { topic, subscribe }| {
                topic.kind == TopicKind::Channel && !(*subscribe && is_refused(&topic.name))
            })
            .collect())
    }
}

impl Subscriptions for Subscribing {
    fn change<'a>(&'a mut self, changes: &'a [Change]) -> BoxFuture<'a, Result<Vec<bool>, BoxError>> {
        Box::pin(self.carry_out(changes))
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.connection.lost())
    }

    fn reason(&self) -> Option<String> {
        self.connection.reason()
    }
}
