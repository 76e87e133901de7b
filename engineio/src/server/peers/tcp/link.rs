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
use crate::protocol::sid::Sid;
use crate::sync::RwLock;

/// Length of a tag as text, at the beginning of session ids.
const TAG_CHARS: usize = TAG / 3 * 4;

/// The connections of a node.
///
/// The node that has opened a connection asks on it, and the other one answers on it, so that a connection is all that
/// the two need. The other end of a connection that this node has opened is named by its tag alone; names of others are
/// longer.
pub(super) struct Link {
    tag: [u8; TAG],
    queues: RwLock<HashMap<PeerId, Arc<Queue>>>,
    closed: watch::Sender<bool>,
}

impl Link {
    pub(super) fn new(tag: [u8; TAG]) -> Self {
        Self { tag, queues: RwLock::default(), closed: watch::Sender::default() }
    }

    /// Adds a connection. `false` if there is one with this name.
    pub(super) fn add(&self, peer: &PeerId, queue: &Arc<Queue>) -> bool {
        match self.queues.write().entry(peer.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Arc::clone(queue));
                true
            }
        }
    }

    pub(super) fn has(&self, peer: &PeerId) -> bool {
        self.queues.read().contains_key(peer)
    }

    pub(super) fn remove(&self, peer: &PeerId) {
        self.queues.write().remove(peer);
    }

    /// Closes the connections when what waits is written.
    pub(super) fn close_all(&self) {
        self.queues.read().values().for_each(|queue| queue.close());
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

impl PeerLink for Link {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let queues = self.queues.read();
        match to {
            Some(peer) => {
                if let Some(queue) = queues.get(peer) {
                    queue.push(&message);
                }
            }
            // Not done by the engine, as ids name the node of a session.
            None => queues.values().for_each(|queue| queue.push(&message)),
        }
    }

    fn owner_of(&self, sid: &str) -> Owner {
        let Some(tag) = sid.get(..TAG_CHARS) else { return Owner::Nobody };
        match self.queues.read().get_key_value(tag) {
            Some((peer, _)) => Owner::Node(peer.clone()),
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
        let peer = dialed(&[2; TAG]);
        let queue = Arc::new(Queue::new(100, 100));
        assert!(ours.add(&peer, &queue));
        assert!(!ours.add(&peer, &queue), "one connection to each node");
        assert_eq!(ours.owner_of(sid.as_str()), Owner::Node(peer.clone()));
        for odd in ["", "AgICAgI", "€€€€", "AgICAgIC", "another node's id"] {
            let expected =
                if odd.starts_with(peer.as_str()) { Owner::Node(peer.clone()) } else { Owner::Nobody };
            assert_eq!(ours.owner_of(odd), expected, "{odd}");
        }
        ours.remove(&peer);
        assert_eq!(ours.owner_of(sid.as_str()), Owner::Nobody);
        // A node is not asked on a connection that it has opened.
        assert!(ours.add(&accepted(&[2; TAG], 1), &queue));
        assert_eq!(ours.owner_of(sid.as_str()), Owner::Nobody);
    }
}
