//! The tables of connections, rooms and users.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::Connection;
use crate::message::Message;

/// A snapshot of a room. A room is created with its first member, and removed with its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The name.
    pub name: Arc<str>,
    /// Time at which the room was created.
    pub created_at: SystemTime,
    /// Number of connections in the room.
    pub len: usize,
}

/// Errors of joining a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The connection does not exist (any more).
    #[error("the connection has ended")]
    Gone,
    /// The connection is in the maximum number of rooms.
    #[error("the connection is in too many rooms")]
    TooManyRooms,
}

/// The connections of a server. Rooms and users refer to their connections by id.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    connections: HashMap<Arc<str>, Connection>,
    users: HashMap<Arc<str>, HashSet<Arc<str>>>,
    rooms: BTreeMap<Arc<str>, Members>,
    closed: bool,
}

#[derive(Debug)]
struct Members {
    created_at: SystemTime,
    ids: HashSet<Arc<str>>,
}

impl Members {
    fn room(&self, name: &Arc<str>) -> Room {
        Room { name: Arc::clone(name), created_at: self.created_at, len: self.ids.len() }
    }
}

/// Reasons why a connection is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    ShuttingDown,
    Full,
}

/// The receivers of a message.
pub(crate) enum Target<'a> {
    All,
    Room(&'a str),
    User(&'a str),
}

impl Registry {
    /// Adds a connection. An error is the reason why there is no place for it.
    pub(crate) fn insert(&mut self, connection: &Connection, max: usize) -> Result<(), NoPlace> {
        if self.closed {
            return Err(NoPlace::ShuttingDown);
        }
        if self.connections.len() >= max {
            return Err(NoPlace::Full);
        }
        if let Some(user) = connection.user_shared() {
            self.users.entry(user).or_default().insert(connection.id_shared());
        }
        self.connections.insert(connection.id_shared(), connection.clone());
        Ok(())
    }

    /// Removes a connection, also from its rooms, and returns these rooms without it.
    pub(crate) fn remove(&mut self, connection: &Connection) -> Vec<Room> {
        self.connections.remove(connection.id());
        if let Some(user) = connection.user() {
            if let Some(ids) = self.users.get_mut(user) {
                ids.remove(connection.id());
                if ids.is_empty() {
                    self.users.remove(user);
                }
            }
        }
        let joined = std::mem::take(&mut *connection.joined());
        joined.iter().filter_map(|name| self.take_out(name, connection.id())).collect()
    }

    /// Returns `Ok(None)` if the connection is already in the room.
    pub(crate) fn join(
        &mut self,
        id: &str,
        room: &str,
        max_rooms: usize,
    ) -> Result<Option<Joined>, JoinError> {
        let connection = self.connections.get(id).ok_or(JoinError::Gone)?.clone();
        let mut joined = connection.joined();
        if joined.contains(room) {
            return Ok(None);
        }
        if joined.len() >= max_rooms {
            return Err(JoinError::TooManyRooms);
        }
        let name = self.rooms.get_key_value(room).map_or_else(|| room.into(), |(name, _)| Arc::clone(name));
        joined.insert(Arc::clone(&name));
        drop(joined);
        let new = || Members { created_at: SystemTime::now(), ids: HashSet::new() };
        let members = self.rooms.entry(Arc::clone(&name)).or_insert_with(new);
        members.ids.insert(connection.id_shared());
        let room = members.room(&name);
        Ok(Some(Joined { connection, room }))
    }

    /// Returns `None` if the connection was not in the room.
    pub(crate) fn leave(&mut self, id: &str, room: &str) -> Option<Joined> {
        let connection = self.connections.get(id)?.clone();
        let name = connection.joined().take(room)?;
        let room = self.take_out(&name, id)?;
        Some(Joined { connection, room })
    }

    fn take_out(&mut self, name: &Arc<str>, id: &str) -> Option<Room> {
        let members = self.rooms.get_mut(name)?;
        members.ids.remove(id);
        let room = members.room(name);
        if members.ids.is_empty() {
            self.rooms.remove(name);
        }
        Some(room)
    }

    /// Refuses all further connections.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn connection(&self, id: &str) -> Option<&Connection> {
        self.connections.get(id)
    }

    pub(crate) fn connections(&self) -> impl ExactSizeIterator<Item = &Connection> {
        self.connections.values()
    }

    pub(crate) fn room(&self, name: &str) -> Option<Room> {
        self.rooms.get_key_value(name).map(|(name, members)| members.room(name))
    }

    pub(crate) fn rooms(&self) -> impl ExactSizeIterator<Item = Room> + '_ {
        self.rooms.iter().map(|(name, members)| members.room(name))
    }

    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// The connections of a target.
    pub(crate) fn meant(&self, target: &Target<'_>) -> Vec<&Connection> {
        let by_ids = |ids: Option<&HashSet<Arc<str>>>| {
            ids.into_iter().flatten().filter_map(|id| self.connections.get(id)).collect()
        };
        match target {
            Target::All => self.connections.values().collect(),
            Target::Room(name) => by_ids(self.rooms.get(*name).map(|members| &members.ids)),
            Target::User(user) => by_ids(self.users.get(*user)),
        }
    }

    /// Sends one message to all connections of a target, and returns their number. The caller must hold the
    /// lock, so that two messages arrive in the same order everywhere.
    pub(crate) fn send(&self, target: &Target<'_>, message: &Message, exclude: &HashSet<String>) -> usize {
        let meant = self.meant(target).into_iter().filter(|connection| !exclude.contains(connection.id()));
        meant.filter(|connection| connection.send(message).is_ok()).count()
    }
}

/// A connection and the room that it joined or left.
pub(crate) struct Joined {
    pub(crate) connection: Connection,
    pub(crate) room: Room,
}
