//! The index of one namespace: which member is in which room.
//!
//! A room is a dense vector of entries. An entry holds everything that a broadcast needs, so the hot loop
//! looks up no map. Entry and membership refer to each other by index, so joining and leaving a room cost the
//! same for rooms of any size. Every socket has a room under its own id, which needs no entry; it is found by
//! the id.

use std::collections::HashMap;
use std::sync::Arc;

use super::dense::{Dense, Key, number, shrink, shrink_map};
use super::room_event::{RoomEvent, RoomEvents};
use socketio_cluster::{Room, Target};

/// Key of a member. After the removal of the member the key is invalid, even if the slot is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberKey {
    pub(super) at: Key,
    pub(super) generation: u32,
}

/// Rooms and members of a namespace. `S` is the handle for sending to a member, `M` its further data.
#[derive(Debug)]
pub(crate) struct Rooms<S, M> {
    pub(super) members: Dense<Member<S, M>>,
    pub(super) rooms: Dense<RoomMembers<S>>,
    generation: u32,
    pub(super) by_id: HashMap<Arc<str>, Key>,
    pub(super) by_name: HashMap<Room, RoomKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomKey(pub(super) Key);

#[derive(Debug)]
pub(super) struct Member<S, M> {
    pub(super) generation: u32,
    pub(super) id: Arc<str>,
    pub(super) session: S,
    pub(super) data: M,
    memberships: Vec<Membership>,
}

/// Position of a member in a room: the index of its entry.
#[derive(Clone, Copy, Debug)]
struct Membership {
    room: RoomKey,
    entry: u32,
}

#[derive(Debug)]
pub(super) struct RoomMembers<S> {
    name: Room,
    pub(super) entries: Vec<RoomEntry<S>>,
}

#[derive(Debug)]
pub(super) struct RoomEntry<S> {
    pub(super) session: S,
    pub(super) member: Key,
    /// Index in the member's list of memberships.
    membership: u32,
}

impl<S, M> Member<S, M> {
    /// Whether the member is in a room; `key` is that of the room, unless only an id has this name.
    pub(super) fn is_in(&self, name: &str, key: Option<RoomKey>) -> bool {
        *self.id == *name
            || key.is_some_and(|key| self.memberships.iter().any(|membership| membership.room == key))
    }
}

impl<S, M> Default for Rooms<S, M> {
    fn default() -> Self {
        Self {
            members: Dense::default(),
            rooms: Dense::default(),
            generation: 0,
            by_id: HashMap::new(),
            by_name: HashMap::new(),
        }
    }
}

impl<S: Clone, M> Rooms<S, M> {
    /// Adds a member. Ids are unique; a second member with the same id replaces the first one in look-ups.
    pub(crate) fn insert(&mut self, id: Arc<str>, session: S, data: M, events: &mut RoomEvents) -> MemberKey {
        if events.are_wanted() {
            if !self.has_room(&id) {
                events.add(|| RoomEvent::Created(Arc::clone(&id)));
            }
            events.add(|| RoomEvent::Joined(Arc::clone(&id), Arc::clone(&id)));
        }
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let member = Member { generation, id: Arc::clone(&id), session, data, memberships: Vec::new() };
        let at = self.members.insert(member);
        self.by_id.insert(id, at);
        MemberKey { at, generation }
    }

    /// Removes a member from the index and from its rooms: first from the one under its own id, then from the
    /// others in the order in which it joined them.
    pub(crate) fn remove(&mut self, key: MemberKey, events: &mut RoomEvents) -> Option<M> {
        let id = Arc::clone(&self.member(key)?.id);
        if self.by_id.get(&id) == Some(&key.at) {
            self.by_id.remove(&id);
            shrink_map(&mut self.by_id);
        }
        if events.are_wanted() {
            events.add(|| RoomEvent::Left(Arc::clone(&id), Arc::clone(&id)));
            if !self.has_room(&id) {
                events.add(|| RoomEvent::Deleted(id));
            }
        }
        self.leave_all(key, events);
        self.members.remove(key.at).map(|member| member.data)
    }

    fn member(&self, key: MemberKey) -> Option<&Member<S, M>> {
        self.members.get(key.at).filter(|member| member.generation == key.generation)
    }

    /// Whether a member with at most `max` rooms may join this one: it is in fewer rooms, or in this one already.
    pub(crate) fn may_join(&self, key: MemberKey, name: &str, max: usize) -> bool {
        let Some(member) = self.member(key) else { return true };
        member.memberships.len() < max || member.is_in(name, self.by_name.get(name).copied())
    }

    /// Adds a member to a room. Returns `false` if it was in the room before.
    pub(crate) fn join(&mut self, key: MemberKey, name: &str, events: &mut RoomEvents) -> bool {
        let member = self.members.get_mut(key.at);
        let Some(member) = member.filter(|member| member.generation == key.generation) else { return false };
        if *member.id == *name {
            return false;
        }
        let room = match self.by_name.get(name) {
            Some(room) => *room,
            None => {
                let name: Room = name.into();
                let entries = RoomMembers { name: Arc::clone(&name), entries: Vec::new() };
                let room = RoomKey(self.rooms.insert(entries));
                self.by_name.insert(Arc::clone(&name), room);
                // If a member has this id, the room exists already.
                if events.are_wanted() && !self.by_id.contains_key(&name) {
                    events.add(|| RoomEvent::Created(name));
                }
                room
            }
        };
        if member.memberships.iter().any(|membership| membership.room == room) {
            return false;
        }
        let entries = &mut self.rooms[room.0];
        let membership = Membership { room, entry: number(entries.entries.len()) };
        entries.entries.push(RoomEntry {
            session: member.session.clone(),
            member: key.at,
            membership: number(member.memberships.len()),
        });
        events.add(|| RoomEvent::Joined(Arc::clone(&entries.name), Arc::clone(&member.id)));
        member.memberships.push(membership);
        true
    }

