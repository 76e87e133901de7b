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
    /// The owner and the session of GETs whose client has left before the answer, as many as there may be requests.
    left: HashMap<u64, (PeerId, Sid)>,
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
        if let Some((_, sid)) = tables.take_left(&from, number) {
            return Some(sid);
        }
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
        };
        drop(replaced);
        None
    }

    /// A request was refused.
    pub(crate) fn refused(&self, from: &PeerId, number: u64) {
        let mut tables = self.tables.lock();
        tables.take_left(from, number);
        let request = tables.answered(from, number);
        drop(tables);
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

    /// The client of a GET has left, or has waited for too long. An owner that is known and grants the lock after that
    /// hears of it: it would otherwise believe that the GET waits.
    pub(crate) fn left(&self, number: u64) {
        let mut tables = self.tables.lock();
        let Some(Request { to, sid, wait }) = tables.requests.remove(&number) else { return };
        if let Some(owner) = to.filter(|_| tables.left.len() < self.max_requests) {
            tables.left.insert(number, (owner, sid));
        }
        drop(tables);
        drop(wait);
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
        tables.left.retain(|_, (owner, _)| owner != peer);
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
    fn take_left(&mut self, from: &PeerId, number: u64) -> Option<(PeerId, Sid)> {
        self.left.get(&number).filter(|(owner, _)| owner == from)?;
        self.left.remove(&number)
    }

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
mod tests;
