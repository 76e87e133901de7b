//! The other nodes of a cluster, for one namespace: presence, requests and messages to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use engineio::sync::Mutex;
use socketio_cluster::{Message, NodeId, RequestId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::echoes::Echoes;
use super::requests::{ExpectedReplies, PendingRequest, Reply, Requests, deadline};
use super::{AdapterError, AdapterHealth, ClusterGap, ClusterLink, ClusterStats, EchoId, Presence};
use crate::trace;

/// The other nodes of a cluster, for one namespace.
pub(super) struct ClusterPeers {
    link: Arc<dyn ClusterLink>,
    requests: Requests,
    echoes: Echoes,
    nodes: Mutex<HashMap<NodeId, Instant>>,
    /// Time of this node's last message.
    last_published: Mutex<Instant>,
    health: watch::Receiver<AdapterHealth>,
    /// Number of other nodes' requests that wait for this node's clients or handlers.
    open_replies: AtomicUsize,
    gaps: AtomicU64,
    lost: AtomicU64,
    closed: AtomicBool,
}

/// A request of another node that waits for this node's clients or handlers. Counted until it is dropped.
pub(super) struct OpenReply<'a>(&'a AtomicUsize);

impl Drop for OpenReply<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ClusterPeers {
    pub(super) fn new(link: Arc<dyn ClusterLink>) -> Self {
        Self {
            health: link.health(),
            link,
            requests: Requests::default(),
            echoes: Echoes::default(),
            nodes: Mutex::default(),
            last_published: Mutex::new(Instant::now()),
            open_replies: AtomicUsize::new(0),
            gaps: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Sends a message to all other nodes.
    pub(super) async fn publish(&self, message: &Message) -> Result<(), AdapterError> {
        *self.last_published.lock() = Instant::now();
        self.link.publish(message).await
    }

    /// Whether the message is applied on this node when the medium returns it.
    pub(super) fn echoes(&self, message: &Message) -> bool {
        !self.is_closed() && self.orders(message) && self.health.borrow().is_connected()
    }

    /// Whether the medium orders the message among those of all nodes.
    pub(super) fn orders(&self, message: &Message) -> bool {
        self.link.echoes(message)
    }

    /// The operations that wait for their echoes.
    pub(super) fn pending_echoes(&self) -> &Echoes {
        &self.echoes
    }

    pub(super) async fn publish_echoed(&self, message: &Message, echo: EchoId) -> Result<(), AdapterError> {
        *self.last_published.lock() = Instant::now();
        self.link.publish_echoed(message, echo).await
    }

    pub(super) fn echo_timeout(&self) -> Duration {
        self.link.echo_timeout()
    }

    /// Opens a request that all other nodes must answer.
    pub(super) async fn open_request(&self) -> Result<PendingRequest<'_>, AdapterError> {
        let expected = match self.link.presence() {
            Presence::Heartbeats { .. } => ExpectedReplies::Nodes(self.nodes().keys().cloned().collect()),
            Presence::Counted => ExpectedReplies::Count(self.link.count_others().await?),
        };
        Ok(self.requests.open(expected, self.health.clone()))
    }

    /// Maximum wait for the replies of other nodes, where the caller sets none.
    pub(super) fn request_timeout(&self) -> Duration {
        self.link.request_timeout()
    }

    /// Deadline of a request that starts now.
    pub(super) fn deadline(&self, timeout: Option<Duration>) -> Instant {
        deadline(timeout.unwrap_or_else(|| self.request_timeout()))
    }

    /// Whether this node waits for answers to the request.
    pub(super) fn awaits(&self, request: &RequestId) -> bool {
        self.requests.is_pending(request)
    }

    /// Counts a request of another node that waits for this node's clients or handlers.
    pub(super) fn open_reply(&self) -> OpenReply<'_> {
        self.open_replies.fetch_add(1, Ordering::Relaxed);
        OpenReply(&self.open_replies)
    }

    pub(super) fn health(&self) -> &watch::Receiver<AdapterHealth> {
        &self.health
    }

