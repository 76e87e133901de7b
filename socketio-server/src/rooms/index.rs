//! Who is in which room: the index of one namespace.
//!
//! A room is a dense vector of seats, each with everything that a broadcast needs, so the hot loop follows no map.
//! A seat knows its place in the member's list and the other way round: joining and leaving cost the same however
//! large the room is. The room that every socket has under its own id takes no seat; it is found by the id.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::dense::{Dense, Key, number, shrink, shrink_map};

/// The name of a room.
pub type Room = Arc<str>;

/// A member of the index. Once that member is removed the key means nobody, whoever takes the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberKey {
    at: Key,
    generation: u32,
}

/// The rooms and members of a namespace. `S` is how a member is reached, `M` what else is known of it.
#[derive(Debug)]
pub(crate) struct Rooms<S, M> {
    members: Dense<Member<S, M>>,
    rooms: Dense<RoomSeats<S>>,
    generation: u32,
    by_id: HashMap<Arc<str>, Key>,
    by_name: HashMap<Room, RoomKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RoomKey(Key);

#[derive(Debug)]
struct Member<S, M> {
    generation: u32,
    id: Arc<str>,
    session: S,
    data: M,
    places: Vec<Place>,
}

/// Where a member sits: the seat with this number in this room.
#[derive(Clone, Copy, Debug)]
struct Place {
    room: RoomKey,
    seat: u32,
}

#[derive(Debug)]
struct RoomSeats<S> {
    name: Room,
    seats: Vec<Seat<S>>,
}

#[derive(Debug)]
struct Seat<S> {
    session: S,
    member: Key,
    /// Where the member's list says so.
    place: u32,
}

/// Which sockets of a namespace a broadcast or an operation is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Members of any of these rooms; everybody when there are none.
    pub rooms: Vec<Room>,
    /// But not the members of these.
    pub except: Vec<Room>,
}

impl Target {
    /// Whether a socket in these rooms is meant.
    pub fn means(&self, rooms: &[Room]) -> bool {
        let meets = |listed: &[Room]| listed.iter().any(|room| rooms.contains(room));
        (self.rooms.is_empty() || meets(&self.rooms)) && !meets(&self.except)
    }
}

/// What changed in the set of rooms, for those who want to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// A room came to be.
    Created(Room),
    /// A socket, by its id, joined a room.
    Joined(Room, Arc<str>),
    /// A socket, by its id, left a room.
    Left(Room, Arc<str>),
    /// The last socket left a room.
    Deleted(Room),
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

    /// Calls `visit` once for each session that a target means.
    pub(crate) fn for_each_session(&self, target: &Target, mut visit: impl FnMut(&S)) {
        self.walk(target, |_, session| visit(session));
    }

    /// Calls `visit` once for each member that a target means.
    pub(crate) fn for_each(&self, target: &Target, mut visit: impl FnMut(MemberKey, &S, &M)) {
        self.walk(target, |at, session| {
            if let Some(member) = self.members.get(at) {
                visit(MemberKey { at, generation: member.generation }, session, &member.data);
            }
        });
    }

    fn walk(&self, target: &Target, mut visit: impl FnMut(Key, &S)) {
        match (&*target.rooms, &*target.except) {
            ([], []) => self.walk_all(visit),
            ([room], []) => self.walk_room(room, visit),
            // What a socket sends to its room: nobody is in there twice, and only the one is left out.
            ([room], [one]) if !self.by_name.contains_key(one) => {
                let left_out = self.by_id.get(one);
                self.walk_room(room, |at, session| {
                    if Some(&at) != left_out {
                        visit(at, session);
                    }
                });
            }
            ([], [one]) if !self.by_name.contains_key(one) => {
                let left_out = self.by_id.get(one);
                self.walk_all(|at, session| {
                    if Some(&at) != left_out {
                        visit(at, session);
                    }
                });
            }
            (rooms, except) => {
                // A member may sit in several of the rooms, and only the first time counts.
                let seats = rooms.iter().chain(except).map(|room| self.room_len(room)).sum();
                let mut seen = Marks::new(self.members.bound(), seats);
                for room in except {
                    self.walk_room(room, |at, _| {
                        seen.mark(at);
                    });
                }
                let mut once = |at, session: &S| {
                    if seen.mark(at) {
                        visit(at, session);
                    }
                };
                if rooms.is_empty() {
                    self.walk_all(&mut once);
                }
                for room in rooms {
                    self.walk_room(room, &mut once);
                }
            }
        }
    }

    fn walk_all(&self, mut visit: impl FnMut(Key, &S)) {
        for (at, member) in self.members.iter() {
            visit(at, &member.session);
        }
    }

    /// A room by name, or the one member whose id it is. Both, should somebody have joined a room of that name; the
    /// one member only once, as it cannot join the room of its own id.
    fn walk_room(&self, name: &str, mut visit: impl FnMut(Key, &S)) {
        let own = self.by_id.get(name).copied();
        if let Some((at, member)) = own.and_then(|at| Some((at, self.members.get(at)?))) {
            visit(at, &member.session);
        }
        if let Some(room) = self.by_name.get(name) {
            for seat in &self.rooms[room.0].seats {
                visit(seat.member, &seat.session);
            }
        }
    }
}

/// The members that were met: a bit for each member there is, or a set when few are looked at. So what a broadcast
/// costs does not grow with those whom it does not concern.
enum Marks {
    Bits(Vec<u64>),
    Set(HashSet<Key>),
}

