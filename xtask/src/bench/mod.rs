//! `cargo xtask bench`: whole servers side by side: ours, the peers, and the limit.
//!
//! The server runs on one core and the load generator on another. Rounds are interleaved, A B C A B C, so
//! that other load on the machine affects all servers; the main figure is the CPU time of the server's
//! process, which depends little on other load.

mod clients;
mod cores;
mod gateway;
mod growth;
mod launch;
mod plot;
mod report;
mod scenarios;
mod servers;
mod slow;
mod slow_edge;
mod storm;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use self::launch::Launch;
use self::scenarios::{SCENARIOS, Scenario};
use self::servers::Server;
use crate::{root, tools};

pub(crate) const USAGE: &str = "\
cargo xtask bench [--quick] [--rounds N] [--scenario NAMES] [--servers NAMES] [--add] [--list]
                                 whole servers beside each other, into benches/RESULTS.md; --add keeps the rounds
                                 that were measured before; --quick only prints
cargo xtask bench --growth       how cost grows with connections, receivers, rooms and size, into benches/GROWTH.md
cargo xtask bench --storm [NAMES]
                                 what servers still hold when a crowd is gone, into benches/STORM.md
cargo xtask bench --slow [NAMES] what a client that stops reading costs servers and the others, into benches/SLOW.md
cargo xtask bench --slow-edge    what clients that get stuck cost the gateway and the others, into benches/SLOW.md
cargo xtask bench --cores        our server on one core and on two, into benches/CORES.md
cargo xtask bench --gateway      the gateway beside the library alone, into benches/GATEWAY.md
cargo xtask bench --clients [ROUNDS]
                                 clients beside each other, into benches/CLIENTS.md";

/// The options of the command line.
struct Options {
    quick: bool,
    add: bool,
    rounds: usize,
    scenarios: Vec<&'static Scenario>,
    servers: Vec<&'static Server>,
}

pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        ["--list"] => {
            servers::SERVERS
                .iter()
                .for_each(|server| println!("server    {:<20}{}", server.name, server.about));
            SCENARIOS
                .iter()
                .for_each(|scenario| println!("scenario  {:<20}{}", scenario.name, scenario.load));
            Ok(())
        }
        ["--growth"] => growth::run(),
        ["--cores"] => cores::run(),
        ["--gateway"] => gateway::run(),
        ["--clients"] => clients::run(3),
        ["--clients", rounds] => clients::run(rounds.parse().map_err(|_| USAGE.to_owned())?),
        ["--storm"] => storm::run(&servers::SERVERS.iter().collect::<Vec<_>>()),
        ["--storm", names] => storm::run(&named(servers::SERVERS, names, |server| server.name)?),
        ["--slow-edge"] => slow_edge::run(),
        ["--slow"] => slow::run(&servers::SERVERS.iter().collect::<Vec<_>>()),
        ["--slow", names] => slow::run(&named(servers::SERVERS, names, |server| server.name)?),
        _ => compare(&Options::parse(arguments)?),
    }
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            quick: false,
            add: false,
            rounds: 3,
            scenarios: SCENARIOS.iter().collect(),
            servers: servers::SERVERS.iter().collect(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().copied().ok_or_else(|| USAGE.to_owned());
            match *argument {
                "--quick" => options.quick = true,
                "--add" => options.add = true,
                "--rounds" => options.rounds = value()?.parse().map_err(|_| USAGE.to_owned())?,
                "--scenario" => options.scenarios = named(SCENARIOS, value()?, |scenario| scenario.name)?,
                "--servers" => options.servers = named(servers::SERVERS, value()?, |server| server.name)?,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }
}

