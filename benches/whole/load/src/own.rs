//! Scenarios `echo` and `ack`: every client keeps a number of its own messages in flight.

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::Value;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Links, Scenario, unexpected};
use crate::message::{Events, Expected, Kind, ReceivedPacket};
use crate::run::{Measured, Run, Tally};

/// First acknowledgement id, chosen so that ids have more than one digit.
const FIRST_ID: usize = 10;

struct Own {
    tally: Tally,
    kind: Kind,
    expected: Expected,
    datas: Vec<Vec<u8>>,
    requests: Vec<Vec<u8>>,
    /// For each client, the slots in flight with their send times, in the order of sending.
    under_way: Vec<VecDeque<(usize, Instant)>>,
    /// The clients that expect an attachment.
    awaits: Vec<bool>,
}

pub fn run(event: &str, arguments: &Arguments) -> Result<Value, Failure> {
    let kind = arguments.value("kind", Kind::String)?;
    let (clients, window) = (arguments.value("conns", 100)?, arguments.value("window", 8)?);
    let size = arguments.value("size", 32)?;
    let datas: Vec<_> = (0..window).map(|slot| kind.data(size, slot)).collect();
    let id = |slot| (event == "ack").then_some(slot + FIRST_ID);
    let requests =
        datas.iter().enumerate().map(|(slot, data)| kind.emit(event, "", "", id(slot), data)).collect();
    let expected = match arguments.value("events", Events::Contract)? {
        Events::Contract => Expected::new(event),
        Events::Gateway => Expected::member("echo_response", "received", b",\"socketId\":\""),
    };
    let own = Own {
        tally: Tally::default(),
        kind,
        expected,
        datas,
        requests,
        under_way: vec![VecDeque::new(); clients],
        awaits: vec![false; clients],
    };
    let mut run = Run::new(own, arguments)?;
    run.connect(clients)?;
    run.scenario.tally.going = true;
    for slot in 0..window {
        for link in 0..clients {
            run.scenario.send(&mut run.links, link, slot, Instant::now());
        }
    }
    run.measure()
}

impl Own {
    #[inline]
    fn send(&mut self, links: &mut Links, link: usize, slot: usize, now: Instant) {
        self.tally.sent += 1;
        self.under_way[link].push_back((slot, now));
        links.send(link, &self.requests[slot]);
    }

    #[inline]
    fn delivered(
        &mut self,
        links: &mut Links,
        link: usize,
        at: Instant,
        data: &[u8],
        id: Option<usize>,
    ) -> Result<(), Failure> {
        let slot = self.kind.slot(data).filter(|slot| self.datas.get(*slot).is_some_and(|sent| sent == data));
        let Some(slot) = slot.filter(|slot| id.is_none_or(|id| id == slot + FIRST_ID)) else {
            return Err(unexpected(link, data));
        };
        let queue = &mut self.under_way[link];
        let place = queue.iter().position(|(waits, _)| *waits == slot);
        let Some((place, (_, sent))) = place.and_then(|place| Some((place, queue.remove(place)?))) else {
            return Err(Failure(format!("connection {link} got the answer to slot {slot} twice")));
        };
        self.tally.overtaken += u64::from(place > 0);
        self.tally.units += 1;
        self.tally.latencies.add(at - sent);
        if self.tally.going {
            self.send(links, link, slot, at);
        }
        Ok(())
    }
}

impl Scenario for Own {
    fn ready(&mut self, _: &mut Links, _: usize) -> Result<(), Failure> {
        self.tally.ready += 1;
        Ok(())
    }

    #[inline]
    fn text(&mut self, links: &mut Links, link: usize, at: Instant, packet: &[u8]) -> Result<(), Failure> {
        match self.expected.read(packet) {
            _ if self.awaits[link] => Err(unexpected(link, packet)),
            ReceivedPacket::Data(data) => self.delivered(links, link, at, data, None),
            ReceivedPacket::Ack(id, data) => self.delivered(links, link, at, data, Some(id)),
            ReceivedPacket::Header => {
                self.awaits[link] = true;
                Ok(())
            }
            ReceivedPacket::Other => Err(unexpected(link, packet)),
        }
    }

    fn binary(&mut self, links: &mut Links, link: usize, at: Instant, data: &[u8]) -> Result<(), Failure> {
        if !std::mem::take(&mut self.awaits[link]) {
            return Err(Failure(format!("connection {link} got an attachment without its header")));
        }
        self.delivered(links, link, at, data, None)
    }
}

impl Measured for Own {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn under_way(&self) -> u64 {
        self.under_way.iter().map(|queue| queue.len() as u64).sum()
    }
}