    /// Removes a member from a room. Returns `false` if it was not in the room.
    pub(crate) fn leave(&mut self, key: MemberKey, name: &str, events: &mut RoomEvents) -> bool {
        let Some(&room) = self.by_name.get(name) else { return false };
        let Some(member) = self.member(key) else { return false };
        let Some(at) = member.memberships.iter().position(|membership| membership.room == room) else {
            return false;
        };
        let member = &mut self.members[key.at];
        // The order of joining is kept, so the later memberships move and their entries need the new index.
        let membership = member.memberships.remove(at);
        for (at, moved) in member.memberships.iter().enumerate().skip(at) {
            self.rooms[moved.room.0].entries[moved.entry as usize].membership = number(at);
        }
        let id = Arc::clone(&member.id);
        self.remove_entry(membership, &id, events);
        true
    }

    /// Removes a member from all rooms except the one under its own id, in the order in which it joined them.
    pub(crate) fn leave_all(&mut self, key: MemberKey, events: &mut RoomEvents) {
        let member = self.members.get_mut(key.at).filter(|member| member.generation == key.generation);
        let Some(member) = member else { return };
        let (memberships, id) = (std::mem::take(&mut member.memberships), Arc::clone(&member.id));
        for membership in memberships {
            self.remove_entry(membership, &id, events);
        }
    }

    /// Removes the entry of a membership, which the member has no longer.
    fn remove_entry(&mut self, membership: Membership, id: &Arc<str>, events: &mut RoomEvents) {
        let room = &mut self.rooms[membership.room.0];
        room.entries.swap_remove(membership.entry as usize);
        shrink(&mut room.entries);
        // `swap_remove` moved the last entry, which belongs to another member, so its membership needs the
        // new index.
        if let Some(moved) = room.entries.get(membership.entry as usize) {
            self.members[moved.member].memberships[moved.membership as usize].entry = membership.entry;
        }
        events.add(|| RoomEvent::Left(Arc::clone(&room.name), Arc::clone(id)));
        if room.entries.is_empty() {
            if let Some(RoomMembers { name, .. }) = self.rooms.remove(membership.room.0) {
                self.by_name.remove(&name);
                shrink_map(&mut self.by_name);
                // If a member has this id, the room still exists.
                if events.are_wanted() && !self.by_id.contains_key(&name) {
                    events.add(|| RoomEvent::Deleted(name));
                }
            }
        }
    }

    /// The member with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&M> {
        self.by_id.get(id).and_then(|at| self.members.get(*at)).map(|member| &member.data)
    }

    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The rooms of a member, its own id first.
    pub(crate) fn rooms_of(&self, key: MemberKey) -> Vec<Room> {
        let Some(member) = self.member(key) else { return Vec::new() };
        let joined =
            member.memberships.iter().map(|membership| Arc::clone(&self.rooms[membership.room.0].name));
        std::iter::once(Arc::clone(&member.id)).chain(joined).collect()
    }

    /// Whether a member is in a room. The room under its own id counts.
    pub(crate) fn is_in(&self, key: MemberKey, name: &str) -> bool {
        self.member(key).is_some_and(|member| {
            *member.id == *name
                || member.memberships.iter().any(|membership| *self.rooms[membership.room.0].name == *name)
        })
    }

    /// The names of all rooms with members, without the rooms of single ids.
    pub(crate) fn names(&self) -> Vec<Room> {
        self.by_name.keys().cloned().collect()
    }

    /// The names of all rooms with members, the ids of the members among them.
    pub(crate) fn names_and_ids(&self) -> Vec<Room> {
        let named = self.by_name.keys().filter(|name| !self.by_id.contains_key(*name));
        self.by_id.keys().chain(named).cloned().collect()
    }

    /// Whether the room has a member.
    pub(crate) fn has_room(&self, name: &str) -> bool {
        self.by_name.contains_key(name) || self.by_id.contains_key(name)
    }

    /// Number of members of a room.
    pub(crate) fn room_len(&self, name: &str) -> usize {
        match self.by_name.get(name) {
            Some(room) => self.rooms[room.0].entries.len(),
            None => usize::from(self.by_id.contains_key(name)),
        }
    }

    /// No more members than these are selected by the target.
    pub(crate) fn at_most(&self, target: &Target) -> usize {
        if target.rooms.is_empty() {
            return self.len();
        }
        let of_rooms = target.rooms.iter().map(|room| self.room_len(room)).sum::<usize>();
        of_rooms.min(self.len())
    }

    /// Whether the target selects no member. Checked before a broadcast is encoded.
    pub(crate) fn is_empty(&self, target: &Target) -> bool {
        if target.rooms.is_empty() {
            self.members.is_empty()
        } else {
            !target.rooms.iter().any(|room| self.has_room(room))
        }
    }
}

/// A key for tests that need no index.
#[cfg(test)]
pub(crate) fn test_key() -> MemberKey {
    MemberKey { at: 0, generation: 0 }
}
