//! Scenario `steady`: one client of each server, and broadcasts of the first one at a constant rate, whatever arrives.
//! It counts for each client what was lost, doubled and out of order, and the longest time without a delivery.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Links, Scenario, unexpected};
use crate::message::{Expected, Kind, ReceivedPacket};
use crate::run::{Measured, Run, Tally};

/// Interval between two measurements of memory.
const SAMPLE: Duration = Duration::from_millis(200);

struct Steady {
    tally: Tally,
    expected: Expected,
    receivers: Vec<Receiver>,
}

/// Deliveries to one client.
struct Receiver {
    seen: Vec<bool>,
    /// One more than the highest number that was received.
    next: usize,
    received: usize,
    doubled: usize,
    reordered: usize,
    last: Instant,
    silence: Duration,
}

pub fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let rate: f64 = arguments.value("rate", 2000.0)?;
    let length = Duration::from_secs_f64(arguments.value("secs", 10.0)?);
    let rest = Duration::from_secs_f64(arguments.value("rest", 10.0)?);
    let size = arguments.value("size", 64)?;
    let clients = 2;
    let steady = Steady {
        tally: Tally::default(),
        expected: Expected::new("broadcast"),
        receivers: (0..clients).map(|_| Receiver::new()).collect(),
    };
    let mut run = Run::new(steady, arguments)?;
    run.connect(clients)?;
    println!("{}", json!({ "begun": true }));
    let begun = Instant::now();
    run.scenario.receivers.iter_mut().for_each(|receiver| receiver.last = begun);
    let (mut sent, mut sampled, mut resident) = (0_usize, begun, [0; 2]);
    while begun.elapsed() < length + rest {
        let now = Instant::now();
        let due = (now - begun).min(length).as_secs_f64() * rate;
        while (sent as f64) < due {
            let data = Kind::String.data(size, sent);
            let request = Kind::String.emit("broadcast", "", "", None, &data);
            run.links.send(0, &request);
            sent += 1;
        }
        run.links.flush()?;
        run.links.turn(&mut run.scenario, Duration::from_micros(500))?;
        if now - sampled > SAMPLE {
            sampled = now;
            resident = [resident[0].max(run.server.resident()), resident[1].max(run.other.resident())];
        }
        if due as usize == sent
            && run.scenario.receivers.iter().all(|one| one.received == sent)
            && now - begun > length
        {
            break;
        }
    }
    let report = |(receiver, resident): (&Receiver, u64)| {
        json!({
            "received": receiver.received,
            "lost": sent - receiver.received,
            "doubled": receiver.doubled,
            "reordered": receiver.reordered,
            "silence_ms": receiver.silence.as_secs_f64() * 1e3,
            "resident": resident,
            "heard_last": receiver.next == sent,
        })
    };
    let mut reports = run.scenario.receivers.iter().zip(resident).map(report);
    Ok(json!({ "sent": sent, "local": reports.next(), "remote": reports.next() }))
}

impl Receiver {
    fn new() -> Self {
        Self {
            seen: Vec::new(),
            next: 0,
            received: 0,
            doubled: 0,
            reordered: 0,
            last: Instant::now(),
            silence: Duration::ZERO,
        }
    }

    fn take(&mut self, number: usize, at: Instant) {
        self.silence = self.silence.max(at.saturating_duration_since(self.last));
        self.last = at;
        if number >= self.seen.len() {
            self.seen.resize(number + 1, false);
        }
        if std::mem::replace(&mut self.seen[number], true) {
            self.doubled += 1;
            return;
        }
        self.received += 1;
        self.reordered += usize::from(number < self.next);
        self.next = self.next.max(number + 1);
    }
}

impl Scenario for Steady {
    fn ready(&mut self, _: &mut Links, _: usize) -> Result<(), Failure> {
        self.tally.ready += 1;
        Ok(())
    }

    fn text(&mut self, _: &mut Links, link: usize, at: Instant, packet: &[u8]) -> Result<(), Failure> {
        let ReceivedPacket::Data(data) = self.expected.read(packet) else {
            return Err(unexpected(link, packet));
        };
        let number = Kind::String.slot(data).ok_or_else(|| unexpected(link, packet))?;
        self.receivers[link].take(number, at);
        Ok(())
    }
}

impl Measured for Steady {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn under_way(&self) -> u64 {
        0
    }
}
