//! Scenario `idle`: clients that connect and then send nothing. It measures the cost of a connect, and the
//! memory of a connection.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Links, Scenario, unexpected};
use crate::run::{Measured, Run, Tally};

#[derive(Default)]
struct Idle(Tally);

pub fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let clients = arguments.value("conns", 10_000)?;
    let settle = Duration::from_secs_f64(arguments.value("settle", 2.0)?);
    let mut run = Run::new(Idle::default(), arguments)?;
    let (resident, cpu, begun) = (run.server.resident(), run.server.cpu(), Instant::now());
    run.connect(clients)?;
    let (spent, wall) = (run.server.cpu().since(&cpu), begun.elapsed());
    run.drive(settle, |_| false)?;
    let now = run.server.resident();
    let each = |seconds: f64| seconds * 1e6 / clients as f64;
    Ok(json!({
        "units": clients,
        "per_s": clients as f64 / wall.as_secs_f64(),
        "cpu_us": each(spent.total),
        "user_us": each(spent.user),
        "system_us": each(spent.system),
        "server_busy": spent.total / wall.as_secs_f64(),
        "resident_before": resident,
        "resident": now,
        "bytes_each": (now as f64 - resident as f64) / clients as f64,
    }))
}

impl Scenario for Idle {
    fn ready(&mut self, _: &mut Links, _: usize) -> Result<(), Failure> {
        self.0.ready += 1;
        Ok(())
    }

    fn text(&mut self, _: &mut Links, link: usize, _: Instant, packet: &[u8]) -> Result<(), Failure> {
        Err(unexpected(link, packet))
    }
}

impl Measured for Idle {
    fn tally(&mut self) -> &mut Tally {
        &mut self.0
    }

    fn under_way(&self) -> u64 {
        0
    }
}
