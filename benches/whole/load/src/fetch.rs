//! Scenario `fetch`: one client at a time asks for all sockets of the server, or of the cluster. The answer is their
//! number.

use std::time::Instant;

use serde_json::Value;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Links, Scenario, unexpected};
use crate::run::{Measured, Run, Tally};
use crate::wire::{TEXT, frame};

struct Fetch {
    tally: Tally,
    answer: Vec<u8>,
    under_way: Option<Instant>,
}

pub fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let clients: usize = arguments.value("conns", 10_000)?;
    let fetch =
        Fetch { tally: Tally::default(), answer: format!("431[{clients}]").into_bytes(), under_way: None };
    let mut run = Run::new(fetch, arguments)?;
    run.connect(clients)?;
    run.scenario.tally.going = true;
    run.scenario.send(&mut run.links, Instant::now());
    run.measure()
}

impl Fetch {
    /// Sends the question of the first client.
    fn send(&mut self, links: &mut Links, now: Instant) {
        self.tally.sent += 1;
        self.under_way = Some(now);
        links.send(0, &frame(TEXT, br#"421["sockets"]"#));
    }
}

impl Scenario for Fetch {
    fn ready(&mut self, _: &mut Links, _: usize) -> Result<(), Failure> {
        self.tally.ready += 1;
        Ok(())
    }

    fn text(&mut self, links: &mut Links, link: usize, at: Instant, packet: &[u8]) -> Result<(), Failure> {
        let sent = self.under_way.take().filter(|_| link == 0 && packet == self.answer);
        let Some(sent) = sent else { return Err(unexpected(link, packet)) };
        self.tally.units += 1;
        self.tally.latencies.add(at - sent);
        if self.tally.going {
            self.send(links, at);
        }
        Ok(())
    }
}

impl Measured for Fetch {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn under_way(&self) -> u64 {
        u64::from(self.under_way.is_some())
    }
}
