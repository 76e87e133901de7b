//! Cost of one client that stops reading, for the server and the other clients.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::figures::{median, shown};
use super::report::machine;
use super::servers::{Server, available};
use crate::paths::root;

const LOAD: &str = "slow --conns 20 --size 1024 --window 4 --total 100000";
const FILE: &str = "benches/SLOW.md";
/// Heading of the section about the gateway.
pub(super) const EDGE: &str = "## Clients that get stuck";
/// Number of rounds per server.
const ROUNDS: usize = 3;

/// Measures these servers, and writes `benches/SLOW.md`.
pub(super) fn run(asked: &[&'static Server]) -> Result<(), String> {
    let load = super::servers::load_generator()?;
    let arguments: Vec<&str> = LOAD.split_whitespace().collect();
    let (launches, _) = available(asked);
    let mut results: Vec<Vec<Value>> = vec![Vec::new(); launches.len()];
    for _ in 0..ROUNDS {
        for ((name, launch), results) in launches.iter().zip(&mut results) {
            let result = launch.measure(&load, &arguments)?;
            println!("{name:<14}{result}");
            results.push(result);
        }
    }
    let mut text = format!(
        "# A client that stops reading\n\n`cargo xtask bench --slow` writes this file: 21 clients receive broadcasts of 1 KiB, \
         four under way. One of them stops reading, and 100,000 more broadcasts are made, which is 100 MiB for it \
         (`{LOAD}`). Then it reads again. The server on one core, the generator on another, medians of {ROUNDS} \
         interleaved rounds; memory in MiB beside what the server had while all clients read, at most and a second after the \
         end; latencies are those of the 20 others.\n\n| | |\n| --- | --- |\n| machine | {} |\n\n\
         | server | CPU µs a broadcast | a second | p99 µs before | p99 µs | grew by | kept | the one got | its end | version |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |\n",
        machine()
    );
    for ((name, launch), results) in launches.iter().zip(&results) {
        let _ = writeln!(text, "| {name} | {} | {} |", row(results), launch.version);
    }
    let edge = parts()?.1;
    write(&format!("{text}{edge}"))
}

/// Writes the section about the gateway, and leaves the rest unchanged.
pub(super) fn write_edge(edge: &str) -> Result<(), String> {
    let first = parts()?.0;
    write(&format!("{}\n\n{edge}", first.trim_end()))
}

/// The section of the file about one slow client of several servers, and the section about the gateway with a
/// blank line before it.
fn parts() -> Result<(String, String), String> {
    let text = fs::read_to_string(root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    Ok(match text.find(&format!("\n{EDGE}")) {
        Some(at) => (text[..at].to_owned(), text[at..].to_owned()),
        None => (text, String::new()),
    })
}

fn write(text: &str) -> Result<(), String> {
    fs::write(root().join(FILE), text).map_err(|error| format!("{FILE}: {error}"))
}

fn row(results: &[Value]) -> String {
    if let Some(why) = results.iter().find_map(|result| result["error"].as_str()) {
        return format!("failed: {why} | | | | | | |");
    }
    let figure = |name: &str| median(results.iter().filter_map(|result| result[name].as_f64()).collect());
    let mebibytes = |name: &str| shown(figure(name).map(|bytes| bytes / f64::from(1 << 20)));
    let got = figure("got").map_or_else(String::new, |got| format!("{got:.0}"));
    let ends = results.iter().map(|result| result["ended"].as_str().unwrap_or("none"));
    let mut ends: Vec<&str> = ends.collect();
    ends.sort_unstable();
    ends.dedup();
    [
        shown(figure("cpu_us")),
        shown(figure("per_s")),
        shown(figure("p99_before_us")),
        shown(figure("p99_us")),
        mebibytes("growth"),
        mebibytes("kept"),
        got,
        ends.join(", "),
    ]
    .join(" | ")
}
