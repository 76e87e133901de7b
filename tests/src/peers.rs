//! Media for several servers in one process: one in memory, and direct connections.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use engineio::peers::{Owner, PeerId, PeerInbox, PeerLink, PeerMessage, Peers, TcpPeers, session_id};

/// A medium between the servers that it is given to.
#[derive(Clone)]
pub struct Bus {
    kind: Kind,
    nodes: Arc<Mutex<Vec<(PeerId, PeerInbox)>>>,
    /// The nodes of [`Kind::Direct`], and their links once they are open.
    direct: Vec<TcpPeers>,
    links: Arc<Mutex<Vec<Arc<dyn PeerLink>>>>,
}

/// The kind of a medium: its knowledge of owners, and its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As between official engines: a request for a session asks all nodes, and the packets of a POST follow its lock.
    Official,
    /// Session ids name their node, and a POST is one message.
    Tagged,
    /// Direct connections, over TCP.
    Direct,
}

impl Bus {
    /// A medium for this number of servers. It must be made within a runtime.
    pub fn new(kind: Kind, nodes: usize) -> Self {
        let direct = if kind == Kind::Direct { direct(nodes) } else { Vec::new() };
        Self { kind, nodes: Arc::default(), direct, links: Arc::default() }
    }

    /// Returns when the servers, which are all started, know each other.
    pub async fn ready(&self) {
        for node in &self.direct {
            crate::raw::soon(node.ready()).await;
        }
    }

    /// Cuts a node off: nothing reaches it any more, and the others notice.
    pub fn cut(&self, name: &str) {
        let number = name.strip_prefix("node ").and_then(|number| number.parse::<usize>().ok());
        if let Some(link) = number.and_then(|number| self.links().get(number).cloned()) {
            return link.close();
        }
        let lost = PeerId::from(name);
        self.nodes().retain(|(id, _)| *id != lost);
        for (_, inbox) in self.all() {
            inbox.lost(&lost);
        }
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn PeerLink>>> {
        self.links.lock().expect("no panic under the lock")
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, Vec<(PeerId, PeerInbox)>> {
        self.nodes.lock().expect("no panic under the lock")
    }

    /// The nodes, without the lock: a message may cause others.
    fn all(&self) -> Vec<(PeerId, PeerInbox)> {
        self.nodes().clone()
    }
}

/// Nodes that know each other's addresses.
fn direct(nodes: usize) -> Vec<TcpPeers> {
    let bind = |_| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        listener
    };
    let listeners: Vec<_> = (0..nodes).map(bind).collect();
    let address = |listener: &TcpListener| listener.local_addr().expect("a bound socket").to_string();
    let addresses: Vec<_> = listeners.iter().map(address).collect();
    let node = |listener| {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
        let node = TcpPeers::new(listener, "a key of 16 bytes, or more").expect("a long key");
        node.nodes(addresses.clone())
    };
    listeners.into_iter().map(node).collect()
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
        let mut links = self.links();
        if let Some(node) = self.direct.get(links.len()) {
            links.push(node.open(inbox));
            return Arc::clone(&links[links.len() - 1]);
        }
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
            _ => Owner::Nobody,
        }
    }

    fn session_id(&self) -> std::io::Result<engineio::Sid> {
        match self.bus.kind {
            Kind::Tagged => session_id(&tag(self.number)),
            _ => session_id(&[]),
        }
    }

    fn has_extensions(&self) -> bool {
        self.bus.kind == Kind::Tagged
    }
}

/// A load balancer that passes each connection on to the next address.
pub async fn balance(addresses: Vec<SocketAddr>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(async move {
        for node in addresses.into_iter().cycle() {
            let Ok((mut client, _)) = listener.accept().await else { return };
            let Ok(mut node) = tokio::net::TcpStream::connect(node).await else { return };
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut node).await });
        }
    });
    address
}
