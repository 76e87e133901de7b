//! A cluster in one process: an adapter written outside of the crate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::cluster::{
    Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, Message, NodeId, Presence,
};
use tokio::sync::mpsc;

type Post = (NodeId, Message);

/// The connection between the nodes. Clones share one bus.
#[derive(Clone)]
pub(crate) struct Bus {
    seats: Arc<Mutex<Vec<Seat>>>,
    presence: Presence,
    /// While set, publishing fails.
    pub(crate) broken: Arc<AtomicBool>,
    /// Nodes that are cut off.
    lost: Arc<Mutex<Vec<NodeId>>>,
}

struct Seat {
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
        Self { seats: Arc::default(), presence, broken: Arc::default(), lost: Arc::default() }
    }

    /// Cuts off, without notice, the node that joined this namespace at this position.
    pub(crate) fn lose(&self, namespace: &str, at: usize) {
        let mut seats = self.seats.lock().unwrap();
        let places: Vec<_> = (0..seats.len()).filter(|place| seats[*place].namespace == namespace).collect();
        self.lost.lock().unwrap().push(seats.remove(places[at]).node);
    }

    /// The number of connected nodes of a namespace.
    pub(crate) fn nodes(&self, namespace: &str) -> usize {
        self.seats.lock().unwrap().iter().filter(|seat| seat.namespace == namespace).count()
    }

    fn send(&self, from: &Wire, to: Option<&NodeId>, message: &Message) -> Result<(), AdapterError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(AdapterError::new("the bus is broken"));
        }
        if self.lost.lock().unwrap().contains(&from.node) {
            return Ok(());
        }
        let seats = self.seats.lock().unwrap();
        let others = seats.iter().filter(|seat| seat.namespace == from.namespace && seat.node != from.node);
        for seat in others.filter(|seat| to.is_none_or(|to| *to == seat.node)) {
            // A disconnected node receives nothing.
            let _ = seat.sender.send((from.node.clone(), message.clone()));
        }
        Ok(())
    }
}

impl Adapter for Bus {
    fn open(&self, inbound: ClusterInbox) -> Arc<dyn ClusterLink> {
        let (sender, mut posts) = mpsc::unbounded_channel::<Post>();
        let (node, namespace) = (inbound.node().clone(), inbound.namespace().to_owned());
        self.seats.lock().unwrap().push(Seat { node: node.clone(), namespace: namespace.clone(), sender });
        tokio::spawn(async move {
            while let Some((from, message)) = posts.recv().await {
                inbound.receive(from, message).await;
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

    fn close(&self) {
        self.bus
            .seats
            .lock()
            .unwrap()
            .retain(|seat| seat.node != self.node || seat.namespace != self.namespace);
    }
}
