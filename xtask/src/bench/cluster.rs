//! `cargo xtask bench --cluster`: two servers on one Redis server, with the official server and its adapters beside
//! ours.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use super::figures::shown;
use super::launch::{Launch, Server, pinned};
use super::measured::Measured;
use super::redis::{self, Redis};
use super::report::machine;
use super::servers;
use crate::paths::root;

/// Number of rounds per scenario.
const ROUNDS: usize = 3;
pub(super) const KINDS: &[&str] = &["classic", "sharded", "streams"];
pub(super) const SERVERS: &[&str] = &["ours", "node"];

/// A scenario of the load generator; half of the clients are at each server.
struct Scenario {
    name: &'static str,
    load: &'static str,
    /// Further arguments for a quick run.
    quick: &'static str,
    about: &'static str,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "broadcast-64",
        load: "broadcast --conns 2000 --size 64 --window 4",
        quick: "--conns 200",
        about: "64 bytes to 1,000 clients at each server",
    },
    Scenario {
        name: "broadcast-1k",
        load: "broadcast --conns 2000 --kind json --size 1024 --window 4",
        quick: "--conns 200",
        about: "an object of 1 KiB to 1,000 clients at each server",
    },
    Scenario {
        name: "rooms-64",
        // An odd number of rooms, so that each has members at both servers.
        load: "rooms --size 64 --rooms 101 --per-room 10 --window 1",
        quick: "--rooms 11",
        about: "64 bytes to rooms of 10 clients, 5 at each server",
    },
    Scenario {
        name: "elsewhere-64",
        load: "rooms --size 64 --rooms 2 --active 1 --per-room 1 --window 16",
        quick: "",
        about: "64 bytes to a room without a member at the other server",
    },
    Scenario {
        name: "fetch",
        load: "fetch --conns 10000",
        quick: "--conns 200",
        about: "fetchSockets of 10,000 sockets, half of them at each server",
    },
];

/// Measures all scenarios, and writes `benches/CLUSTER.md`.
pub(super) fn run() -> Result<(), String> {
    let launches = [servers::ours()?, servers::node()?];
    let measured = measure(&launches, ROUNDS, false)?;
    let mut text = format!(
        "# Two servers on one Redis server\n\n`cargo xtask bench --cluster` writes this file: \
         [bench-server](../tests/src/bin/bench-server.rs) with the adapters of socketio-redis, and the official server \
         with the official adapters. Two processes of a server share one core, the Redis server and the load generator \
         another; half of the clients are at each server, and the first one sends all messages. CPU µs of each process \
         for a message, its deliveries included; medians of {ROUNDS} interleaved rounds, ratios are taken within a \
         round.\n\n| | |\n| --- | --- |\n| ours | {} |\n| node | {}, @socket.io/redis-adapter {}, \
         @socket.io/redis-streams-adapter {} |\n| Redis | {} |\n| machine | {} |\n",
        launches[0].version,
        launches[1].version,
        servers::installed(servers::NODE, "@socket.io/redis-adapter")?,
        servers::installed(servers::NODE, "@socket.io/redis-streams-adapter")?,
        redis::version()?,
        machine()
    );
    for scenario in SCENARIOS {
        let _ = write!(
            text,
            "\n## {}\n\n{} (`{}`).\n\n| adapter | sender, ours | node | ours / node | receiver, ours | node | ours / node \
             | deliveries a second, ours | node |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            scenario.name, scenario.about, scenario.load
        );
        for kind in KINDS {
            let _ = writeln!(text, "| {kind} | {} |", row(&measured, &format!("{kind} {}", scenario.name)));
        }
    }
    fs::write(root().join("benches/CLUSTER.md"), text).map_err(|error| format!("benches/CLUSTER.md: {error}"))
}

/// Checks that our servers deliver every message of each scenario. Times are not evaluated.
pub(super) fn check() -> Result<(), String> {
    measure(&[servers::checked()?], 1, true).map(drop)
}

