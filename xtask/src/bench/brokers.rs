//! `cargo xtask bench --brokers`: what a message costs a broker that passes it on to many servers.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::figures::shown;
use super::launch::pinned;
use super::redis::{self, Redis};
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
    /// The process.
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
    let mut text = format!(
        "# What a message costs a broker\n\n`cargo xtask bench --brokers` writes this file. A message is published once, \
         and passed on to each subscriber, as a broadcast to each server of a cluster. CPU µs of the broker for a message \
         to one subscriber, publishing included; medians of {ROUNDS} rounds, {BATCH} messages on their way at a \
         time.\n\n| | |\n| --- | --- |\n| Redis | {} |\n| NATS | {} |\n| machine | {} |\n\n\
         | broker | bytes | 1 subscriber | 10 | 100 |\n| --- | ---: | ---: | ---: | ---: |\n",
        redis::version()?,
        nats.trim().trim_start_matches("nats-server: v"),
        machine()
    );
    for name in ["Redis", "NATS"] {
        for size in SIZES {
            let mut cells = Vec::new();
            for subscribers in SUBSCRIBERS {
                let mut costs = Vec::new();
                for _ in 0..ROUNDS {
                    let broker: Box<dyn Broker> = match name {
                        "Redis" => Box::new(Redis::start()?),
                        _ => Box::new(Nats::start()?),
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

/// The CPU time of all threads of a process.
fn cpu_nanos(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanos = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    threads.filter_map(nanos).sum()
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("broker: {error}")
}

impl Broker for Redis {
    fn id(&self) -> u32 {
        self.process_id()
    }

    fn subscriber(&self) -> Result<Box<dyn Stream>, String> {
        let mut stream = UnixStream::connect(self.socket()).map_err(failed)?;
        stream.write_all(b"SUBSCRIBE c\r\n").map_err(failed)?;
        let mut answer = [0; b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n".len()];
        stream.read_exact(&mut answer).map_err(failed)?;
        Ok(Box::new(stream))
    }

    fn publisher(&self) -> Result<Box<dyn Stream>, String> {
        Ok(Box::new(UnixStream::connect(self.socket()).map_err(failed)?))
    }

    fn message(&self, payload: &str) -> Vec<u8> {
        format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${}\r\n{payload}\r\n", payload.len()).into_bytes()
    }

    fn publish(&self, stream: &mut dyn Stream, batch: &[u8]) -> Result<(), String> {
        stream.write_all(batch).map_err(failed)?;
        let mut lines = 0;
        let mut bytes = [0; 4096];
        while lines < BATCH {
            let read = stream.read(&mut bytes).map_err(failed)?;
            if read == 0 {
                return Err("the broker has closed the connection".to_owned());
            }
            lines += bytes[..read].iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(())
    }
}

struct Nats {
    process: Child,
    port: u16,
}

impl Nats {
    fn start() -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        drop(listener);
        let process = pinned("nats-server", "1")
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("nats-server: {error}"))?;
        let nats = Self { process, port };
        let begun = Instant::now();
        while nats.connect().is_err() {
            if begun.elapsed() > START {
                return Err("the NATS server does not listen".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(nats)
    }

    /// A connection after these lines, which are answered by PONG.
    fn opened(&self, lines: &str) -> Result<Box<dyn Stream>, String> {
        let mut stream = self.connect().map_err(failed)?;
        let mut info = String::new();
        BufReader::new(stream.try_clone().map_err(failed)?).read_line(&mut info).map_err(failed)?;
        let text = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{lines}PING\r\n");
        stream.write_all(text.as_bytes()).map_err(failed)?;
        stream.read_exact(&mut [0; b"PONG\r\n".len()]).map_err(failed)?;
        Ok(Box::new(stream))
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Broker for Nats {
    fn id(&self) -> u32 {
        self.process.id()
    }

    fn subscriber(&self) -> Result<Box<dyn Stream>, String> {
        self.opened("SUB c 1\r\n")
    }

    fn publisher(&self) -> Result<Box<dyn Stream>, String> {
        self.opened("")
    }

    fn message(&self, payload: &str) -> Vec<u8> {
        format!("PUB c {}\r\n{payload}\r\n", payload.len()).into_bytes()
    }

    fn publish(&self, stream: &mut dyn Stream, batch: &[u8]) -> Result<(), String> {
        stream.write_all(batch).map_err(failed)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
