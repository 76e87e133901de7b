//! Who is in which room: the index of one namespace.
//!
//! A room is a dense vector of seats, each with everything that a broadcast needs, so the hot loop follows no map.
//! A seat knows its place in the member's list and the other way round: joining and leaving cost the same however
//! large the room is. The room that every socket has under its own id takes no seat; it is found by the id.

use std::collections::HashMap;
use std::sync::Arc;

use super::dense::{Dense, Key, number, shrink, shrink_map};
use super::target::{Room, RoomEvent, Target};

/// A member of the index. Once that member is removed the key means nobody, whoever takes the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberKey {
    pub(super) at: Key,
    pub(super) generation: u32,
}

/// The rooms and members of a namespace. `S` is how a member is reached, `M` what else is known of it.
#[derive(Debug)]
pub(crate) struct Rooms<S, M> {
    pub(super) members: Dense<Member<S, M>>,
    pub(super) rooms: Dense<RoomSeats<S>>,
    generation: u32,
    pub(super) by_id: HashMap<Arc<str>, Key>,
    pub(super) by_name: HashMap<Room, RoomKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomKey(pub(super) Key);

#[derive(Debug)]
pub(super) struct Member<S, M> {
    pub(super) generation: u32,
    id: Arc<str>,
    pub(super) session: S,
    pub(super) data: M,
    places: Vec<Place>,
}

/// Where a member sits: the seat with this number in this room.
#[derive(Clone, Copy, Debug)]
struct Place {
    room: RoomKey,
    seat: u32,
}

#[derive(Debug)]
pub(super) struct RoomSeats<S> {
    name: Room,
    pub(super) seats: Vec<Seat<S>>,
}

#[derive(Debug)]
pub(super) struct Seat<S> {
    pub(super) session: S,
    pub(super) member: Key,
    /// Where the member's list says so.
    place: u32,
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
    /// Adds a member. Ids are unique; a second member with the same id takes the first one's place in look-ups.
    pub(crate) fn insert(&mut self, id: Arc<str>, session: S, data: M) -> MemberKey {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let member = Member { generation, id: Arc::clone(&id), session, data, places: Vec::new() };
        let at = self.members.insert(member);
        self.by_id.insert(id, at);
        MemberKey { at, generation }
    }

    /// Removes a member from the index and from its rooms.
    pub(crate) fn remove(&mut self, key: MemberKey, events: &mut Vec<RoomEvent>) -> Option<M> {
        self.leave_all(key, events);
        self.member(key)?;
        let member = self.members.remove(key.at)?;
        if self.by_id.get(&member.id) == Some(&key.at) {
            self.by_id.remove(&member.id);
            shrink_map(&mut self.by_id);
        }
        Some(member.data)
    }

    fn member(&self, key: MemberKey) -> Option<&Member<S, M>> {
        self.members.get(key.at).filter(|member| member.generation == key.generation)
    }

    /// Puts a member into a room. `false` if it was there.
    pub(crate) fn join(&mut self, key: MemberKey, name: &str, events: &mut Vec<RoomEvent>) -> bool {
        let member = self.members.get_mut(key.at);
        let Some(member) = member.filter(|member| member.generation == key.generation) else { return false };
        if *member.id == *name {
            return false;
        }
        let room = match self.by_name.get(name) {
            Some(room) => *room,
            None => {
                let name: Room = name.into();
                let seats = RoomSeats { name: Arc::clone(&name), seats: Vec::new() };
                let room = RoomKey(self.rooms.insert(seats));
                self.by_name.insert(Arc::clone(&name), room);
                events.push(RoomEvent::Created(name));
                room
            }
        };
        if member.places.iter().any(|place| place.room == room) {
            return false;
        }
        let seats = &mut self.rooms[room.0];
        let place = Place { room, seat: number(seats.seats.len()) };
        seats.seats.push(Seat {
            session: member.session.clone(),
            member: key.at,
            place: number(member.places.len()),
        });
        events.push(RoomEvent::Joined(Arc::clone(&seats.name), Arc::clone(&member.id)));
        member.places.push(place);
        true
    }

    /// Takes a member out of a room. `false` if it was not there.
    pub(crate) fn leave(&mut self, key: MemberKey, name: &str, events: &mut Vec<RoomEvent>) -> bool {
        let Some(&room) = self.by_name.get(name) else { return false };
        let Some(member) = self.member(key) else { return false };
        match member.places.iter().position(|place| place.room == room) {
            Some(at) => {
                self.vacate(key.at, at, events);
                true
            }
            None => false,
        }
    }

    /// Takes a member out of all rooms, the last one joined first.
    pub(crate) fn leave_all(&mut self, key: MemberKey, events: &mut Vec<RoomEvent>) {
        while let Some(at) = self.member(key).and_then(|member| member.places.len().checked_sub(1)) {
            self.vacate(key.at, at, events);
        }
    }

    fn vacate(&mut self, member: Key, at: usize, events: &mut Vec<RoomEvent>) {
        let member = &mut self.members[member];
        let place = member.places.swap_remove(at);
        let id = Arc::clone(&member.id);
        // The place that moved up has to be known to its seat.
        if let Some(moved) = member.places.get(at) {
            self.rooms[moved.room.0].seats[moved.seat as usize].place = number(at);
        }
        let room = &mut self.rooms[place.room.0];
        room.seats.swap_remove(place.seat as usize);
        shrink(&mut room.seats);
        let name = Arc::clone(&room.name);
        // And the seat that moved up has to be known to its member.
        if let Some(moved) = room.seats.get(place.seat as usize) {
            self.members[moved.member].places[moved.place as usize].seat = place.seat;
        }
        events.push(RoomEvent::Left(Arc::clone(&name), id));
        if self.rooms[place.room.0].seats.is_empty() {
            self.rooms.remove(place.room.0);
            self.by_name.remove(&name);
            shrink_map(&mut self.by_name);
            events.push(RoomEvent::Deleted(name));
        }
    }

    /// The member with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&M> {
        self.by_id.get(id).and_then(|at| self.members.get(*at)).map(|member| &member.data)
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The rooms of a member, its own id first.
    pub(crate) fn rooms_of(&self, key: MemberKey) -> Vec<Room> {
        let Some(member) = self.member(key) else { return Vec::new() };
        let joined = member.places.iter().map(|place| Arc::clone(&self.rooms[place.room.0].name));
        std::iter::once(Arc::clone(&member.id)).chain(joined).collect()
    }

    /// The names of all rooms that were joined.
    pub(crate) fn names(&self) -> Vec<Room> {
        self.by_name.keys().cloned().collect()
    }

    /// How many members a room has.
    pub(crate) fn room_len(&self, name: &str) -> usize {
        match self.by_name.get(name) {
            Some(room) => self.rooms[room.0].seats.len(),
            None => usize::from(self.by_id.contains_key(name)),
        }
    }

    /// Whether nobody is meant. Asked before a broadcast is encoded.
    pub(crate) fn is_empty(&self, target: &Target) -> bool {
        if target.rooms.is_empty() {
            self.members.is_empty()
        } else {
            !target.rooms.iter().any(|room| self.by_name.contains_key(room) || self.by_id.contains_key(room))
        }
    }
}