impl Marks {
    fn new(members: usize, looked_at: usize) -> Self {
        if looked_at < members / 64 {
            Self::Set(HashSet::with_capacity(looked_at))
        } else {
            Self::Bits(vec![0; members.div_ceil(64)])
        }
    }

    /// `true` the first time.
    fn mark(&mut self, at: Key) -> bool {
        match self {
            Self::Set(set) => set.insert(at),
            Self::Bits(words) => {
                let (word, bit) = (at as usize / 64, 1 << (at % 64));
                let fresh = words[word] & bit == 0;
                words[word] |= bit;
                fresh
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// What the index has to agree with: the rooms of each member, written down plainly.
    #[derive(Default)]
    struct Plain {
        members: BTreeMap<usize, BTreeSet<String>>,
    }

    impl Plain {
        fn meant(&self, target: &Target) -> BTreeSet<usize> {
            let in_any = |id: usize, rooms: &BTreeSet<String>, names: &[Room]| {
                names.iter().any(|name| rooms.contains(&**name) || format!("id{id}") == **name)
            };
            let members = self.members.iter().filter(|(id, rooms)| {
                (target.rooms.is_empty() || in_any(**id, rooms, &target.rooms))
                    && !in_any(**id, rooms, &target.except)
            });
            members.map(|(id, _)| *id).collect()
        }
    }

    /// Numbers that look random and are the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap_or(0) % limit
        }
    }

    #[test]
    fn agrees_with_a_plain_list_whatever_happens() {
        let mut numbers = Numbers(7);
        let mut rooms: Rooms<usize, usize> = Rooms::default();
        let mut keys: BTreeMap<usize, MemberKey> = BTreeMap::new();
        let mut plain = Plain::default();
        let mut events = Vec::new();
        let mut next = 0;
        for _ in 0..20_000 {
            let room = format!("r{}", numbers.below(6));
            let member = keys.keys().copied().nth(numbers.below(keys.len().max(1)));
            match (numbers.below(10), member) {
                (0 | 1, _) | (_, None) => {
                    keys.insert(next, rooms.insert(format!("id{next}").into(), next, next));
                    plain.members.insert(next, BTreeSet::new());
                    next += 1;
                }
                (2, Some(id)) => {
                    assert_eq!(rooms.remove(keys.remove(&id).unwrap(), &mut events), Some(id));
                    plain.members.remove(&id);
                }
                (3, Some(id)) => {
                    rooms.leave_all(keys[&id], &mut events);
                    plain.members.get_mut(&id).unwrap().clear();
                }
                (4 | 5, Some(id)) => {
                    let left = rooms.leave(keys[&id], &room, &mut events);
                    assert_eq!(left, plain.members.get_mut(&id).unwrap().remove(&room));
                }
                (_, Some(id)) => {
                    let joined = rooms.join(keys[&id], &room, &mut events);
                    assert_eq!(joined, plain.members.get_mut(&id).unwrap().insert(room));
                }
            }
            let pick = |numbers: &mut Numbers| -> Vec<Room> {
                (0..numbers.below(3))
                    .map(|_| match numbers.below(8) {
                        7 => format!("id{}", numbers.below(next.max(1))).into(),
                        room => format!("r{room}").into(),
                    })
                    .collect()
            };
            let target = Target { rooms: pick(&mut numbers), except: pick(&mut numbers) };
            let mut met = Vec::new();
            rooms.for_each_session(&target, |session| met.push(*session));
            let once: BTreeSet<usize> = met.iter().copied().collect();
            assert_eq!(met.len(), once.len(), "nobody twice");
            assert_eq!(once, plain.meant(&target), "{target:?}");
        }
        // Every room that was created and is not there any more was deleted.
        let count = |wanted: fn(&RoomEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
        let created = count(|event| matches!(event, RoomEvent::Created(_)));
        let deleted = count(|event| matches!(event, RoomEvent::Deleted(_)));
        assert_eq!(created - deleted, rooms.names().len());
    }

    /// A socket that left and still joins rooms must not put whoever took its place into them.
    #[test]
    fn a_key_dies_with_its_member() {
        let mut rooms: Rooms<(), ()> = Rooms::default();
        let mut events = Vec::new();
        let gone = rooms.insert("gone".into(), (), ());
        rooms.remove(gone, &mut events);
        let next = rooms.insert("next".into(), (), ());
        rooms.join(next, "room", &mut events);
        assert!(!rooms.join(gone, "other", &mut events));
        assert!(!rooms.leave(gone, "room", &mut events));
        rooms.leave_all(gone, &mut events);
        assert!(rooms.remove(gone, &mut events).is_none());
        assert_eq!(rooms.rooms_of(gone), Vec::<Room>::new());
        assert_eq!(rooms.rooms_of(next), ["next".into(), "room".into()] as [Room; 2]);
    }

    #[test]
    fn an_empty_target_is_known_beforehand() {
        let mut rooms: Rooms<(), ()> = Rooms::default();
        assert!(rooms.is_empty(&Target::default()));
        let key = rooms.insert("a".into(), (), ());
        assert!(!rooms.is_empty(&Target::default()));
        let target = |name: &str| Target { rooms: vec![name.into()], except: Vec::new() };
        assert!(!rooms.is_empty(&target("a")), "the room under its own id");
        assert!(rooms.is_empty(&target("x")));
        rooms.join(key, "x", &mut Vec::new());
        assert!(!rooms.is_empty(&target("x")));
        assert_eq!((rooms.room_len("x"), rooms.room_len("a"), rooms.len()), (1, 1, 1));
    }
}
