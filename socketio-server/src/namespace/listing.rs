//! The sockets and rooms of a namespace on this server.

use std::sync::atomic::Ordering;

use super::Namespace;
use crate::rooms::{Room, Target};
use crate::socket::Socket;

impl Namespace {
    /// The socket with this id, if it is on this server.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        let member = self.0.node.rooms.read().find(id).cloned();
        member.and_then(Socket::from_member)
    }

    /// All sockets of the namespace on this server.
    pub fn sockets(&self) -> Vec<Socket> {
        let members = self.0.node.rooms.members(&Target::default());
        members.into_iter().filter_map(Socket::from_member).collect()
    }

    /// One page of the sockets of the namespace on this server, in the order of their ids: at most `max`,
    /// from the first id that follows `after`. With `rooms` only sockets that are in all of these rooms.
    ///
    /// An empty `after` is the beginning; the id of the last socket of a page leads to the next page, also if
    /// that socket has disconnected. It visits the members of the smallest of the rooms, or all sockets, and
    /// takes memory for one page.
    pub fn sockets_page(&self, rooms: &[&str], after: &str, max: usize) -> Vec<Socket> {
        let members = self.0.node.rooms.read().page(rooms, after, max);
        members.into_iter().filter_map(Socket::from_member).collect()
    }

    /// Number of sockets of the namespace on this server.
    pub fn len(&self) -> usize {
        self.0.node.rooms.read().len()
    }

    /// Whether the namespace has no sockets on this server.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the rooms that sockets of this server have joined.
    pub fn rooms(&self) -> Vec<Room> {
        self.0.node.rooms.read().names()
    }

    /// Number of rooms that sockets of this server have joined.
    pub fn room_count(&self) -> usize {
        self.0.node.rooms.read().room_count()
    }

    /// The largest rooms that sockets of this server have joined, with the numbers of their members: at most
    /// `max`, the largest first.
    pub fn largest_rooms(&self, max: usize) -> Vec<(Room, usize)> {
        self.0.node.rooms.read().largest_rooms(max)
    }

    /// Number of sockets of this server in a room.
    pub fn room_len(&self, room: &str) -> usize {
        self.0.node.rooms.read().room_len(room)
    }

    /// Number of joins that had no effect because the socket was in too many rooms, those of
    /// [`Socket::try_join`] not included: see [`Config::max_rooms`](crate::Config::max_rooms).
    pub fn refused_joins(&self) -> u64 {
        self.0.node.rooms.refused_joins.load(Ordering::Relaxed)
    }
}
