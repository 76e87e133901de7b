//! The other nodes of a cluster, for one namespace: what they are told, and what they say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::message::Message;
use super::requests::{Open, Owing, Reply, Requests};
use super::{AdapterError, Link, Presence};
use crate::id::{NodeId, RequestId};
use crate::trace;

/// How long a request to other nodes may take, where the caller says nothing (`requestsTimeout`).
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Processes that only send name themselves so. They are no nodes that answer.
const EMITTER: &str = "emitter";

/// The other nodes of a cluster, for one namespace.
pub(super) struct Cluster {
    link: Arc<dyn Link>,
    requests: Requests,
    others: Mutex<HashMap<NodeId, Instant>>,
    /// When this node last said something.
    spoke: Mutex<Instant>,
    closed: AtomicBool,
}

impl Cluster {
    pub(super) fn new(link: Arc<dyn Link>) -> Self {
        Self {
            link,
            requests: Requests::default(),
            others: Mutex::default(),
            spoke: Mutex::new(Instant::now()),
            closed: AtomicBool::new(false),
        }
    }

    /// Says something to all other nodes.
    pub(super) async fn publish(&self, message: &Message) -> Result<(), AdapterError> {
        *self.spoke.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.link.publish(message).await
    }

    /// A request that all other nodes have to answer.
    pub(super) async fn open_request(&self) -> Result<Open<'_>, AdapterError> {
        let owing = match self.link.presence() {
            Presence::Heartbeats { .. } => Owing::Nodes(self.others().keys().cloned().collect()),
            Presence::Counted => Owing::Count(self.link.count_others().await?),
        };
        Ok(self.requests.open(owing))
    }

    /// When a request that begins now is over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + REQUEST_TIMEOUT
    }

    pub(super) async fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // Others find out by themselves if this does not reach them.
            note("that this node leaves", self.publish(&Message::Close).await);
            self.link.close();
        }
    }

    /// A node that has said that it leaves must not be heard again.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) async fn respond(&self, to: &NodeId, message: Message) {
        // Who asked stops waiting after a while; there is nobody here to tell.
        note("an answer", self.link.respond(to, &message).await);
    }

    /// A node answered a request of this one.
    pub(super) fn reply(&self, request: &RequestId, reply: Reply) {
        self.requests.reply(request, reply);
    }

    pub(super) fn presence(&self) -> Presence {
        self.link.presence()
    }

    /// A node said something, so it is there.
    pub(super) fn heard(&self, from: &NodeId) {
        // Where the medium counts them, nobody would forget one again that has gone without a word.
        let remembered = matches!(self.presence(), Presence::Heartbeats { .. }) && from.as_str() != EMITTER;
        if remembered && self.others().insert(from.clone(), Instant::now()).is_none() {
            trace::node_found(from);
        }
    }

    /// A node has said that it leaves.
    pub(super) fn left(&self, node: &NodeId) {
        trace::node_left(node);
        self.lost(node);
    }

    fn lost(&self, node: &NodeId) {
        self.others().remove(node);
        self.requests.lost(node);
    }

    /// Says that this node is there if it said nothing for a while, and drops those that said nothing for longer.
    pub(super) async fn beat(&self, interval: Duration, timeout: Duration) {
        let silent: Vec<NodeId> = {
            let others = self.others();
            others
                .iter()
                .filter(|(_, heard)| heard.elapsed() > timeout)
                .map(|(node, _)| node.clone())
                .collect()
        };
        for node in silent {
            trace::node_lost(&node);
            self.lost(&node);
        }
        let spoke = *self.spoke.lock().unwrap_or_else(PoisonError::into_inner);
        if spoke.elapsed() >= interval {
            self.say_hello(&Message::Heartbeat).await;
        }
    }

    /// Says that this node is there.
    pub(super) async fn say_hello(&self, heartbeat: &Message) {
        note("that this node is there", self.publish(heartbeat).await);
    }

    fn others(&self) -> MutexGuard<'_, HashMap<NodeId, Instant>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What nobody else would get to know.
fn note(what: &str, said: Result<(), AdapterError>) {
    if let Err(error) = said {
        trace::unsaid(what, &error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::BoxFuture;

    struct Silent(Presence);

    impl Link for Silent {
        fn publish<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
            Box::pin(async { Ok(()) })
        }

        fn presence(&self) -> Presence {
            self.0
        }
    }

    #[test]
    fn only_who_is_known_by_heartbeats_is_remembered() {
        for (presence, known) in [(Presence::default(), 100), (Presence::Counted, 0)] {
            let cluster = Cluster::new(Arc::new(Silent(presence)));
            for node in 0..100 {
                cluster.heard(&NodeId::from(node.to_string().as_str()));
            }
            assert_eq!(cluster.others().len(), known, "{presence:?}");
        }
    }
}
