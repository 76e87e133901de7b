//! The requests of this node to others, and the connections here that carry sessions of other nodes.
//!
//! Everything is in tables under one lock, since the medium delivers messages synchronously and in order:
//! an answer makes the entry that the message behind it needs.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::relayed::RelayedSocket;
use super::{PeerId, PeerStats};
use crate::close_reason::Fault;
use crate::protocol::packet::Packet;
use crate::protocol::sid::Sid;
use crate::sync::Mutex;

/// The tables of a server.
pub(crate) struct Edge {
    tables: Mutex<Tables>,
    max_requests: usize,
    max_relayed: usize,
}

#[derive(Default)]
struct Tables {
    /// The last number of a request.
    last: u64,
    requests: HashMap<u64, Request>,
    /// By session: at most one of a node's connections is waiting for packets of a session.
    connections: HashMap<Sid, Connection>,
    /// The connections, with those that are asking for their lock.
    relayed: usize,
}

/// A request to another node that waits for an answer.
struct Request {
    /// `None` if all nodes were asked.
    to: Option<PeerId>,
    sid: Sid,
    wait: Wait,
}

/// The answer that a request waits for. A dropped sender means that it was refused, or that the other node
/// is lost.
pub(crate) enum Wait {
    /// The lock for a GET, which then waits for packets.
    Get { granted: oneshot::Sender<PeerId>, drained: oneshot::Sender<Drained> },
    /// The lock for a POST or a WebSocket.
    Lock(oneshot::Sender<PeerId>),
    /// The end of a probe.
    Upgrade(oneshot::Sender<Upgraded>),
    /// Nothing: the client of a GET has left.
    Left,
}

/// The packets that answer a GET.
#[derive(Debug)]
pub(crate) struct Drained {
    pub(crate) owner: PeerId,
    pub(crate) packets: Vec<Packet>,
}

/// The answer to a successful probe.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) take_over: bool,
    pub(crate) packets: Vec<Packet>,
}

/// A connection here that carries a session of another node.
struct Connection {
    /// The number of the request that made the entry.
    number: u64,
    owner: PeerId,
    carrier: Carrier,
}

enum Carrier {
    Get(oneshot::Sender<Drained>),
    WebSocket(Arc<RelayedSocket>),
}

