//! Memory that a server retains after many clients: its size before they connect and after they disconnect.

use std::fmt::Write as _;
use std::fs;

use super::report::machine;
use super::servers::{Server, available};
use crate::paths::root;

const LOAD: &str = "storm --conns 10000 --loud 500 --size 990000 --rest 20";

/// Measures these servers, and writes `benches/STORM.md`.
pub(super) fn run(asked: &[&'static Server]) -> Result<(), String> {
    let load = super::servers::load_generator()?;
    let arguments: Vec<&str> = LOAD.split_whitespace().collect();
    let mut text = format!(
        "# What a crowd leaves behind\n\n`cargo xtask bench --storm` writes this file: 10,000 clients connect, 500 of them \
         have 990 kB echoed at the same time, then all of them go (`{LOAD}`). Resident memory of the server in MB: with \
         one client, with all, at most, and 20 seconds after the last has gone.\n\n| | |\n| --- | --- |\n| machine | {} \
         |\n\n| server | fresh | connected | at most | rested | version |\n| --- | ---: | ---: | ---: | ---: | --- |\n",
        machine()
    );
    for (name, launch) in available(asked).0 {
        let result = launch.measure(&load, &arguments)?;
        let figure = |name: &str| result[name].as_f64().map(|bytes| format!("{:.1}", bytes / 1e6));
        let figures: Option<Vec<String>> =
            ["fresh", "connected", "peak", "rested"].iter().map(|name| figure(name)).collect();
        let row = match figures {
            Some(figures) => figures.join(" | "),
            None => format!("failed: {} | | | ", result["error"].as_str().unwrap_or("no result")),
        };
        println!("{name:<14}{row}");
        let _ = writeln!(text, "| {name} | {row} | {} |", launch.version);
    }
    fs::write(root().join("benches/STORM.md"), text).map_err(|error| format!("benches/STORM.md: {error}"))
}
