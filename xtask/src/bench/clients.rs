//! `cargo xtask bench --clients`: clients against our server, side by side.
//!
//! A client is a program controlled by lines on its standard input, see benches/whole/README.md; its resource
//! usage is read from outside, in the same way for each. The server runs on one core and the client on
//! another, and rounds are interleaved.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;
use std::time::Duration;

use super::figures::{median, shown};
use super::launch::{Launch, pinned};
use super::report::machine;
use super::servers::{apart, installed, locked, ours, program_of};
use crate::paths::root;
use crate::run::Run;
use crate::tools;

/// Number of idle connections for the measurement of memory.
const CONNECTIONS: usize = 5000;
/// Number of measured echoes, and of echoes before the measurement.
const ECHOES: usize = 40_000;
const WARM_UP: usize = 4000;
/// Settling time: background work continues for a while after the last connection has opened.
const SETTLE: Duration = Duration::from_secs(1);

struct Client {
    name: &'static str,
    prepare: fn() -> Result<Launch, String>,
}

const CLIENTS: &[Client] = &[
    Client { name: "ours", prepare: socketio_client },
    Client { name: "rust_socketio", prepare: rust_socketio },
    Client { name: "node", prepare: node },
];

/// The figures of one round with one client.
struct Figures {
    /// Microseconds of the client's CPU per echo.
    echo: f64,
    /// Microseconds of the client's CPU per connection.
    connect: f64,
    /// Bytes of the client's memory per connection.
    memory: f64,
}

/// Measures all clients, and writes `benches/CLIENTS.md`.
pub(super) fn run(rounds: usize) -> Result<(), String> {
    let server = ours()?;
    let launches: Vec<(&str, Launch)> =
        CLIENTS.iter().map(|client| Ok((client.name, (client.prepare)()?))).collect::<Result<_, String>>()?;
    let mut all: Vec<Vec<Figures>> = launches.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for ((name, client), figures) in launches.iter().zip(&mut all) {
            let found = measure(&server, client)?;
            println!(
                "{round} {name:<16}{:>8.2} µs an echo, {:>8.0} µs a connection, {:>8.0} bytes a connection",
                found.echo, found.connect, found.memory
            );
            figures.push(found);
        }
    }
    let mut text = format!(
        "# Clients beside each other\n\n`cargo xtask bench --clients` writes this file: each client on one core, our server \
         on another, over WebSocket. CPU time of the client's process for an echo of a string of 32 bytes, one under way \
         in each of 20 connections, {ECHOES} of them; CPU time and resident memory for a connection, when {CONNECTIONS} \
         are opened and say nothing. Medians of {rounds} rounds, and in brackets what ours takes of it.\n\n| | |\n| --- \
         | --- |\n| machine | {} |\n\n| client | CPU for an echo, µs | CPU for a connection, µs | memory for a connection, \
         bytes | version |\n| --- | ---: | ---: | ---: | --- |\n",
        machine()
    );
    let medians = |of: fn(&Figures) -> f64| -> Vec<Option<f64>> {
        all.iter().map(|figures| median(figures.iter().map(of).collect())).collect()
    };
    let columns = [medians(|one| one.echo), medians(|one| one.connect), medians(|one| one.memory)];
    for (at, (name, launch)) in launches.iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let share = column[0].zip(column[at]).map_or(0.0, |(ours, other)| ours / other);
            let share = if at == 0 { String::new() } else { format!(" ({share:.2})") };
            format!("{}{share}", shown(column[at]))
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {name} | {} | {} |", cells.join(" | "), launch.version);
    }
    fs::write(root().join("benches/CLIENTS.md"), text).map_err(|error| format!("benches/CLIENTS.md: {error}"))
}

fn measure(server: &Launch, client: &Launch) -> Result<Figures, String> {
    let (_server, port) = server.serve()??;
    let mut running = Running::start(client, port)?;
    running.tell("connect 20")?;
    running.tell(&format!("echo {WARM_UP}"))?;
    let before = running.cpu();
    running.tell(&format!("echo {ECHOES}"))?;
    let echo = (running.cpu() - before) * 1e6 / ECHOES as f64;
    drop(running);

    // A new process, without freed memory that connections could reuse.
    let mut running = Running::start(client, port)?;
    running.tell("connect 1")?;
    let (cpu, resident) = (running.cpu(), running.resident());
    running.tell(&format!("connect {CONNECTIONS}"))?;
    thread::sleep(SETTLE);
    let each = |figure: f64| figure / CONNECTIONS as f64;
    let (connect, memory) = ((running.cpu() - cpu) * 1e6, running.resident() - resident);
    Ok(Figures { echo, connect: each(connect), memory: each(memory) })
}

/// A running client process, killed on drop.
struct Running {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Running {
    fn start(launch: &Launch, port: u16) -> Result<Self, String> {
        let failed = |what: &str| format!("{}: {what}", launch.program);
        let mut child = pinned(&launch.program, "1")
            .args(&launch.arguments)
            .arg(port.to_string())
            .current_dir(&launch.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let commands = child.stdin.take().ok_or_else(|| failed("no input"))?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(|| failed("no output"))?);
        Ok(Self { child, commands, answers })
    }

    /// Sends a command, and waits for its completion.
    fn tell(&mut self, command: &str) -> Result<(), String> {
        let mut answer = String::new();
        let told = writeln!(self.commands, "{command}").and_then(|()| self.answers.read_line(&mut answer));
        match told {
            Ok(_) if answer == "ok\n" => Ok(()),
            told => Err(format!("{command}: {told:?}, {answer:?}")),
        }
    }

    /// CPU time so far, in seconds, with a resolution of nanoseconds.
    fn cpu(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let nanos = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        });
        nanos.sum::<f64>() / 1e9
    }

    /// Resident memory, in bytes.
    fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socketio_client() -> Result<Launch, String> {
    Run::cargo(&["build", "--profile", "dist", "-p", "tests", "--bin", "bench-client"]).status()?;
    let program = tools::target().join("dist").join("bench-client").to_string_lossy().into_owned();
    let lock = |name: &str| locked(".", name);
    let version = format!("socketio-client {}, tokio {}", lock("socketio-client-tokio")?, lock("tokio")?);
    Ok(Launch { version, ..program_of(program) })
}

fn rust_socketio() -> Result<Launch, String> {
    tools::openssl_headers()?;
    let lock = |name: &str| locked("benches/whole/clients/rust_socketio", name);
    let version = format!("rust_socketio {}, tokio {}", lock("rust_socketio")?, lock("tokio")?);
    Ok(Launch { version, ..program_of(apart("clients/rust_socketio", "bench-client-rust_socketio")?) })
}

fn node() -> Result<Launch, String> {
    let folder = "benches/whole/clients/node";
    tools::npm_packages(folder)?;
    let version = Run::new("node", &["--version"], &root()).output()?;
    let client = installed(folder, "socket.io-client")?;
    Ok(Launch {
        arguments: vec!["client.mjs".to_owned()],
        folder: root().join(folder),
        version: format!("Node.js {}, socket.io-client {client}", version.trim()),
        ..program_of("node".to_owned())
    })
}