fn row(measured: &Measured, scenario: &str) -> String {
    if let Some(why) = SERVERS.iter().find_map(|server| measured.failures(scenario, server).first().copied())
    {
        return format!("failed: {why} | | | | | | |");
    }
    let figure = |server, figure| shown(measured.median(scenario, server, figure));
    let ratio = |figure| shown(measured.ratio(scenario, "ours", "node", figure));
    let mut cells = Vec::new();
    for cost in ["sent_cpu_us", "other_sent_cpu_us"] {
        cells.extend([figure("ours", cost), figure("node", cost), ratio(cost)]);
    }
    cells.extend([figure("ours", "per_s"), figure("node", "per_s")]);
    cells.join(" | ")
}

fn measure(launches: &[Launch], rounds: usize, quick: bool) -> Result<Measured, String> {
    let load = servers::load_generator()?;
    let mut measured = Measured::default();
    for _ in 0..rounds {
        for (kind, scenario) in KINDS.iter().flat_map(|kind| SCENARIOS.iter().map(move |one| (kind, one))) {
            // A server subscribes to the channel of a new room while its clients join. As with the official adapter,
            // messages of other servers are lost until then, so that this is not checked.
            if quick && *kind == "sharded" && scenario.name == "rooms-64" {
                continue;
            }
            let further = if quick { scenario.quick } else { "" };
            let time = if quick { "--warmup 0.2 --secs 0.3" } else { "--warmup 1 --secs 2" };
            let arguments: Vec<&str> =
                [scenario.load, further, time].into_iter().flat_map(str::split_whitespace).collect();
            let name = format!("{kind} {}", scenario.name);
            let mut results = Map::new();
            for (server, launch) in SERVERS.iter().zip(launches) {
                let result = pair(launch, kind, &load, &arguments)?;
                println!("{name:<24}{server:<6}{}", one_line(&result));
                if let (0, Some(why)) = (results.len(), result["error"].as_str()) {
                    return Err(format!("{name}: {why}"));
                }
                results.insert((*server).to_owned(), result);
            }
            measured.take(&json!({ "scenario": name, "results": results }));
        }
    }
    Ok(measured)
}

fn one_line(result: &Value) -> String {
    let figure = |name: &str| shown(result[name].as_f64());
    match result["error"].as_str() {
        Some(error) => format!("FAILED: {error}"),
        None => format!(
            "{:>10} µs to send, {:>10} µs to receive, {:>10} deliveries a second",
            figure("sent_cpu_us"),
            figure("other_sent_cpu_us"),
            figure("per_s")
        ),
    }
}

/// Runs the load generator against two servers of a cluster.
fn pair(launch: &Launch, kind: &str, load: &str, arguments: &[&str]) -> Result<Value, String> {
    let redis = Redis::start()?;
    let pair = match Pair::start(launch, kind, &redis.socket())? {
        Ok(pair) => pair,
        Err(why) => return Ok(json!({ "error": why })),
    };
    let output = pair.generator(load, arguments).output().map_err(|error| format!("{load}: {error}"))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{load}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Two servers of a cluster, with their ports.
pub(super) struct Pair([(Server, u16); 2]);

impl Pair {
    /// Starts the servers with the Redis server at `socket`, or returns the reason why they do not serve.
    pub(super) fn start(launch: &Launch, kind: &str, socket: &Path) -> Result<Result<Self, String>, String> {
        let mut launch = launch.clone();
        launch.environment.extend([("CLUSTER", kind.to_owned()), ("REDIS", socket.display().to_string())]);
        Self::of([&launch, &launch])
    }

    /// Starts two servers, or returns the reason why they do not serve.
    pub(super) fn of(launches: [&Launch; 2]) -> Result<Result<Self, String>, String> {
        let (first, second) = (launches[0].serve()?, launches[1].serve()?);
        Ok(first.and_then(|first| Ok(Self([first, second?]))))
    }

    /// The load generator for both servers.
    pub(super) fn generator(&self, load: &str, arguments: &[&str]) -> Command {
        let mut generator = pinned(load, "1");
        generator.args(arguments).stdin(Stdio::null());
        let options = [["--port", "--pid"], ["--other-port", "--other-pid"]];
        for ((server, port), [of_port, of_id]) in self.0.iter().zip(options) {
            generator.args([of_port, &port.to_string(), of_id, &server.id().to_string()]);
        }
        generator
    }
}
