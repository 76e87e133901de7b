//! `cargo xtask bench`: whole servers side by side: ours, the peers, and the limit.
//!
//! The server runs on one core and the load generator on another. Rounds are interleaved, A B C A B C, so
//! that other load on the machine affects all servers; the main figure is the CPU time of the server's
//! process, which depends little on other load.

mod brokers;
mod clients;
mod cluster;
mod cores;
mod faults;
mod figures;
mod gateway;
mod growth;
mod launch;
mod measured;
mod peers;
mod plot;
mod redis;
mod report;
mod scenarios;
mod servers;
mod slow;
mod slow_edge;
mod storm;

use std::fs;

use serde_json::Map;

use self::figures::one_line;
use self::measured::Measured;
use self::scenarios::{SCENARIOS, Scenario};
use self::servers::{Server, available};
use crate::paths::root;

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
cargo xtask bench --peers        requests at a server that does not have their session, into benches/PEERS.md
cargo xtask bench --brokers      what a message costs Redis and NATS, into benches/BROKERS.md
cargo xtask bench --cluster      two servers on one Redis server, beside the official ones, into benches/CLUSTER.md
cargo xtask bench --faults       the same while the Redis server fails, into benches/FAULTS.md
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
        ["--cluster"] => cluster::run(),
        ["--peers"] => peers::run(),
        ["--brokers"] => brokers::run(),
        ["--faults"] => faults::run(),
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

/// Checks that our server handles every scenario of the generator. Times are not evaluated.
pub(crate) fn check() -> Result<(), String> {
    let mut options = Options::parse(&["--quick", "--rounds", "1", "--servers", "limit"])?;
    options.servers.insert(0, &servers::CHECKED);
    compare(&options)?;
    cluster::check()?;
    peers::check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_reported() {
        assert!(Options::parse(&["--scenario", "echo-32,nothing"]).is_err());
        assert_eq!(Options::parse(&["--servers", "ours,limit"]).map(|options| options.servers.len()), Ok(2));
    }
}