/// The entries of a table that a list of names selects.
fn named<T>(table: &'static [T], names: &str, name: fn(&T) -> &str) -> Result<Vec<&'static T>, String> {
    names
        .split(',')
        .map(|asked| {
            table.iter().find(|entry| name(entry) == asked).ok_or_else(|| format!("there is no {asked}"))
        })
        .collect()
}

fn compare(options: &Options) -> Result<(), String> {
    let load = servers::load_generator()?;
    let (launches, missing) = available(&options.servers);
    let mut measured = Measured::open(options.add)?;
    for (name, launch) in &launches {
        measured.version(name, &launch.version)?;
    }
    for round in 0..options.rounds {
        for scenario in &options.scenarios {
            let arguments = scenario.arguments(options.quick);
            let mut results = Map::new();
            for (name, launch) in &launches {
                let result = launch.measure(&load, &arguments)?;
                println!("{} {:<20}{name:<14}{}", round + 1, scenario.name, one_line(&result));
                results.insert((*name).to_owned(), result);
            }
            measured.round(scenario.name, &results)?;
        }
    }
    let (text, drawing) = report::write(&measured, &missing);
    if options.quick {
        println!("{text}");
        return measured.held();
    }
    let write = |name: &str, what: &str| {
        fs::write(root().join("benches").join(name), what).map_err(|error| format!("benches/{name}: {error}"))
    };
    write("RESULTS.md", &text)?;
    write("results.svg", &drawing)?;
    measured.held()
}

/// The available servers, and the names of the others.
fn available(asked: &[&'static Server]) -> (Vec<(&'static str, Launch)>, Vec<&'static str>) {
    let mut launches = Vec::new();
    let mut missing = Vec::new();
    for server in asked {
        match (server.prepare)() {
            Ok(launch) => launches.push((server.name, launch)),
            Err(why) => {
                println!("{} is not available: {why}", server.name);
                missing.push(server.name);
            }
        }
    }
    (launches, missing)
}

/// Checks that our server handles every scenario of the generator. Times are not evaluated.
pub(crate) fn check() -> Result<(), String> {
    run(&["--quick", "--rounds", "1", "--servers", "ours,limit"])
}

fn one_line(result: &Value) -> String {
    match (result["cpu_us"].as_f64(), result["per_s"].as_f64()) {
        (Some(cpu), Some(rate)) => format!("{cpu:>10.2} µs of CPU each, {rate:>10.0} a second"),
        _ => format!("FAILED: {}", result["error"].as_str().unwrap_or("no result")),
    }
}

/// All measured rounds, stored in a file to which further runs append.
#[derive(Default)]
struct Measured {
    file: PathBuf,
    versions: Vec<(String, String)>,
    rounds: Vec<Round>,
}

/// One scenario with one server.
struct Round {
    scenario: String,
    results: Map<String, Value>,
}

impl Measured {
    fn open(add: bool) -> Result<Self, String> {
        let folder = tools::target().join("bench");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut measured = Self { file: folder.join("rounds.jsonl"), ..Self::default() };
        if !add {
            let _ = fs::remove_file(&measured.file);
            return Ok(measured);
        }
        for line in fs::read_to_string(&measured.file).unwrap_or_default().lines() {
            let line: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            measured.take(&line);
        }
        Ok(measured)
    }

    fn take(&mut self, line: &Value) {
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        if let (Some(scenario), Some(results)) = (text("scenario"), line["results"].as_object()) {
            self.rounds.push(Round { scenario, results: results.clone() });
        } else if let (Some(server), Some(version)) = (text("server"), text("version")) {
            self.versions.retain(|(known, _)| *known != server);
            self.versions.push((server, version));
        }
    }

    fn version(&mut self, server: &str, version: &str) -> Result<(), String> {
        self.keep(&json!({ "server": server, "version": version }))
    }

    fn round(&mut self, scenario: &str, results: &Map<String, Value>) -> Result<(), String> {
        self.keep(&json!({ "scenario": scenario, "results": results }))
    }

    fn keep(&mut self, line: &Value) -> Result<(), String> {
        self.take(line);
        let failed = |error| format!("{}: {error}", self.file.display());
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file).map_err(failed)?;
        writeln!(file, "{line}").map_err(failed)
    }

    /// The median of a figure over the rounds of a scenario.
    fn median(&self, scenario: &str, server: &str, figure: &str) -> Option<f64> {
        median(self.of(scenario).filter_map(|round| round.results.get(server)?[figure].as_f64()).collect())
    }

    /// The median over the rounds of the ratio of a figure of two servers.
    fn ratio(&self, scenario: &str, server: &str, other: &str, figure: &str) -> Option<f64> {
        let ratio = |round: &Round| {
            Some(round.results.get(server)?[figure].as_f64()? / round.results.get(other)?[figure].as_f64()?)
        };
        median(self.of(scenario).filter_map(ratio).collect())
    }

    /// The errors of failed rounds.
    fn failures(&self, scenario: &str, server: &str) -> Vec<&str> {
        self.of(scenario).filter_map(|round| round.results.get(server)?["error"].as_str()).collect()
    }

    /// Checks that our server delivered every message in every scenario.
    fn held(&self) -> Result<(), String> {
        let failures = SCENARIOS.iter().flat_map(|scenario| {
            self.failures(scenario.name, "ours").into_iter().map(|why| format!("{}: {why}", scenario.name))
        });
        let failures: Vec<String> = failures.collect();
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    }

    fn of(&self, scenario: &str) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.scenario == scenario)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut measured = Measured::default();
        for (ours, limit) in [(2.0, 1.0), (30.0, 10.0), (8.0, 2.0)] {
            let results = json!({ "ours": { "cpu_us": ours }, "limit": { "cpu_us": limit } });
            measured.take(&json!({ "scenario": "echo", "results": results }));
        }
        assert_eq!(measured.ratio("echo", "ours", "limit", "cpu_us"), Some(3.0));
        assert_eq!(measured.median("echo", "ours", "cpu_us"), Some(8.0));
        assert_eq!(measured.median("echo", "node", "cpu_us"), None);
    }

    #[test]
    fn a_failed_round_has_no_figures() {
        let mut measured = Measured::default();
        let results = json!({ "ours": { "error": "lost" }, "limit": { "cpu_us": 1.0 } });
        measured.take(&json!({ "scenario": "echo", "results": results }));
        assert_eq!(measured.ratio("echo", "ours", "limit", "cpu_us"), None);
        assert_eq!(measured.failures("echo", "ours"), ["lost"]);
        assert!(measured.held().is_ok(), "it is no scenario of ours");
        let results = json!({ "ours": { "error": "lost" } });
        measured.take(&json!({ "scenario": "echo-32", "results": results }));
        assert_eq!(measured.held(), Err("echo-32: lost".to_owned()));
    }

    #[test]
    fn unknown_names_are_said() {
        assert!(Options::parse(&["--scenario", "echo-32,nothing"]).is_err());
        assert_eq!(Options::parse(&["--servers", "ours,limit"]).map(|options| options.servers.len()), Ok(2));
    }
}
