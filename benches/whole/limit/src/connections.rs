//! Connections, rooms, and the queues of polling sessions. Messages to other connections are written at the
//! end of the scheduler's turn, with one write per peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::peer::{Peer, lock};
use crate::wire::response;

#[derive(Default)]
pub struct Connections {
    tables: RwLock<Tables>,
    /// Peers with queued data. The task that finds the list empty starts the flush.
    dirty: Mutex<Vec<Arc<Peer>>>,
}

#[derive(Default)]
struct Tables {
    all: HashMap<usize, Arc<Peer>>,
    rooms: HashMap<String, Vec<Arc<Peer>>>,
    polling: HashMap<String, Waiting>,
    numbers: usize,
}

/// A polling session: its queue, and the connection of its waiting GET.
#[derive(Default)]
struct Waiting {
    packets: Vec<u8>,
    get: Option<Arc<Peer>>,
}

impl Connections {
    /// Assigns a number to a connection.
    pub fn number(&self) -> usize {
        let mut tables = self.write();
        tables.numbers += 1;
        tables.numbers
    }

    pub fn enter(&self, peer: &Arc<Peer>) {
        self.write().all.insert(peer.number, Arc::clone(peer));
    }

    pub fn join(&self, peer: &Arc<Peer>, room: &str) {
        self.write().rooms.entry(room.to_owned()).or_default().push(Arc::clone(peer));
    }

    pub fn leave(&self, peer: &Peer, rooms: &[String]) {
        let mut tables = self.write();
        tables.all.remove(&peer.number);
        for room in rooms {
            if let Some(members) = tables.rooms.get_mut(room) {
                members.retain(|member| member.number != peer.number);
            }
        }
    }

    pub fn broadcast(self: &Arc<Self>, frames: &[u8]) {
        self.send_later(self.read().all.values(), frames);
    }

    pub fn room(self: &Arc<Self>, room: &str, frames: &[u8]) {
        if let Some(members) = self.read().rooms.get(room) {
            self.send_later(members.iter(), frames);
        }
    }

    /// Opens a polling session and returns its id.
    pub fn open(&self) -> String {
        let mut tables = self.write();
        let sid = format!("p{:019}", tables.polling.len());
        tables.polling.insert(sid.clone(), Waiting::default());
        sid
    }

    /// Queues packets for a polling session, each followed by a separator.
    pub fn queue(&self, sid: &str, packets: &[u8]) {
        let mut tables = self.write();
        let Some(session) = tables.polling.get_mut(sid) else { return };
        session.packets.extend_from_slice(packets);
        if let Some(get) = session.get.take() {
            let mut out = Vec::new();
            response(&mut out, payload(&std::mem::take(&mut session.packets)));
            drop(tables);
            get.send(&out);
        }
    }

    /// Answers a GET, at once or when packets are queued.
    pub fn poll(&self, sid: &str, peer: &Arc<Peer>, out: &mut Vec<u8>) {
        let mut tables = self.write();
        let Some(session) = tables.polling.get_mut(sid) else { return };
        if session.packets.is_empty() {
            session.get = Some(Arc::clone(peer));
        } else {
            response(out, payload(&std::mem::take(&mut session.packets)));
        }
    }

    fn send_later<'a>(self: &Arc<Self>, peers: impl Iterator<Item = &'a Arc<Peer>>, frames: &[u8]) {
        let frames: Arc<[u8]> = frames.into();
        let mut dirty = lock(&self.dirty);
        let first = dirty.is_empty();
        for peer in peers {
            if peer.keep(&frames) {
                dirty.push(Arc::clone(peer));
            }
        }
        if first && !dirty.is_empty() {
            let connections = Arc::clone(self);
            tokio::spawn(async move {
                // After the tasks that are ready now.
                tokio::task::yield_now().await;
                let dirty = std::mem::take(&mut *lock(&connections.dirty));
                dirty.iter().for_each(|peer| peer.send_kept());
            });
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Packets without the last separator.
fn payload(packets: &[u8]) -> &[u8] {
    packets.strip_suffix(b"\x1e").unwrap_or(packets)
}
