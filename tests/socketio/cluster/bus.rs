//! A cluster in one process: an adapter written outside of the crate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::cluster::{
    Adapter, AdapterError, AdapterErrorKind, AdapterHealth, BoxFuture, ClusterInbox, ClusterLink, Message,
    NodeId, Presence,
};
use tokio::sync::{mpsc, watch};

type Post = (NodeId, Message);

/// The connection between the nodes. Clones share one bus.
#[derive(Clone)]
pub(crate) struct Bus {
    members: Arc<Mutex<Vec<Member>>>,
    presence: Presence,
    /// While set, publishing fails.
    pub(crate) broken: Arc<AtomicBool>,
    /// Nodes that are cut off.
    lost: Arc<Mutex<Vec<NodeId>>>,
    /// State of the links of all nodes.
    pub(crate) health: watch::Sender<AdapterHealth>,
    pub(crate) request_timeout: Duration,
    /// The entries of all nodes, by which a test reports gaps.
    pub(crate) inboxes: Arc<Mutex<Vec<ClusterInbox>>>,
    /// The numbers of all published messages.
    pub(crate) published: Arc<Mutex<Vec<u8>>>,
}

struct Member {
    node: NodeId,
    namespace: String,
    sender: mpsc::UnboundedSender<Post>,
}

struct Wire {
    bus: Bus,
    node: NodeId,
    namespace: String,
}

impl Bus {
    /// The nodes detect each other by heartbeats.
    pub(crate) fn with_heartbeats() -> Self {
        let mut presence = Presence::default();
        if let Presence::Heartbeats { interval, timeout, .. } = &mut presence {
            (*interval, *timeout) = (Duration::from_millis(50), Duration::from_secs(10));
        }
        Self::new(presence)
    }

    /// One bus with heartbeats, and one that counts its nodes.
    pub(crate) fn of_each_kind() -> [Self; 2] {
        [Self::with_heartbeats(), Self::new(Presence::Counted)]
    }

    fn new(presence: Presence) -> Self {
        Self {
            members: Arc::default(),
            presence,
            broken: Arc::default(),
            lost: Arc::default(),
            health: watch::Sender::default(),
            request_timeout: Duration::from_secs(5),
            inboxes: Arc::default(),
            published: Arc::default(),
        }
    }

    /// Cuts off, without notice, the node that joined this namespace at this position.
    pub(crate) fn lose(&self, namespace: &str, at: usize) {
        let mut members = self.members.lock().unwrap();
        let positions: Vec<_> =
            (0..members.len()).filter(|position| members[*position].namespace == namespace).collect();
        self.lost.lock().unwrap().push(members.remove(positions[at]).node);
    }

    /// The number of connected nodes of a namespace.
    pub(crate) fn nodes(&self, namespace: &str) -> usize {
        self.members.lock().unwrap().iter().filter(|member| member.namespace == namespace).count()
    }

    fn send(&self, from: &Wire, to: Option<&NodeId>, message: &Message) -> Result<(), AdapterError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(AdapterError::of_kind(AdapterErrorKind::Down, "the bus is broken"));
        }
        self.published.lock().unwrap().push(message.kind());
        if self.lost.lock().unwrap().contains(&from.node) {
            return Ok(());
        }
        let members = self.members.lock().unwrap();
        let others =
            members.iter().filter(|member| member.namespace == from.namespace && member.node != from.node);
        for member in others.filter(|member| to.is_none_or(|to| *to == member.node)) {
            // A disconnected node receives nothing.
            let _ = member.sender.send((from.node.clone(), message.clone()));
        }
        Ok(())
    }
}

impl Adapter for Bus {
    fn open(&self, inbound: ClusterInbox) -> Arc<dyn ClusterLink> {
        let (sender, mut posts) = mpsc::unbounded_channel::<Post>();
        let (node, namespace) = (inbound.node().clone(), inbound.namespace().to_owned());
        self.members.lock().unwrap().push(Member {
            node: node.clone(),
            namespace: namespace.clone(),
            sender,
        });
        self.inboxes.lock().unwrap().push(inbound.clone());
        tokio::spawn(async move {
            while let Some((from, message)) = posts.recv().await {
                inbound.receive(from, message, None).await;
            }
        });
        Arc::new(Wire { bus: self.clone(), node, namespace })
    }
}

impl ClusterLink for Wire {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.bus.send(self, None, message) })
    }

    fn respond<'a>(
        &'a self,
        to: &'a NodeId,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.bus.send(self, Some(to), message) })
    }

    fn presence(&self) -> Presence {
        self.bus.presence
    }

    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        let count = self.bus.nodes(&self.namespace) - 1;
        Box::pin(async move { Ok(count) })
    }

    fn request_timeout(&self) -> Duration {
        self.bus.request_timeout
    }

    fn health(&self) -> watch::Receiver<AdapterHealth> {
        self.bus.health.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut members = self.bus.members.lock().unwrap();
            members.retain(|member| member.node != self.node || member.namespace != self.namespace);
        })
    }
}
