//! Iteration over the members that a target selects.

use std::collections::HashSet;

use super::dense::Key;
use super::index::{MemberKey, Rooms};
use socketio_cluster::Target;

impl<S: Clone, M> Rooms<S, M> {
    /// Calls `visit` once for each selected session.
    pub(crate) fn for_each_session(&self, target: &Target, mut visit: impl FnMut(&S)) {
        self.walk(target, |_, session| visit(session));
    }

    /// Calls `visit` once for each selected member.
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
            // A socket sends to its room: a room has no duplicates, and only the sender is skipped.
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
                // A member of several rooms is visited once.
                let entries = rooms.iter().chain(except).map(|room| self.room_len(room)).sum();
                let mut seen = Visited::new(self.members.bound(), entries);
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

    /// The members of a room, and the one member with this id. Both exist if other members joined a room of
    /// that name; the member itself is visited once, because it cannot join the room of its own id.
    fn walk_room(&self, name: &str, mut visit: impl FnMut(Key, &S)) {
        let own = self.by_id.get(name).copied();
        if let Some((at, member)) = own.and_then(|at| Some((at, self.members.get(at)?))) {
            visit(at, &member.session);
        }
        if let Some(room) = self.by_name.get(name) {
            for entry in &self.rooms[room.0].entries {
                visit(entry.member, &entry.session);
            }
        }
    }
}

/// Set of visited members: one bit per member, or a hash set for few members. The cost of a broadcast does
/// not grow with members that it does not select.
enum Visited {
    Bits(Vec<u64>),
    Set(HashSet<Key>),
}

impl Visited {
    fn new(members: usize, looked_at: usize) -> Self {
        if looked_at < members / 64 {
            Self::Set(HashSet::with_capacity(looked_at))
        } else {
            Self::Bits(vec![0; members.div_ceil(64)])
        }
    }

    /// Returns `true` for the first visit.
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
