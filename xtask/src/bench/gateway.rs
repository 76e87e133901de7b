//! The gateway compared with the library alone, with the same messages on the wire.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Map, json};

use super::figures::{one_line, shown};
use super::launch::Launch;
use super::measured::Measured;
use super::report::machine;
use super::servers;
use crate::paths::root;
use crate::run::Run;
use crate::tools;

/// Number of rounds per scenario.
const ROUNDS: usize = 5;

/// Names, and the arguments of the load generator.
const SCENARIOS: &[(&str, &str)] = &[
    ("echo-32", "echo --size 32 --window 8"),
    ("echo-32-w1", "echo --size 32 --window 1"),
    ("echo-1k-json", "echo --kind json --size 1024 --window 8"),
    ("rooms-64", "rooms --size 64 --rooms 100 --per-room 10 --window 4"),
    ("rooms-64-100", "rooms --size 64 --rooms 10 --per-room 100 --window 4"),
    ("connect", "idle --conns 10000 --settle 1"),
];

/// Measures all scenarios, and writes `benches/GATEWAY.md`.
pub(super) fn run() -> Result<(), String> {
    let load = servers::load_generator()?;
    let library = Launch { environment: vec![("EVENTS", "gateway".to_owned())], ..servers::ours()? };
    let gateway = gateway()?;
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        for (scenario, arguments) in SCENARIOS {
            let arguments: Vec<&str> = [*arguments, "--events gateway --warmup 0.5 --secs 1.2"]
                .into_iter()
                .flat_map(str::split_whitespace)
                .collect();
            let mut results = Map::new();
            for (name, launch) in [("library", &library), ("gateway", &gateway)] {
                let result = launch.measure(&load, &arguments)?;
                println!("{scenario:<20}{name:<10}{}", one_line(&result));
                results.insert(name.to_owned(), result);
            }
            measured.take(&json!({ "scenario": scenario, "results": results }));
        }
    }
    let mut text = format!(
        "# The gateway and the library\n\n`cargo xtask bench --gateway` writes this file: the gateway with its default \
         settings, and a server of the library alone ([bench-server](../tests/src/bin/bench-server.rs) with \
         `EVENTS=gateway`) that sends the same messages byte for byte. The server on one core, the load generator on \
         another, medians of {ROUNDS} interleaved rounds; ratios are taken within a round.\n\n| | |\n| --- | --- |\n\
         | both | {} |\n| machine | {} |\n\n\
         | scenario | CPU µs, library | gateway | gateway / library | a second, library | gateway | bytes a connection, library | gateway |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        library.version,
        machine()
    );
    for (scenario, _) in SCENARIOS {
        if let Some(why) = measured.failures(scenario, "gateway").first() {
            return Err(format!("{scenario}: {why}"));
        }
        let figure = |server, figure| shown(measured.median(scenario, server, figure));
        let _ = writeln!(
            text,
            "| {scenario} | {} | {} | {} | {} | {} | {} | {} |",
            figure("library", "cpu_us"),
            figure("gateway", "cpu_us"),
            shown(measured.ratio(scenario, "gateway", "library", "cpu_us")),
            figure("library", "per_s"),
            figure("gateway", "per_s"),
            figure("library", "bytes_each"),
            figure("gateway", "bytes_each"),
        );
    }
    fs::write(root().join("benches/GATEWAY.md"), text).map_err(|error| format!("benches/GATEWAY.md: {error}"))
}

/// The released program with its default settings.
fn gateway() -> Result<Launch, String> {
    Run::cargo(&["build", "--profile", "dist", "-p", "socketio-gateway", "--bin", "socketio-gateway"])
        .status()?;
    let program = tools::target().join("dist").join("socketio-gateway").to_string_lossy().into_owned();
    Ok(Launch { arguments: vec!["serve".to_owned()], ..servers::program_of(program) })
}
