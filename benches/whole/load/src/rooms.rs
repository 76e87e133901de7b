//! Scenarios `broadcast` and `rooms`: a message is complete when all members of the room have received it. A
//! broadcast is a room with all clients. The sender is a receiver too, except with the events of the gateway.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Links, Scenario, unexpected};
use crate::message::{Events, Expected, Kind, ReceivedPacket};
use crate::run::{Measured, Run, Tally};
use crate::wire::{TEXT, frame};

struct Rooms {
    tally: Tally,
    kind: Kind,
    expected: Expected,
    slots: Vec<Slot>,
    /// Number of receivers per message.
    receivers: u32,
    joined: usize,
    /// The clients that expect an attachment.
    awaits: Vec<bool>,
}

/// A message that is sent repeatedly.
struct Slot {
    sender: usize,
    request: Vec<u8>,
    data: Vec<u8>,
    sent: Instant,
    /// Number of clients that have not received it yet.
    missing: u32,
}

pub fn run(scenario: &str, arguments: &Arguments) -> Result<Value, Failure> {
    let kind = arguments.value("kind", Kind::String)?;
    let (size, window) = (arguments.value("size", 64)?, arguments.value("window", 4)?);
    let in_rooms = scenario == "rooms";
    let (rooms, members) = if in_rooms {
        (arguments.value("rooms", 100)?, arguments.value("per-room", 10)?)
    } else {
        (1, arguments.value("conns", 1000)?)
    };
    let event = if in_rooms { "room" } else { "broadcast" };
    let relayed = arguments.value("events", Events::Contract)? == Events::Gateway;
    if relayed && (!in_rooms || kind == Kind::Binary) {
        return Err(Failure("the gateway relays strings and objects in rooms".to_owned()));
    }
    let (expected, receivers) = if relayed {
        (Expected::member(event, "data", b",\"room\":\"room-"), members - 1)
    } else {
        (Expected::new(event), members)
    };
    // The other rooms have members and no messages.
    let active: usize = arguments.value("active", rooms)?;
    let slots = (0..active * window).map(|slot| {
        let room = slot / window;
        let (before, behind) = if relayed {
            ("{\"data\":".to_owned(), format!(",\"room\":\"room-{room}\"}}"))
        } else if in_rooms {
            (format!("\"room-{room}\","), String::new())
        } else {
            (String::new(), String::new())
        };
        let data = kind.data(size, slot);
        Slot {
            sender: room,
            request: kind.emit(event, &before, &behind, None, &data),
            data,
            sent: Instant::now(),
            missing: 0,
        }
    });
    let clients = rooms * members;
    let scenario = Rooms {
        tally: Tally::default(),
        kind,
        expected,
        slots: slots.collect(),
        receivers: u32::try_from(receivers).unwrap_or(u32::MAX),
        joined: 0,
        awaits: vec![false; clients],
    };
    let mut run = Run::new(scenario, arguments)?;
    run.connect(clients)?;
    if in_rooms {
        for link in 0..clients {
            let join = format!(r#"421["join","room-{}"]"#, link % rooms);
            run.links.send(link, &frame(TEXT, join.as_bytes()));
        }
        run.links.flush()?;
        run.drive(Duration::from_secs(20), |scenario| scenario.joined == clients)?;
        if run.scenario.joined < clients {
            return Err(Failure(format!("{} of {clients} joins were acknowledged", run.scenario.joined)));
        }
    }
    if run.is_cluster() {
        // The other server may still subscribe to the channels of the rooms.
        run.drive(Duration::from_millis(500), |_| false)?;
    }
    run.scenario.tally.going = true;
    for slot in 0..run.scenario.slots.len() {
        run.scenario.send(&mut run.links, slot, Instant::now());
    }
    run.measure()
}

impl Rooms {
    fn send(&mut self, links: &mut Links, slot: usize, now: Instant) {
        let slot = &mut self.slots[slot];
        self.tally.sent += 1;
        slot.sent = now;
        slot.missing = self.receivers;
        links.send(slot.sender, &slot.request);
    }

    #[inline]
    fn delivered(&mut self, links: &mut Links, link: usize, at: Instant, data: &[u8]) -> Result<(), Failure> {
        let number = self.kind.slot(data).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get_mut(number).filter(|slot| slot.data == data) else {
            return Err(unexpected(link, data));
        };
        let Some(missing) = slot.missing.checked_sub(1) else {
            return Err(Failure(format!("slot {number} was delivered too often")));
        };
        slot.missing = missing;
        self.tally.units += 1;
        self.tally.latencies.add(at - slot.sent);
        if missing == 0 && self.tally.going {
            self.send(links, number, at);
        }
        Ok(())
    }
}

impl Scenario for Rooms {
    fn ready(&mut self, _: &mut Links, _: usize) -> Result<(), Failure> {
        self.tally.ready += 1;
        Ok(())
    }

    #[inline]
    fn text(&mut self, links: &mut Links, link: usize, at: Instant, packet: &[u8]) -> Result<(), Failure> {
        match self.expected.read(packet) {
            _ if self.awaits[link] => return Err(unexpected(link, packet)),
            ReceivedPacket::Data(data) => self.delivered(links, link, at, data)?,
            ReceivedPacket::Header => self.awaits[link] = true,
            ReceivedPacket::Ack(..) => self.joined += 1,
            // An acknowledgement without arguments, or with several.
            ReceivedPacket::Other if packet.starts_with(b"431[") => self.joined += 1,
            ReceivedPacket::Other => return Err(unexpected(link, packet)),
        }
        Ok(())
    }

    fn binary(&mut self, links: &mut Links, link: usize, at: Instant, data: &[u8]) -> Result<(), Failure> {
        if !std::mem::take(&mut self.awaits[link]) {
            return Err(Failure(format!("connection {link} got an attachment without its header")));
        }
        self.delivered(links, link, at, data)
    }
}

impl Measured for Rooms {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn under_way(&self) -> u64 {
        self.slots.iter().map(|slot| u64::from(slot.missing)).sum()
    }
}
