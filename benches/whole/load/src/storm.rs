//! Scenario `storm`: many clients connect, some of them request much data, and then all disconnect. It
//! measures the server's memory before, during, and after a rest.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Links, Scenario, unexpected};
use crate::message::{Expected, Kind, ReceivedPacket};
use crate::run::{Measured, Run, Tally};

/// Time limit for the responses to the clients that request data.
const ANSWERS: Duration = Duration::from_secs(120);
/// Sampling interval of memory while they are answered.
const LOOK: Duration = Duration::from_millis(50);

struct Storm {
    tally: Tally,
    expected: Expected,
    data: Vec<u8>,
    loud: u64,
}

pub fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let clients = arguments.value("conns", 10_000)?;
    let loud = arguments.value("loud", 500)?.min(clients);
    let rest = Duration::from_secs_f64(arguments.value("rest", 20.0)?);
    let data = Kind::String.data(arguments.value("size", 990_000)?, 0);
    let request = Kind::String.emit("echo", "", "", None, &data);
    let storm = Storm { tally: Tally::default(), expected: Expected::new("echo"), data, loud: loud as u64 };
    let mut run = Run::new(storm, arguments)?;
    // Memory that the first client causes belongs to a working server.
    run.connect(1)?;
    let fresh = run.server.resident();
    run.connect(clients)?;
    let connected = run.server.resident();
    for link in 0..loud {
        run.links.send(link, &request);
    }
    run.links.flush()?;
    let (begun, mut peak) = (Instant::now(), connected);
    while run.scenario.under_way() > 0 {
        run.drive(LOOK, |storm| storm.under_way() == 0)?;
        peak = peak.max(run.server.resident());
        if begun.elapsed() > ANSWERS {
            return Err(Failure(format!("{} answers never came", run.scenario.under_way())));
        }
    }
    run.links.close();
    thread::sleep(rest);
    Ok(json!({
        "fresh": fresh,
        "connected": connected,
        "peak": peak,
        "rested": run.server.resident(),
    }))
}

impl Scenario for Storm {
    fn ready(&mut self, _: &mut Links, _: usize) -> Result<(), Failure> {
        self.tally.ready += 1;
        Ok(())
    }

    fn text(&mut self, _: &mut Links, link: usize, _: Instant, packet: &[u8]) -> Result<(), Failure> {
        match self.expected.read(packet) {
            ReceivedPacket::Data(data) if data == self.data => self.tally.units += 1,
            _ => return Err(unexpected(link, packet)),
        }
        Ok(())
    }
}

impl Measured for Storm {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn under_way(&self) -> u64 {
        self.loud - self.tally.units
    }
}
