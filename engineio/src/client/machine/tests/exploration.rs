//! The interleavings of a driver, a server, an application, the network and the clock: all of them up to a
//! depth, and long random ones.

use std::collections::HashSet;

use super::super::*;
use super::world::{EVENTS, Event, World};

/// The events of one kind of session. The random walks also wait for half the time to a deadline.
fn events(half_times: bool) -> impl Iterator<Item = Event> {
    EVENTS.into_iter().filter(move |event| half_times || *event != Event::Wait)
}

/// Walks through all interleavings up to a depth. After each step it checks that no message is lost, doubled
/// or out of order, that polling has one GET and one POST at most and none after the switch, that every state
/// but the last has a deadline, and that a session ends exactly once and does nothing afterwards.
fn explore(protocol: Protocol, transport: Transport, messages: u8, depth: usize) -> usize {
    let start = Instant::now();
    let mut seen = HashSet::new();
    let mut layer = vec![World::new(protocol, transport, start, messages)];
    let mut steps = 0;
    let (mut ends, mut upgrades) = (HashSet::new(), 0_usize);
    for _ in 0..depth {
        let mut next = Vec::new();
        for world in &layer {
            for event in events(false).filter(|event| world.allows(*event)) {
                let mut world = world.clone();
                world.step(event);
                steps += 1;
                ends.extend(world.ended);
                if world.ended.is_none() && seen.insert(world.key()) {
                    upgrades += usize::from(world.upgraded);
                    next.push(world);
                }
            }
        }
        layer = next;
    }
    println!("{protocol:?} {transport:?}: {steps} steps, {} situations, depth {depth}, {ends:?}", seen.len());
    assert_eq!(upgrades > 0, transport == Transport::Polling, "the exploration reaches the upgrade");
    steps
}

#[test]
fn no_interleaving_breaks_a_session_with_an_upgrade() {
    let steps = explore(Protocol::V4, Transport::Polling, 2, 13);
    assert!(steps > 1_000_000, "the exploration has become too small: {steps}");
}

#[test]
fn no_interleaving_breaks_a_session_of_revision_3() {
    let steps = explore(Protocol::V3, Transport::Polling, 2, 14);
    assert!(steps > 300_000, "the exploration has become too small: {steps}");
}

#[test]
fn no_interleaving_breaks_a_websocket_session() {
    for protocol in [Protocol::V3, Protocol::V4] {
        let steps = explore(protocol, Transport::WebSocket, 2, 12);
        assert!(steps > 20_000, "the exploration has become too small: {steps}");
    }
}

/// Random walks of up to 300 events. A session that has not ended is closed and has to end, with everything
/// written, while the server answers and the clock stands still.
#[test]
fn no_long_walk_breaks_a_session_and_a_close_always_ends() {
    let start = Instant::now();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut ended, mut upgraded) = (0_usize, 0_usize);
    for walk in 0..20_000_usize {
        let protocol = if walk % 2 == 0 { Protocol::V4 } else { Protocol::V3 };
        let transport = if walk % 8 < 6 { Transport::Polling } else { Transport::WebSocket };
        let mut world = World::new(protocol, transport, start, 100);
        // Some walks have no failures and others few, so that they get far.
        let patience = random.below(300);
        for _ in 0..300 {
            let possible: Vec<_> = events(true).filter(|event| world.allows(*event)).collect();
            let event = possible[random.below(possible.len())];
            if is_rare(event) && random.below(patience + 1) != 0 {
                continue;
            }
            world.step(event);
            if world.ended.is_some() {
                break;
            }
        }
        ended += usize::from(world.ended.is_some());
        upgraded += usize::from(world.upgraded);
        world.finish();
    }
    println!("{ended} of 20000 walks ended by themselves, {upgraded} upgraded");
    assert!(ended > 1000 && upgraded > 1000, "{ended} {upgraded}");
}

/// Events that end a session or its upgrade.
fn is_rare(event: Event) -> bool {
    matches!(
        event,
        Event::CutGet
            | Event::CutPost
            | Event::CutWebSocket
            | Event::CutProbe
            | Event::MisanswerProbe
            | Event::Close
            | Event::ServerClose
            | Event::Tick
    )
}

/// A xorshift generator: the walks are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
