//! Scenario `slow`: all clients receive every broadcast, and one of them stops reading. It measures the cost
//! for the others and the server, and the fate of the slow client.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Links, Scenario, unexpected};
use crate::message::{Expected, Kind, ReceivedPacket};
use crate::run::{Measured, Run, Tally};

/// Sampling interval of memory.
const LOOK: Duration = Duration::from_millis(50);
/// Time that the slow client has for the rest of its messages, counted from its last receive.
const PATIENCE: Duration = Duration::from_millis(500);

struct Slow {
    tally: Tally,
    expected: Expected,
    slots: Vec<Slot>,
    /// Number of clients that read everything.
    readers: usize,
    /// Number of broadcasts that all readers have received, and that may still be sent.
    done: u64,
    left: u64,
    /// Messages that the slow client has received, and how it ended.
    got: u64,
    ended: Option<String>,
}

/// A broadcast that is sent repeatedly.
struct Slot {
    request: Vec<u8>,
    data: Vec<u8>,
    sent: Instant,
    missing: usize,
}

pub fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let (readers, window) = (arguments.value("conns", 20)?, arguments.value("window", 4)?);
    let (size, total) = (arguments.value("size", 1024)?, arguments.value("total", 100_000)?);
    let limit = Duration::from_secs_f64(arguments.value("max-secs", 60.0)?);
    let slots = (0..window).map(|slot| {
        let data = Kind::String.data(size, slot);
        let request = Kind::String.emit("broadcast", "", "", None, &data);
        Slot { request, data, sent: Instant::now(), missing: 0 }
    });
    let slow = Slow {
        tally: Tally::default(),
        expected: Expected::new("broadcast"),
        slots: slots.collect(),
        readers,
        done: 0,
        left: u64::MAX,
        got: 0,
        ended: None,
    };
    let mut run = Run::new(slow, arguments)?;
    run.connect(readers + 1)?;
    for slot in 0..window {
        run.scenario.send(&mut run.links, slot, Instant::now());
    }
    run.links.flush()?;
    let everybody_reads = period(&mut run, Duration::from_secs(1))?;

    let (before, got) = (run.server.resident(), run.scenario.got);
    let (cpu, done, begun) = (run.server.cpu(), run.scenario.done, Instant::now());
    run.links.stall(readers);
    run.scenario.left = total;
    run.scenario.tally.latencies = Default::default();
    let mut peak = before;
    while run.scenario.under_way() > 0 && begun.elapsed() < limit {
        run.drive(LOOK, |slow| slow.under_way() == 0)?;
        peak = peak.max(run.server.resident());
    }
    let done = run.scenario.done - done;
    if run.scenario.under_way() > 0 {
        return Err(Failure(format!("{done} of {total} broadcasts in {limit:?}")));
    }
    let (spent, wall) = (run.server.cpu().since(&cpu), begun.elapsed());
    let p99 = run.scenario.tally.latencies.micros(0.99);

    run.links.resume(&mut run.scenario, readers)?;
    let mut last = u64::MAX;
    while run.scenario.got != last && run.scenario.ended.is_none() {
        last = run.scenario.got;
        run.drive(PATIENCE, |slow| slow.ended.is_some())?;
    }
    run.drive(PATIENCE, |_| false)?;
    Ok(json!({
        "broadcasts": done,
        "per_s": done as f64 / wall.as_secs_f64(),
        "cpu_us": spent.total * 1e6 / done.max(1) as f64,
        "p99_us": p99,
        "p99_before_us": everybody_reads,
        "growth": peak.saturating_sub(before),
        "kept": run.server.resident().saturating_sub(before),
        "got": run.scenario.got - got,
        "ended": run.scenario.ended,
    }))
}

/// The p99 latency over a period.
fn period(run: &mut Run<Slow>, time: Duration) -> Result<f64, Failure> {
    run.drive(time, |_| false)?;
    run.scenario.tally.latencies = Default::default();
    run.drive(time, |_| false)?;
    Ok(run.scenario.tally.latencies.micros(0.99))
}

impl Slow {
    fn send(&mut self, links: &mut Links, number: usize, now: Instant) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let slot = &mut self.slots[number];
        (slot.sent, slot.missing) = (now, self.readers);
        links.send(number % self.readers, &slot.request);
    }
}

impl Scenario for Slow {
    fn ready(&mut self, _: &mut Links, _: usize) -> Result<(), Failure> {
        self.tally.ready += 1;
        Ok(())
    }

    fn text(&mut self, links: &mut Links, link: usize, at: Instant, packet: &[u8]) -> Result<(), Failure> {
        let ReceivedPacket::Data(data) = self.expected.read(packet) else {
            return Err(unexpected(link, packet));
        };
        let number = Kind::String.slot(data).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get_mut(number).filter(|slot| slot.data == data) else {
            return Err(unexpected(link, data));
        };
        if link == self.readers {
            self.got += 1;
            return Ok(());
        }
        let Some(missing) = slot.missing.checked_sub(1) else {
            return Err(Failure(format!("slot {number} was delivered too often")));
        };
        slot.missing = missing;
        self.tally.latencies.add(at - slot.sent);
        if missing == 0 {
            self.done += 1;
            self.send(links, number, at);
        }
        Ok(())
    }

    fn ended(&mut self, link: usize, how: &str) -> Result<(), Failure> {
        if link < self.readers {
            return Err(Failure(format!("connection {link}, which reads everything: {how}")));
        }
        self.ended = Some(how.to_owned());
        Ok(())
    }
}

impl Measured for Slow {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn under_way(&self) -> u64 {
        self.left + self.slots.iter().map(|slot| slot.missing as u64).sum::<u64>()
    }
}
