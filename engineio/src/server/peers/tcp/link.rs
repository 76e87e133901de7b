//! The connections of this node by the names of their other ends, and the messages to them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::watch;

use super::super::{Owner, PeerId, PeerLink, PeerMessage, session_id};
use super::hello::TAG;
use super::queue::Queue;
use super::status::Addresses;
use crate::protocol::sid::Sid;
use crate::sync::RwLock;

/// Length of a tag as text, at the beginning of session ids.
const TAG_CHARS: usize = TAG / 3 * 4;

/// The connections of a node.
///
/// Each node opens a connection to each other one, so two nodes have two. Both ask on either, so that a node which has just
/// started is known as soon as it has opened its own connections. A request is answered on the connection on which it came.
pub(super) struct Link {
    tag: [u8; TAG],
    connections: RwLock<Connections>,
    closed: watch::Sender<bool>,
    pub(super) addresses: Arc<Addresses>,
}

#[derive(Default)]
struct Connections {
    queues: HashMap<PeerId, Arc<Queue>>,
    /// The connections with a node, by its tag.
    nodes: HashMap<Box<str>, Vec<PeerId>>,
}

impl Link {
    pub(super) fn new(tag: [u8; TAG]) -> Self {
        Self {
            tag,
            connections: RwLock::default(),
            closed: watch::Sender::default(),
            addresses: Arc::default(),
        }
    }

    /// Adds a connection. `false` if there is one with this name.
    pub(super) fn add(&self, peer: &PeerId, queue: &Arc<Queue>) -> bool {
        let mut connections = self.connections.write();
        match connections.queues.entry(peer.clone()) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(place) => {
                place.insert(Arc::clone(queue));
            }
        }
        connections.nodes.entry(tag_of(peer).into()).or_default().push(peer.clone());
        true
    }

    pub(super) fn has(&self, peer: &PeerId) -> bool {
        self.connections.read().queues.contains_key(peer)
    }

    pub(super) fn remove(&self, peer: &PeerId) {
        let mut connections = self.connections.write();
        connections.queues.remove(peer);
        if let Entry::Occupied(mut node) = connections.nodes.entry(tag_of(peer).into()) {
            node.get_mut().retain(|other| other != peer);
            if node.get().is_empty() {
                node.remove();
            }
        }
    }

    /// Closes the connections when what waits is written.
    pub(super) fn close_all(&self) {
        self.connections.read().queues.values().for_each(|queue| queue.close());
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Returns when the server has ended.
    pub(super) async fn closed(&self) {
        // It does not fail: the sender is in `self`.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

/// The name of the other end of a connection that this node has opened.
pub(super) fn dialed(tag: &[u8; TAG]) -> PeerId {
    PeerId::from(URL_SAFE_NO_PAD.encode(tag))
}

/// The name of the other end of a connection to this node.
pub(super) fn accepted(tag: &[u8; TAG], number: u64) -> PeerId {
    PeerId::from(format!("{}#{number}", URL_SAFE_NO_PAD.encode(tag)))
}

/// The tag of the node at the other end.
fn tag_of(peer: &PeerId) -> &str {
    peer.as_str().get(..TAG_CHARS).unwrap_or_default()
}

impl PeerLink for Link {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let connections = self.connections.read();
        match to {
            Some(peer) => {
                if let Some(queue) = connections.queues.get(peer) {
                    queue.push(&message);
                }
            }
            // Not done by the engine, as ids name the node of a session.
            None => {
                let one_of_each = connections.nodes.values().filter_map(|node| node.first());
                one_of_each
                    .filter_map(|peer| connections.queues.get(peer))
                    .for_each(|queue| queue.push(&message));
            }
        }
    }

    fn owner_of(&self, sid: &str) -> Owner {
        let connections = self.connections.read();
        let node = sid.get(..TAG_CHARS).and_then(|tag| connections.nodes.get(tag));
        match node.and_then(|node| node.first()) {
            Some(peer) => Owner::Node(peer.clone()),
            None => Owner::Nobody,
        }
    }

    fn session_id(&self) -> io::Result<Sid> {
        session_id(&self.tag)
    }

    fn close(&self) {
        self.closed.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_the_node_of_a_session() {
        let (ours, theirs) = (Link::new([1; TAG]), Link::new([2; TAG]));
        let sid = theirs.session_id().unwrap();
        assert_eq!(sid.as_str().len(), 28);
        assert_ne!(theirs.session_id().unwrap(), sid);
        assert_eq!(ours.owner_of(sid.as_str()), Owner::Nobody);
        let (first, second) = (dialed(&[2; TAG]), accepted(&[2; TAG], 1));
        let queue = Arc::new(Queue::new(100, 100));
        assert!(ours.add(&first, &queue));
        assert!(!ours.add(&first, &queue), "one connection to each node");
        assert!(ours.add(&second, &queue));
        assert_eq!(ours.owner_of(sid.as_str()), Owner::Node(first.clone()));
        for odd in ["", "AgICAgI", "€€€€", "AgICAgIC", "another node's id"] {
            let expected =
                if odd.starts_with(first.as_str()) { Owner::Node(first.clone()) } else { Owner::Nobody };
            assert_eq!(ours.owner_of(odd), expected, "{odd}");
        }
        // A node is asked on a connection from it too.
        ours.remove(&first);
        assert_eq!(ours.owner_of(sid.as_str()), Owner::Node(second.clone()));
        ours.remove(&second);
        assert_eq!(ours.owner_of(sid.as_str()), Owner::Nobody);
        assert!(ours.connections.read().nodes.is_empty());
    }
}
