use std::collections::{BTreeMap, BTreeSet};

use super::index::{MemberKey, Rooms};
use super::{Room, RoomEvent, RoomEvents, Target};

/// Reference model: the rooms of each member in plain sets.
#[derive(Default)]
struct Plain {
    members: BTreeMap<usize, BTreeSet<String>>,
}

impl Plain {
    fn selected(&self, target: &Target) -> BTreeSet<usize> {
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

/// Deterministic pseudo-random numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }
}

#[test]
fn the_index_agrees_with_a_reference_model() {
    let mut numbers = Numbers(7);
    let mut rooms: Rooms<usize, usize> = Rooms::default();
    let mut keys: BTreeMap<usize, MemberKey> = BTreeMap::new();
    let mut plain = Plain::default();
    let mut events = RoomEvents::new(true);
    let mut next = 0;
    for _ in 0..20_000 {
        let room = format!("r{}", numbers.below(6));
        let member = keys.keys().copied().nth(numbers.below(keys.len().max(1)));
        match (numbers.below(10), member) {
            (0 | 1, _) | (_, None) => {
                keys.insert(next, rooms.insert(format!("id{next}").into(), next, next, &mut events));
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
        assert_eq!(met.len(), once.len(), "no member is visited twice");
        assert_eq!(once, plain.selected(&target), "{target:?}");
        check_listing(&rooms, &plain, &pick(&mut numbers), numbers.below(next.max(1)), numbers.below(4));
    }
    // Every created room that does not exist any more was deleted.
    let count = |wanted: fn(&RoomEvent) -> bool| events.list().iter().filter(|event| wanted(event)).count();
    let created = count(|event| matches!(event, RoomEvent::Created(_)));
    let deleted = count(|event| matches!(event, RoomEvent::Deleted(_)));
    assert_eq!(created - deleted, rooms.names().len() + rooms.len());
    assert_eq!(created - deleted, rooms.names_and_ids().len());
}

/// Compares a page of members and the sizes of rooms with the reference model.
fn check_listing(rooms: &Rooms<usize, usize>, plain: &Plain, names: &[Room], after: usize, max: usize) {
    let after = format!("id{after}");
    let is_in = |id: &usize, joined: &BTreeSet<String>| {
        names.iter().all(|name| joined.contains(&**name) || format!("id{id}") == **name)
    };
    let members = plain.members.iter().filter(|(id, joined)| is_in(id, joined));
    let mut page: Vec<_> = members.map(|(id, _)| (format!("id{id}"), *id)).collect();
    page.retain(|(id, _)| *id > after);
    page.sort();
    page.truncate(max);
    let found = rooms.page(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>(), &after, max);
    assert_eq!(found, page.iter().map(|(_, id)| *id).collect::<Vec<_>>(), "{names:?} {after} {max}");

    let mut sizes = BTreeMap::<&str, usize>::new();
    plain.members.values().flatten().for_each(|room| *sizes.entry(room).or_default() += 1);
    assert_eq!(rooms.room_count(), sizes.len());
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|(name, len)| (std::cmp::Reverse(*len), *name));
    sizes.truncate(max);
    let largest = rooms.largest_rooms(max);
    assert_eq!(largest.iter().map(|(name, len)| (&**name, *len)).collect::<Vec<_>>(), sizes);
}

/// A removed socket that still joins rooms must not affect the new owner of its slot.
#[test]
fn a_key_is_invalid_after_its_member_was_removed() {
    let mut rooms: Rooms<(), ()> = Rooms::default();
    let mut events = RoomEvents::default();
    let removed = rooms.insert("removed".into(), (), (), &mut events);
    rooms.remove(removed, &mut events);
    let next = rooms.insert("next".into(), (), (), &mut events);
    rooms.join(next, "room", &mut events);
    assert!(!rooms.join(removed, "other", &mut events));
    assert!(!rooms.leave(removed, "room", &mut events));
    rooms.leave_all(removed, &mut events);
    assert!(rooms.remove(removed, &mut events).is_none());
    assert_eq!(rooms.rooms_of(removed), Vec::<Room>::new());
    assert_eq!(rooms.rooms_of(next), ["next".into(), "room".into()] as [Room; 2]);
}

#[test]
fn an_empty_target_is_detected_before_encoding() {
    let mut rooms: Rooms<(), ()> = Rooms::default();
    assert!(rooms.is_empty(&Target::default()));
    let key = rooms.insert("a".into(), (), (), &mut RoomEvents::default());
    assert!(!rooms.is_empty(&Target::default()));
    let target = |name: &str| Target { rooms: vec![name.into()], except: Vec::new() };
    assert!(!rooms.is_empty(&target("a")), "the room under its own id");
    assert!(rooms.is_empty(&target("x")));
    rooms.join(key, "x", &mut RoomEvents::default());
    assert!(!rooms.is_empty(&target("x")));
    assert_eq!((rooms.room_len("x"), rooms.room_len("a"), rooms.len()), (1, 1, 1));
}

/// A room is created with its first member and deleted with its last one, whether a member has its name as id
/// or not.
#[test]
fn a_room_under_an_id_has_the_events_of_a_room() {
    let mut rooms: Rooms<(), ()> = Rooms::default();
    let mut events = RoomEvents::new(true);
    let told = |events: &mut RoomEvents| {
        let told = std::mem::replace(events, RoomEvents::new(true));
        told.list().to_vec()
    };
    let created = |room: &str| RoomEvent::Created(room.into());
    let deleted = |room: &str| RoomEvent::Deleted(room.into());
    let joined = |room: &str, id: &str| RoomEvent::Joined(room.into(), id.into());
    let left = |room: &str, id: &str| RoomEvent::Left(room.into(), id.into());

    let a = rooms.insert("a".into(), (), (), &mut events);
    let b = rooms.insert("b".into(), (), (), &mut events);
    assert_eq!(told(&mut events), [created("a"), joined("a", "a"), created("b"), joined("b", "b")]);
    rooms.join(a, "b", &mut events);
    assert_eq!(told(&mut events), [joined("b", "a")], "the room of the other member exists");
    rooms.remove(b, &mut events);
    assert_eq!(told(&mut events), [left("b", "b")], "a member is still in it");
    let b = rooms.insert("b".into(), (), (), &mut events);
    assert_eq!(told(&mut events), [joined("b", "b")]);
    rooms.leave(a, "b", &mut events);
    assert_eq!(told(&mut events), [left("b", "a")]);
    rooms.remove(b, &mut events);
    assert_eq!(told(&mut events), [left("b", "b"), deleted("b")]);
}

/// The official server keeps the rooms of a socket in the order of joining, and leaves them in it.
#[test]
fn rooms_are_left_in_the_order_of_joining() {
    let mut rooms: Rooms<(), ()> = Rooms::default();
    let mut events = RoomEvents::default();
    let key = rooms.insert("id".into(), (), (), &mut events);
    let other = rooms.insert("other".into(), (), (), &mut events);
    for room in ["1", "2", "3", "4", "5"] {
        rooms.join(other, room, &mut events);
        rooms.join(key, room, &mut events);
    }
    rooms.leave(key, "2", &mut events);
    assert_eq!(rooms.rooms_of(key), ["id", "1", "3", "4", "5"].map(Room::from));
    assert!(events.list().is_empty(), "nobody wants the events");
    let mut events = RoomEvents::new(true);
    rooms.remove(key, &mut events);
    let left = ["id", "1", "3", "4", "5"].map(|room| RoomEvent::Left(room.into(), "id".into()));
    let deleted = RoomEvent::Deleted("id".into());
    assert_eq!(events.list(), [&left[..1], &[deleted], &left[1..]].concat());
    assert_eq!(rooms.rooms_of(other).len(), 6);
    rooms.leave_all(other, &mut events);
    assert_eq!(rooms.room_count(), 0);
}