/// A limit of [`PeerSettings`](super::PeerSettings) is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Edge {
    pub(crate) fn new(max_requests: usize, max_relayed: usize) -> Self {
        Self { tables: Mutex::default(), max_requests, max_relayed }
    }

    /// Makes the entry of a request, before it is sent, and returns its number.
    pub(crate) fn ask(&self, to: Option<PeerId>, sid: Sid, wait: Wait) -> Result<u64, Full> {
        let mut tables = self.tables.lock();
        if tables.requests.len() >= self.max_requests {
            return Err(Full);
        }
        tables.last += 1;
        let number = tables.last;
        tables.requests.insert(number, Request { to, sid, wait });
        Ok(number)
    }

    /// Counts a connection that is going to be relayed.
    pub(crate) fn enter(&self) -> Result<(), Full> {
        let mut tables = self.tables.lock();
        if tables.relayed >= self.max_relayed {
            return Err(Full);
        }
        tables.relayed += 1;
        Ok(())
    }

    pub(crate) fn leave(&self) {
        self.tables.lock().relayed -= 1;
    }

    /// A lock was granted. The entry of a GET is made here, as its packets may follow at once. Returns the session if the
    /// client of the GET has left.
    pub(crate) fn granted(&self, from: PeerId, number: u64) -> Option<Sid> {
        let mut tables = self.tables.lock();
        let Request { sid, wait, .. } = tables.answered(&from, number)?;
        let replaced = match wait {
            Wait::Get { granted, drained } => {
                let connection = Connection { number, owner: from.clone(), carrier: Carrier::Get(drained) };
                let replaced = tables.connections.insert(sid, connection);
                drop(tables);
                let _ = granted.send(from);
                replaced
            }
            Wait::Lock(granted) => {
                drop(tables);
                let _ = granted.send(from);
                None
            }
            // Not an answer to a probe, which ends unsuccessfully then.
            Wait::Upgrade(_) => None,
            Wait::Left => return Some(sid),
        };
        drop(replaced);
        None
    }

    /// A request was refused.
    pub(crate) fn refused(&self, from: &PeerId, number: u64) {
        let request = self.tables.lock().answered(from, number);
        drop(request);
    }

    /// A probe was answered.
    pub(crate) fn upgraded(&self, from: &PeerId, number: u64, upgraded: Upgraded) {
        let request = self.tables.lock().answered(from, number);
        if let Some(Request { wait: Wait::Upgrade(answer), .. }) = request {
            let _ = answer.send(upgraded);
        }
    }

    /// Packets for the client of a session. `false` means that no connection here waits for them.
    pub(crate) fn drain(&self, from: &PeerId, sid: &Sid, packets: Vec<Packet>) -> bool {
        let mut tables = self.tables.lock();
        let Some(connection) = tables.connections.get(sid).filter(|found| found.owner == *from) else {
            return false;
        };
        if let Carrier::WebSocket(socket) = &connection.carrier {
            let socket = Arc::clone(socket);
            drop(tables);
            socket.push(packets);
            return true;
        }
        let connection = tables.connections.remove(sid);
        drop(tables);
        // A GET can be answered once. The receiver of a GET whose client has left finds the packets in the
        // channel.
        if let Some(Connection { carrier: Carrier::Get(drained), owner, .. }) = connection {
            let _ = drained.send(Drained { owner, packets });
        }
        true
    }

    /// A WebSocket carries the session from now on. A GET that still waits for the same session is answered.
    pub(crate) fn attach(&self, sid: Sid, number: u64, owner: PeerId, socket: Arc<RelayedSocket>) {
        let connection = Connection { number, owner, carrier: Carrier::WebSocket(socket) };
        let replaced = self.tables.lock().connections.insert(sid, connection);
        if let Some(Connection { carrier: Carrier::Get(drained), owner, .. }) = replaced {
            let _ = drained.send(Drained { owner, packets: vec![Packet::Noop] });
        }
    }

    /// The client of a GET has left, or has waited for too long. The entry stays if the owner is known, until it answers or
    /// is lost: it would otherwise believe that the GET waits.
    pub(crate) fn left(&self, number: u64) {
        let mut tables = self.tables.lock();
        match tables.requests.get_mut(&number) {
            Some(request) if request.to.is_some() => request.wait = Wait::Left,
            _ => drop(tables.requests.remove(&number)),
        }
    }

    /// Removes a request that is no longer waited for.
    pub(crate) fn forget(&self, number: u64) {
        let request = self.tables.lock().requests.remove(&number);
        drop(request);
    }

    /// Removes the connection that the request with this number made. Returns its owner if it was there.
    pub(crate) fn detach(&self, sid: &Sid, number: u64) -> Option<PeerId> {
        let mut tables = self.tables.lock();
        if tables.connections.get(sid)?.number != number {
            return None;
        }
        let connection = tables.connections.remove(sid);
        drop(tables);
        connection.map(|connection| connection.owner)
    }

    /// Ends the requests to a node, and the connections for its sessions.
    pub(crate) fn lost(&self, peer: &PeerId) {
        let mut tables = self.tables.lock();
        let requests = take_all(&mut tables.requests, |request| request.to.as_ref() == Some(peer));
        let connections = take_all(&mut tables.connections, |connection| connection.owner == *peer);
        drop(tables);
        for connection in &connections {
            if let Carrier::WebSocket(socket) = &connection.carrier {
                socket.cut(Fault::Remote);
            }
        }
        drop((requests, connections));
    }

    pub(crate) fn stats(&self) -> PeerStats {
        let tables = self.tables.lock();
        PeerStats { open_requests: tables.requests.len(), relayed: tables.relayed }
    }
}

impl Tables {
    /// The request with this number, if this node may answer it.
    fn answered(&mut self, from: &PeerId, number: u64) -> Option<Request> {
        let request = self.requests.get(&number)?;
        if request.to.as_ref().is_some_and(|to| to != from) {
            return None;
        }
        self.requests.remove(&number)
    }
}

