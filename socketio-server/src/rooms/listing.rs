//! Counts and pages of members and rooms, without a list of all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Room;
use super::dense::Key;
use super::index::{Member, Rooms};

impl<S: Clone, M: Clone> Rooms<S, M> {
    /// Number of rooms with members, without the rooms of single ids.
    pub(crate) fn room_count(&self) -> usize {
        self.by_name.len()
    }

    /// The largest rooms with their numbers of members, by descending number and then by name.
    pub(crate) fn largest_rooms(&self, max: usize) -> Vec<(Room, usize)> {
        let sizes = self.by_name.iter().map(|(name, room)| (Reverse(self.rooms[room.0].entries.len()), name));
        smallest(sizes, max).into_iter().map(|(Reverse(len), name)| (Room::clone(name), len)).collect()
    }

    /// The members of all these rooms, or of no particular room, in the order of their ids: at most `max`
    /// whose ids follow `after`. Only members of the smallest of the rooms are visited.
    pub(crate) fn page(&self, rooms: &[&str], after: &str, max: usize) -> Vec<M> {
        let keys: Vec<_> = rooms.iter().map(|room| (*room, self.by_name.get(*room).copied())).collect();
        let follows = |member: &&Member<S, M>| {
            *member.id > *after && keys.iter().all(|(room, key)| member.is_in(room, *key))
        };
        let page = match rooms.iter().min_by_key(|room| self.room_len(room)) {
            None => {
                let members = self.members.iter().map(|(_, member)| member).filter(follows);
                smallest(members.map(|member| ById(&member.id, &member.data)), max)
            }
            Some(room) => {
                let entries = self.by_name.get(*room).map_or(&[][..], |room| &self.rooms[room.0].entries);
                let keys = entries.iter().map(|entry| entry.member).chain(self.by_id.get(*room).copied());
                let members = keys.filter_map(|key: Key| self.members.get(key)).filter(follows);
                smallest(members.map(|member| ById(&member.id, &member.data)), max)
            }
        };
        page.into_iter().map(|ById(_, member)| member.clone()).collect()
    }
}

/// Data of a member, compared by the id alone.
struct ById<'a, M>(&'a str, &'a M);

impl<M> PartialEq for ById<'_, M> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M> Eq for ById<'_, M> {}

impl<M> PartialOrd for ById<'_, M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for ById<'_, M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(other.0)
    }
}

/// The smallest items in ascending order, at most `max`. Memory for `max` items, not for all.
fn smallest<T: Ord>(items: impl Iterator<Item = T>, max: usize) -> Vec<T> {
    let mut smallest = BinaryHeap::new();
    for item in items {
        if smallest.len() < max {
            smallest.push(item);
        } else if let Some(mut largest) = smallest.peek_mut() {
            if item < *largest {
                *largest = item;
            }
        }
    }
    smallest.into_sorted_vec()
}