    pub(super) fn count_gap(&self, gap: &ClusterGap) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
        self.lost.fetch_add(gap.lost.unwrap_or_default(), Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> ClusterStats {
        ClusterStats {
            nodes: self.nodes().len(),
            open_requests: self.requests.len(),
            open_replies: self.open_replies.load(Ordering::Relaxed),
            pending_echoes: self.echoes.len(),
            missed_echoes: self.echoes.missed(),
            gaps: self.gaps.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            // A medium that counts the nodes notices that this one leaves.
            if matches!(self.presence(), Presence::Heartbeats { .. }) {
                // Other nodes detect the loss by timeout if this message does not reach them.
                report("close", self.publish(&Message::Close).await);
            }
            self.link.close().await;
        }
    }

    /// Whether this node has announced that it leaves. It must send nothing afterwards.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) async fn respond(&self, to: &NodeId, message: Message) {
        // The requesting node has a timeout; no caller here could handle the error.
        report("reply", self.link.respond(to, &message).await);
    }

    /// Passes a reply to its request.
    pub(super) fn reply(&self, request: &RequestId, reply: Reply) {
        self.requests.reply(request, reply);
    }

    pub(super) fn presence(&self) -> Presence {
        self.link.presence()
    }

    /// Records that a node is alive.
    pub(super) fn seen(&self, from: &NodeId) {
        // If the medium counts the nodes, no timeout would remove a recorded node again.
        let remembered = matches!(self.presence(), Presence::Heartbeats { .. }) && !from.is_emitter();
        if remembered && self.nodes().insert(from.clone(), Instant::now()).is_none() {
            trace::node_found(from);
        }
    }

    /// A node announced that it leaves.
    pub(super) fn node_left(&self, node: &NodeId) {
        trace::node_left(node);
        self.node_lost(node);
    }

    fn node_lost(&self, node: &NodeId) {
        self.nodes().remove(node);
        self.requests.node_lost(node);
    }

    /// Sends a heartbeat if this node was silent for `interval`, and drops nodes that were silent for
    /// `timeout`.
    pub(super) async fn heartbeat(&self, interval: Duration, timeout: Duration) {
        let silent: Vec<NodeId> = {
            let nodes = self.nodes();
            nodes
                .iter()
                .filter(|(_, heard)| heard.elapsed() > timeout)
                .map(|(node, _)| node.clone())
                .collect()
        };
        for node in silent {
            trace::node_lost(&node);
            self.node_lost(&node);
        }
        let last_published = *self.last_published.lock();
        if last_published.elapsed() >= interval {
            self.announce(&Message::Heartbeat).await;
        }
    }

    /// Announces that this node is alive.
    pub(super) async fn announce(&self, heartbeat: &Message) {
        report("heartbeat", self.publish(heartbeat).await);
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeId, Instant>> {
        self.nodes.lock()
    }
}

/// Logs a failed message whose error no caller receives.
fn report(what: &str, result: Result<(), AdapterError>) {
    if let Err(error) = result {
        trace::publish_failed(what, &error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::BoxFuture;

    struct Silent(Presence);

    impl ClusterLink for Silent {
        fn publish<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
            Box::pin(async { Ok(()) })
        }

        fn presence(&self) -> Presence {
            self.0
        }
    }

    #[test]
    fn nodes_are_recorded_only_with_heartbeats() {
        for (presence, known) in [(Presence::default(), 100), (Presence::Counted, 0)] {
            let cluster = ClusterPeers::new(Arc::new(Silent(presence)));
            for node in 0..100 {
                cluster.seen(&NodeId::from(node.to_string().as_str()));
            }
            assert_eq!(cluster.nodes().len(), known, "{presence:?}");
        }
    }

    #[tokio::test]
    async fn answers_are_awaited_while_their_request_is_open() {
        let cluster = ClusterPeers::new(Arc::new(Silent(Presence::default())));
        let open = cluster.open_request().await.unwrap();
        let id = open.id().clone();
        assert!(cluster.awaits(&id) && !cluster.awaits(&RequestId::random()));
        drop(open);
        assert!(!cluster.awaits(&id));
    }
}
