//! A medium in memory for several servers in one process.

use std::sync::{Arc, Mutex};

use engineio::peers::{Owner, PeerId, PeerInbox, PeerLink, PeerMessage, Peers, session_id};

/// A medium between the servers that it is given to.
#[derive(Clone)]
pub struct Bus {
    kind: Kind,
    nodes: Arc<Mutex<Vec<(PeerId, PeerInbox)>>>,
}

/// What a medium knows and carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As between official engines: a request for a session asks all nodes, and the packets of a POST follow its lock.
    Official,
    /// Session ids name their node, and a POST is one message.
    Tagged,
}

impl Bus {
    /// A medium without nodes.
    pub fn new(kind: Kind) -> Self {
        Self { kind, nodes: Arc::default() }
    }

    /// Cuts a node off: nothing reaches it any more, and the others notice.
    pub fn cut(&self, name: &str) {
        let lost = PeerId::from(name);
        self.nodes().retain(|(id, _)| *id != lost);
        for (_, inbox) in self.all() {
            inbox.lost(&lost);
        }
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, Vec<(PeerId, PeerInbox)>> {
        self.nodes.lock().expect("no panic under the lock")
    }

    /// The nodes, without the lock: a message may cause others.
    fn all(&self) -> Vec<(PeerId, PeerInbox)> {
        self.nodes().clone()
    }
}

/// The name of the node with this number.
fn name(number: u8) -> PeerId {
    PeerId::from(format!("node {number}"))
}

/// The tag of a node in the ids of its sessions.
fn tag(number: u8) -> [u8; 3] {
    [0, 0, number]
}

struct BusLink {
    bus: Bus,
    number: u8,
}

impl Peers for Bus {
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink> {
        let mut nodes = self.nodes();
        let number = u8::try_from(nodes.len()).expect("few nodes");
        nodes.push((name(number), inbox));
        Arc::new(BusLink { bus: self.clone(), number })
    }
}

impl PeerLink for BusLink {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let from = name(self.number);
        for (id, inbox) in self.bus.all() {
            match to {
                Some(to) if *to == id => inbox.receive(from.clone(), message.clone()),
                None if id != from => inbox.receive_broadcast(from.clone(), message.clone()),
                _ => {}
            }
        }
    }

    fn owner_of(&self, sid: &str) -> Owner {
        match self.bus.kind {
            Kind::Official if sid.len() == 20 => Owner::Unknown,
            Kind::Tagged => {
                let known = |number: &u8| {
                    session_id(&tag(*number)).is_ok_and(|id| sid.get(..4) == id.as_str().get(..4))
                };
                (0..3).find(known).map_or(Owner::Nobody, |number| Owner::Node(name(number)))
            }
            Kind::Official => Owner::Nobody,
        }
    }

    fn session_id(&self) -> std::io::Result<engineio::Sid> {
        match self.bus.kind {
            Kind::Official => session_id(&[]),
            Kind::Tagged => session_id(&tag(self.number)),
        }
    }

    fn carries_packets(&self) -> bool {
        self.bus.kind == Kind::Tagged
    }
}
