//! Our server on one core and on two.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Map, json};

use super::figures::{one_line, shown};
use super::launch::Launch;
use super::measured::Measured;
use super::report::machine;
use super::scenarios::SCENARIOS;
use super::servers;
use crate::paths::root;

/// Number of rounds per scenario.
const ROUNDS: usize = 3;

/// Measures all scenarios, and writes `benches/CORES.md`.
pub(super) fn run() -> Result<(), String> {
    let load = servers::load_generator()?;
    let one = servers::ours()?;
    let two = Launch { cores: "0,1", ..servers::ours()? };
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        for scenario in SCENARIOS {
            let arguments = scenario.arguments(false);
            let mut results = Map::new();
            for (name, launch) in [("one", &one), ("two", &two)] {
                let result = launch.measure(&load, &arguments)?;
                println!("{:<20}{name:<5}{}", scenario.name, one_line(&result));
                results.insert(name.to_owned(), result);
            }
            measured.take(&json!({ "scenario": scenario.name, "results": results }));
        }
    }
    let mut text = format!(
        "# One core and two\n\n`cargo xtask bench --cores` writes this file: our server on one core, and on two, the \
         second of which it shares with the load generator. On one core it is a runtime of one thread, on two one of two \
         workers. Medians of {ROUNDS} interleaved rounds; the ratio of the rates is taken within a round.\n\n| | |\n\
         | --- | --- |\n| ours | {} |\n| machine | {} |\n\n\
         | scenario | a second, one core | two | two / one | CPU µs, one core | two |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
        one.version,
        machine()
    );
    for scenario in SCENARIOS {
        let figure = |server, figure| shown(measured.median(scenario.name, server, figure));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            scenario.name,
            figure("one", "per_s"),
            figure("two", "per_s"),
            shown(measured.ratio(scenario.name, "two", "one", "per_s")),
            figure("one", "cpu_us"),
            figure("two", "cpu_us"),
        );
    }
    fs::write(root().join("benches/CORES.md"), text).map_err(|error| format!("benches/CORES.md: {error}"))
}