/// Removes the entries with such a value.
fn take_all<K: Clone + Eq + Hash, V>(map: &mut HashMap<K, V>, mut taken: impl FnMut(&V) -> bool) -> Vec<V> {
    let keys: Vec<K> = map.iter().filter(|(_, value)| taken(value)).map(|(key, _)| key.clone()).collect();
    keys.iter().filter_map(|key| map.remove(key)).collect()
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;
    use crate::outbox::budget::Budget;

    fn peer(name: &str) -> PeerId {
        PeerId::from(name)
    }

    fn sid() -> Sid {
        Sid::from("01234567890123456789")
    }

    fn edge() -> Edge {
        Edge::new(10, 10)
    }

    /// A GET that asks a node, or all.
    fn get(edge: &Edge, to: Option<&str>) -> (u64, oneshot::Receiver<PeerId>, oneshot::Receiver<Drained>) {
        let ((granted, grant), (drained, drain)) = (oneshot::channel(), oneshot::channel());
        let number = edge.ask(to.map(peer), sid(), Wait::Get { granted, drained }).unwrap();
        (number, grant, drain)
    }

    fn lock(edge: &Edge) -> (u64, oneshot::Receiver<PeerId>) {
        let (granted, grant) = oneshot::channel();
        (edge.ask(Some(peer("b")), sid(), Wait::Lock(granted)).unwrap(), grant)
    }

    #[test]
    fn packets_right_behind_the_lock_find_their_get() {
        let edge = edge();
        let (number, mut grant, mut drain) = get(&edge, None);
        assert_eq!(edge.stats().open_requests, 1);
        edge.granted(peer("b"), number);
        assert!(edge.drain(&peer("b"), &sid(), vec![Packet::Noop]));
        assert_eq!(grant.try_recv(), Ok(peer("b")));
        let Drained { owner, packets } = drain.try_recv().unwrap();
        assert_eq!((owner, packets), (peer("b"), vec![Packet::Noop]));
        // It is answered once, and nothing is left.
        assert!(!edge.drain(&peer("b"), &sid(), vec![Packet::Noop]));
        assert_eq!((edge.detach(&sid(), number), edge.stats()), (None, PeerStats::default()));
    }

    #[test]
    fn an_owner_that_is_known_hears_of_a_client_that_leaves_before_the_answer() {
        let edge = edge();
        for to in [Some("b"), None] {
            let (number, grant, drain) = get(&edge, to);
            drop((grant, drain));
            edge.left(number);
            assert_eq!(edge.stats().open_requests, usize::from(to.is_some()));
            assert_eq!(edge.granted(peer("b"), number), to.map(|_| sid()));
            assert_eq!((edge.stats(), edge.detach(&sid(), number)), (PeerStats::default(), None));
        }
        let (number, ..) = get(&edge, Some("b"));
        edge.left(number);
        edge.refused(&peer("b"), number);
        let (number, ..) = get(&edge, Some("b"));
        edge.left(number);
        edge.lost(&peer("b"));
        assert_eq!(edge.stats(), PeerStats::default());
    }

    #[test]
    fn only_the_node_that_was_asked_may_answer() {
        let edge = edge();
        let (number, mut grant) = lock(&edge);
        edge.granted(peer("c"), number);
        edge.refused(&peer("c"), number);
        edge.granted(peer("b"), number + 1);
        assert_eq!(grant.try_recv(), Err(TryRecvError::Empty));
        edge.refused(&peer("b"), number);
        assert_eq!(grant.try_recv(), Err(TryRecvError::Closed));
        // Packets of a node that is not the owner are refused.
        let (number, _grant, mut drain) = get(&edge, Some("b"));
        edge.granted(peer("b"), number);
        assert!(!edge.drain(&peer("c"), &sid(), vec![Packet::Noop]));
        assert!(drain.try_recv().is_err());
        assert_eq!(edge.detach(&sid(), number), Some(peer("b")));
    }

    #[test]
    fn a_late_end_of_a_connection_leaves_its_successor_alone() {
        let edge = edge();
        let (first, ..) = get(&edge, None);
        edge.granted(peer("b"), first);
        let (second, _grant, mut drain) = get(&edge, None);
        edge.granted(peer("b"), second);
        assert_eq!(edge.detach(&sid(), first), None);
        assert!(edge.drain(&peer("b"), &sid(), vec![Packet::Close]));
        assert_eq!(drain.try_recv().unwrap().packets, [Packet::Close]);
    }

    #[test]
    fn a_websocket_releases_the_get_before_it() {
        let edge = edge();
        let (number, _grant, mut drain) = get(&edge, None);
        edge.granted(peer("b"), number);
        let socket = Arc::new(RelayedSocket::new(1000, &Arc::new(Budget::new(usize::MAX))));
        edge.attach(sid(), number + 1, peer("b"), Arc::clone(&socket));
        assert_eq!(drain.try_recv().unwrap().packets, [Packet::Noop]);
        let packets = vec![Packet::Noop, Packet::Message("a".into()), Packet::Close];
        assert!(edge.drain(&peer("b"), &sid(), packets));
        assert_eq!(
            (socket.outbox.queued_messages(), socket.outbox.is_open(), socket.fault()),
            (1, false, None)
        );
    }

    #[test]
    fn a_lost_node_ends_its_requests_and_connections() {
        let edge = edge();
        let (_, mut directed) = lock(&edge);
        let (asked_of_all, mut grant, _) = get(&edge, None);
        let socket = Arc::new(RelayedSocket::new(1000, &Arc::new(Budget::new(usize::MAX))));
        edge.attach(sid(), 99, peer("b"), Arc::clone(&socket));
        edge.lost(&peer("c"));
        assert_eq!((directed.try_recv(), socket.fault()), (Err(TryRecvError::Empty), None));
        edge.lost(&peer("b"));
        assert_eq!((directed.try_recv(), socket.fault()), (Err(TryRecvError::Closed), Some(Fault::Remote)));
        assert!(!edge.drain(&peer("b"), &sid(), vec![Packet::Noop]));
        // Another node may still answer it.
        edge.granted(peer("c"), asked_of_all);
        assert_eq!(grant.try_recv(), Ok(peer("c")));
    }

    #[test]
    fn requests_and_connections_have_limits() {
        let edge = Edge::new(2, 1);
        let (first, _grant) = lock(&edge);
        let _second = lock(&edge);
        let (granted, _grant) = oneshot::channel();
        assert_eq!(edge.ask(None, sid(), Wait::Lock(granted)), Err(Full));
        edge.forget(first);
        drop(lock(&edge));
        assert_eq!((edge.enter(), edge.enter()), (Ok(()), Err(Full)));
        assert_eq!(edge.stats(), PeerStats { open_requests: 2, relayed: 1 });
        edge.leave();
        assert_eq!(edge.enter(), Ok(()));
    }
}
