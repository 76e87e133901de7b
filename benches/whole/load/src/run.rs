//! One run: connecting, warm-up, measurement, and waiting for the messages in flight.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::cost::Processes;
use crate::failure::Failure;
use crate::histogram::Histogram;
use crate::links::{Carrier, Links, Scenario};
use crate::message::Events;

/// Timeout for connecting, and for the messages in flight.
const CONNECTING: Duration = Duration::from_secs(120);
const DELIVERY: Duration = Duration::from_secs(3);
/// Number of clients that connect at the same time.
const AT_A_TIME: usize = 64;

/// Counters of a running scenario.
#[derive(Default)]
pub struct Tally {
    /// Clients in their namespace.
    pub ready: usize,
    /// Deliveries; for echoes, round trips.
    pub units: u64,
    /// Messages that were sent.
    pub sent: u64,
    pub latencies: Histogram,
    /// Responses that overtook an earlier one of the same client.
    pub overtaken: u64,
    /// Whether a received message triggers the next one.
    pub going: bool,
}

/// A scenario that can be measured.
pub trait Measured: Scenario {
    fn tally(&mut self) -> &mut Tally;

    /// Number of deliveries that are still in flight.
    fn under_way(&self) -> u64;
}

pub struct Run<S> {
    pub links: Links,
    pub scenario: S,
    pub server: Processes,
    /// The other server of a cluster.
    pub other: Processes,
    warmup: Duration,
    measured: Duration,
}

impl<S: Measured> Run<S> {
    pub fn new(scenario: S, arguments: &Arguments) -> Result<Self, Failure> {
        let mut ports = vec![arguments.value("port", 3000)?];
        if let Some(other) = Some(arguments.value("other-port", 0)?).filter(|port| *port > 0) {
            ports.push(other);
        }
        Ok(Self {
            links: Links::new(&ports, arguments.value("events", Events::Contract)?)?,
            scenario,
            server: Processes::of(arguments.value("pid", 0)?),
            other: match arguments.value("other-pid", 0)? {
                0 => Processes::none(),
                pid => Processes::of(pid),
            },
            warmup: Duration::from_secs_f64(arguments.value("warmup", 1.0)?),
            measured: Duration::from_secs_f64(arguments.value("secs", 2.0)?),
        })
    }

    /// Whether there is another server.
    pub fn is_cluster(&self) -> bool {
        self.links.is_cluster()
    }

    /// Connects `total` WebSocket clients.
    pub fn connect(&mut self, total: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + CONNECTING;
        while self.scenario.tally().ready < total {
            while self.links.len() < total && self.links.len() - self.scenario.tally().ready < AT_A_TIME {
                self.links.connect(Carrier::WebSocket)?;
            }
            self.links.turn(&mut self.scenario, Duration::from_millis(100))?;
            if Instant::now() > deadline {
                let ready = self.scenario.tally().ready;
                return Err(Failure(format!("only {ready} of {total} clients could connect")));
            }
        }
        Ok(())
    }

    /// Handles events until `done`, at most for a given time; returns the idle time. It polls without
    /// sleeping, so that wake-ups do not affect the measurement.
    pub fn drive(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&mut S) -> bool,
    ) -> Result<Duration, Failure> {
        let mut last = Instant::now();
        let end = last + time;
        let mut idle = Duration::ZERO;
        while last < end && !done(&mut self.scenario) {
            let busy = self.links.turn(&mut self.scenario, Duration::ZERO)?;
            let now = Instant::now();
            if !busy {
                idle += now - last;
            }
            last = now;
        }
        Ok(idle)
    }

    /// Warms up, measures, waits for the rest, and reports.
    pub fn measure(mut self) -> Result<Value, Failure> {
        self.links.flush()?;
        self.drive(self.warmup, |_| false)?;
        let tally = self.scenario.tally();
        tally.latencies = Histogram::default();
        let (units, sent, overtaken) = (tally.units, tally.sent, tally.overtaken);
        let (cpu, other, begun) = (self.server.cpu(), self.other.cpu(), Instant::now());
        let idle = self.drive(self.measured, |_| false)?;
        let (spent, wall) = (self.server.cpu().since(&cpu), begun.elapsed());
        let others = self.other.cpu().since(&other);
        let tally = self.scenario.tally();
        tally.going = false;
        let units = tally.units - units;
        if units == 0 {
            return Err(Failure("nothing was delivered".to_owned()));
        }
        let sent = tally.sent - sent;
        let each = |seconds: f64| seconds * 1e6 / units as f64;
        let report = json!({
            "units": units,
            "per_s": units as f64 / wall.as_secs_f64(),
            "cpu_us": each(spent.total),
            "other_cpu_us": each(others.total),
            "user_us": each(spent.user),
            "system_us": each(spent.system),
            "server_busy": spent.total / wall.as_secs_f64(),
            "generator_idle": idle.as_secs_f64() / wall.as_secs_f64(),
            "sent_cpu_us": spent.total * 1e6 / sent as f64,
            "other_sent_cpu_us": others.total * 1e6 / sent as f64,
            "p50_us": tally.latencies.micros(0.5),
            "p99_us": tally.latencies.micros(0.99),
            "max_us": tally.latencies.micros(1.0),
            "overtaken_pct": (tally.overtaken - overtaken) as f64 * 100.0 / units as f64,
            "resident": self.server.resident(),
        });
        self.drive(DELIVERY, |scenario| scenario.under_way() == 0)?;
        match self.scenario.under_way() {
            0 => Ok(report),
            lost => Err(Failure(format!("{lost} deliveries never came"))),
        }
    }
}
