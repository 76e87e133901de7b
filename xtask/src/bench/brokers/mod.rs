//! `cargo xtask bench --brokers`: what a message costs a broker that passes it on to many servers.

mod nats;
mod postgres;
mod redis;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use self::nats::Nats;
use self::postgres::Postgres;
use super::figures::shown;
use super::redis::Redis;
use super::report::machine;
use crate::paths::root;
use crate::run::Run;

/// The sizes of messages, in bytes.
const SIZES: &[usize] = &[256, 4096];
/// The numbers of subscribers, each of which is a server of a cluster.
const SUBSCRIBERS: &[usize] = &[1, 10, 100];
/// Messages that are on their way at a time.
const BATCH: usize = 50;
/// Messages that a broker passes on for one figure, at least.
const DELIVERIES: usize = 200_000;
const ROUNDS: usize = 3;
/// Timeout for the start of a broker.
const START: Duration = Duration::from_secs(10);

/// A connection to a broker.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A broker that is killed on drop.
trait Broker {
    /// The process, whose children count as well.
    fn id(&self) -> u32;

    /// A connection that subscribes to the channel.
    fn subscriber(&self) -> Result<Box<dyn Stream>, String>;

    /// A connection that publishes.
    fn publisher(&self) -> Result<Box<dyn Stream>, String>;

    /// The bytes that publish a message.
    fn message(&self, payload: &str) -> Vec<u8>;

    /// Publishes a batch, and reads the answers of the broker.
    fn publish(&self, stream: &mut dyn Stream, batch: &[u8]) -> Result<(), String>;
}

/// Measures all brokers, and writes `benches/BROKERS.md`.
pub(super) fn run() -> Result<(), String> {
    let nats = Run::new("nats-server", &["--version"], &root()).output()?;
    let postgres = postgres::version()?;
    let mut text = format!(
        "# What a message costs a broker\n\n`cargo xtask bench --brokers` writes this file. A message is published once, \
         and passed on to each subscriber, as a broadcast to each server of a cluster. CPU µs of the broker for a message \
         to one subscriber, publishing included; medians of {ROUNDS} rounds, {BATCH} messages on their way at a \
         time.\n\n| | |\n| --- | --- |\n| Redis | {} |\n| NATS | {} |\n| PostgreSQL | {postgres} |\n| machine | {} |\n\n\
         | broker | bytes | 1 subscriber | 10 | 100 |\n| --- | ---: | ---: | ---: | ---: |\n",
        super::redis::version()?,
        nats.trim().trim_start_matches("nats-server: v"),
        machine()
    );
    for name in ["Redis", "NATS", "PostgreSQL"] {
        for size in SIZES {
            let mut cells = Vec::new();
            for subscribers in SUBSCRIBERS {
                let mut costs = Vec::new();
                for _ in 0..ROUNDS {
                    let broker: Box<dyn Broker> = match name {
                        "Redis" => Box::new(Redis::start()?),
                        "NATS" => Box::new(Nats::start()?),
                        _ => Box::new(Postgres::start()?),
                    };
                    costs.push(measure(&*broker, *size, *subscribers)?);
                }
                costs.sort_by(f64::total_cmp);
                println!(
                    "{name:<8}{size:>6} bytes {subscribers:>4} subscribers {:>8} µs",
                    shown(Some(costs[ROUNDS / 2]))
                );
                cells.push(shown(Some(costs[ROUNDS / 2])));
            }
            let _ = writeln!(text, "| {name} | {size} | {} |", cells.join(" | "));
        }
    }
    fs::write(root().join("benches/BROKERS.md"), text).map_err(|error| format!("benches/BROKERS.md: {error}"))
}

/// CPU µs for a message to one subscriber.
fn measure(broker: &dyn Broker, size: usize, subscribers: usize) -> Result<f64, String> {
    // What is around a payload has no such byte.
    let (batch, expected) = (broker.message(&"x".repeat(size)).repeat(BATCH), size * BATCH);
    let (done, batches) = mpsc::channel();
    for _ in 0..subscribers {
        let (mut stream, done) = (broker.subscriber()?, done.clone());
        thread::spawn(move || {
            let (mut bytes, mut left) = (vec![0; 256 << 10], expected);
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                // Batches do not overlap: the next one is published when all have this one.
                left -= bytes[..read].iter().filter(|byte| **byte == b'x').count();
                if left == 0 {
                    left = expected;
                    if done.send(()).is_err() {
                        return;
                    }
                }
            }
        });
    }
    let mut publisher = broker.publisher()?;
    let mut pass = |count: usize| {
        for _ in 0..count {
            broker.publish(&mut *publisher, &batch)?;
            for _ in 0..subscribers {
                batches.recv_timeout(START).map_err(|_| "a message has not arrived".to_owned())?;
            }
        }
        Ok::<_, String>(())
    };
    let count = DELIVERIES.div_ceil(subscribers * BATCH);
    pass(count.div_ceil(10))?;
    let before = cpu_nanos(broker.id());
    pass(count)?;
    let spent = cpu_nanos(broker.id()) - before;
    Ok(spent as f64 / 1000.0 / (count * BATCH * subscribers) as f64)
}

/// The CPU time of all threads of a process and of its children.
fn cpu_nanos(process: u32) -> u64 {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    let threads =
        |process: u32| fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanos = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    std::iter::once(process).chain(children).flat_map(threads).filter_map(nanos).sum()
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("broker: {error}")
}
