//! `cargo xtask bench --peers`: two servers that share their sessions, and what a request at the other server costs.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Map, Value, json};

use super::cluster::Pair;
use super::figures::shown;
use super::launch::Launch;
use super::measured::Measured;
use super::report::machine;
use super::servers;
use crate::paths::root;
use crate::tools;

/// Number of rounds per scenario.
const ROUNDS: usize = 5;

/// The server at which the requests of the clients arrive, as the load generator names it.
const PLACES: &[(&str, &str)] = &[
    ("owner", "all at the server with the session"),
    ("post", "POSTs at the other server"),
    ("other", "all at the other server"),
];

/// The load, and what it is.
const SCENARIOS: &[(&str, &str, &str)] = &[
    ("polling-32", "polling --conns 100 --size 32", "an echo of 32 bytes over polling, 100 clients"),
    (
        "polling-32 alone",
        "polling --conns 1 --size 32",
        "the same, one client: the latency of a machine with nothing to do",
    ),
    ("polling-32 × 16", "polling --conns 100 --size 32 --per-post 16", "16 echoes in a POST"),
];

/// Measures all scenarios, and writes `benches/PEERS.md`.
pub(super) fn run() -> Result<(), String> {
    let ours = servers::ours()?;
    let measured = measure(&ours, ROUNDS, "--warmup 1 --secs 2")?;
    let mut text = format!(
        "# Two servers that share their sessions\n\n`cargo xtask bench --peers` writes this file: two processes of \
         [bench-server](../tests/src/bin/bench-server.rs) with `TcpPeers` over Unix sockets, on one core; the load \
         generator has another. An echo is a message in a POST, and its answer in a GET. CPU µs of both servers \
         together for an echo, and its latency; medians of {ROUNDS} interleaved rounds, ratios are taken within a \
         round.\n\n| | |\n| --- | --- |\n| ours | {} |\n| machine | {} |\n",
        ours.version,
        machine()
    );
    for (name, load, about) in SCENARIOS {
        let _ = write!(
            text,
            "\n## {name}\n\n{about} (`{load}`).\n\n| requests | CPU µs | × at the owner | p50 µs | p99 µs |\n\
             | --- | ---: | ---: | ---: | ---: |\n"
        );
        for (place, where_to) in PLACES {
            let figure = |figure| shown(measured.median(name, place, figure));
            let ratio = shown(measured.ratio(name, place, "owner", "both_cpu_us"));
            let _ = writeln!(
                text,
                "| {where_to} | {} | {ratio} | {} | {} |",
                figure("both_cpu_us"),
                figure("p50_us"),
                figure("p99_us")
            );
        }
    }
    fs::write(root().join("benches/PEERS.md"), text).map_err(|error| format!("benches/PEERS.md: {error}"))
}

/// Checks that every echo arrives, wherever the requests go. Times are not evaluated.
pub(super) fn check() -> Result<(), String> {
    measure(&servers::checked()?, 1, "--warmup 0.2 --secs 0.3").map(drop)
}

fn measure(launch: &Launch, rounds: usize, time: &str) -> Result<Measured, String> {
    let load = servers::load_generator()?;
    let mut measured = Measured::default();
    for _ in 0..rounds {
        for (name, scenario, _) in SCENARIOS {
            let mut results = Map::new();
            for (place, _) in PLACES {
                let arguments = format!("{scenario} --at {place} {time}");
                let result = pair(launch, &load, &arguments.split_whitespace().collect::<Vec<_>>())?;
                if let Some(why) = result["error"].as_str() {
                    return Err(format!("{name}, {place}: {why}"));
                }
                let figure = |name: &str| shown(result[name].as_f64());
                println!(
                    "{name:<18}{place:<7}{:>8} µs, p50 {:>8} µs",
                    figure("both_cpu_us"),
                    figure("p50_us")
                );
                results.insert((*place).to_owned(), result);
            }
            measured.take(&json!({ "scenario": name, "results": results }));
        }
    }
    Ok(measured)
}

/// Runs the load generator against two servers.
fn pair(launch: &Launch, load: &str, arguments: &[&str]) -> Result<Value, String> {
    let folder = tools::target().join("bench").join("peers");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let node = |number: &str| {
        let mut launch = launch.clone();
        launch.environment.extend([("PEERS", folder.display().to_string()), ("NODE", number.to_owned())]);
        launch
    };
    let pair = match Pair::of([&node("0"), &node("1")])? {
        Ok(pair) => pair,
        Err(why) => return Ok(json!({ "error": why })),
    };
    let output = pair.generator(load, arguments).output().map_err(|error| format!("{load}: {error}"))?;
    let mut result: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{load}: {error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    if let (Some(one), Some(other)) = (result["cpu_us"].as_f64(), result["other_cpu_us"].as_f64()) {
        result["both_cpu_us"] = json!(one + other);
    }
    Ok(result)
}
