//! The report: the summary, a table per scenario, and the machine.

use std::fmt::Write as _;
use std::fs;

use super::figures::shown;
use super::measured::Measured;
use super::plot;
use super::scenarios::{SCENARIOS, Scenario};
use super::servers::SERVERS;
use crate::paths::root;
use crate::run::Run;

/// The server to which all figures are relative.
const LIMIT: &str = "limit";
const OURS: &str = "ours";

/// The document and its plot.
pub(super) fn write(measured: &Measured, missing: &[&str]) -> (String, String) {
    let scenarios: Vec<&Scenario> =
        SCENARIOS.iter().filter(|scenario| measured.of(scenario.name).next().is_some()).collect();
    let servers: Vec<&str> = SERVERS
        .iter()
        .map(|server| server.name)
        .filter(|name| measured.rounds.iter().any(|round| round.results.contains_key(*name)))
        .collect();
    let mut text = String::from(INTRODUCTION);
    environment(&mut text, measured, &servers, missing);
    summary(&mut text, measured, &scenarios, &servers);
    text.push_str("\n![CPU time as a multiple of the limit](results.svg)\n");
    slower(&mut text, measured, &scenarios, &servers);
    for scenario in &scenarios {
        details(&mut text, measured, scenario, &servers);
    }
    (text, plot::draw(measured, &scenarios, &servers))
}

const INTRODUCTION: &str = "\
# Whole servers beside each other

`cargo xtask bench` writes this file. Each server is the program that its own documentation suggests, under the
contract in [whole/README.md](whole/README.md); ours is [bench-server](../tests/src/bin/bench-server.rs), without
private doors. The server runs on one core and the load generator on another, over loopback. Rounds are interleaved and
each begins with a fresh process; figures are medians over the rounds, and ratios are taken within a round. Every
delivery is compared byte for byte.

What counts is the CPU time of the server's process for each round trip, delivery or connection. Rates and latencies are
those of a closed loop: clients send as soon as they are answered. `limit` writes the same bytes by hand, with no
Socket.IO behind them: the distance to it is what a server's logic costs.
";

fn environment(text: &mut String, measured: &Measured, servers: &[&str], missing: &[&str]) {
    text.push_str("\n| | |\n| --- | --- |\n");
    for (name, version) in measured.versions.iter().filter(|(name, _)| servers.contains(&name.as_str())) {
        let about = SERVERS.iter().find(|server| server.name == name).map_or("", |server| server.about);
        let _ = writeln!(text, "| {name} | {about}: {version} |");
    }
    for name in missing {
        let _ = writeln!(text, "| {name} | could not be had on this machine |");
    }
    let rounds =
        SCENARIOS.iter().map(|scenario| measured.of(scenario.name).count()).filter(|rounds| *rounds > 0);
    let (least, most) =
        rounds.fold((usize::MAX, 0), |(least, most), rounds| (least.min(rounds), most.max(rounds)));
    let rounds = if least < most { format!("{least} to {most}") } else { most.to_string() };
    let _ = writeln!(text, "| machine | {} |\n| rounds | {rounds} |", machine());
}

/// A description of the machine.
pub(super) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = Run::new("rustc", &["--version"], &root()).output().unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}, {}", kernel.trim(), rustc.trim())
}

fn summary(text: &mut String, measured: &Measured, scenarios: &[&Scenario], servers: &[&str]) {
    text.push_str(
        "\n## CPU time\n\nMicroseconds for each unit, and in brackets the multiple of the limit.\n\n",
    );
    let _ = writeln!(text, "| scenario | unit | {} |", servers.join(" | "));
    let _ = writeln!(text, "| --- | --- |{}", " ---: |".repeat(servers.len()));
    for scenario in scenarios {
        let cells = servers.iter().map(|server| {
            let cpu = shown(measured.median(scenario.name, server, "cpu_us"));
            match measured.ratio(scenario.name, server, LIMIT, "cpu_us") {
                Some(ratio) if *server != LIMIT => format!("{cpu} ({})", shown(Some(ratio))),
                _ => cpu,
            }
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {} | {} | {} |", scenario.name, scenario.unit, cells.join(" | "));
    }
}

/// The section about scenarios in which our server is slower.
fn slower(text: &mut String, measured: &Measured, scenarios: &[&Scenario], servers: &[&str]) {
    text.push_str("\n## Where ours costs more than a peer\n\n");
    let before = text.len();
    for scenario in scenarios {
        for peer in servers.iter().filter(|server| ![OURS, LIMIT].contains(server)) {
            for (figure, what) in
                [("cpu_us", "CPU time"), ("p99_us", "p99 latency"), ("bytes_each", "memory")]
            {
                if let Some(ratio) =
                    measured.ratio(scenario.name, OURS, peer, figure).filter(|ratio| *ratio > 1.0)
                {
                    let _ = writeln!(text, "- {}: {ratio:.2} times the {what} of {peer}", scenario.name);
                }
            }
        }
        for failure in measured.failures(scenario.name, OURS) {
            let _ = writeln!(text, "- {}: a round failed: {failure}", scenario.name);
        }
    }
    if text.len() == before {
        text.push_str("Nowhere in this run.\n");
    }
}

fn details(text: &mut String, measured: &Measured, scenario: &Scenario, servers: &[&str]) {
    let _ = writeln!(text, "\n## {}\n\n{} (`{}`).\n", scenario.name, capital(scenario.about), scenario.load);
    let connecting = scenario.unit == "connection";
    let columns: &[(&str, &str)] = if connecting {
        &[
            ("cpu_us", "CPU µs"),
            ("user_us", "user"),
            ("system_us", "system"),
            ("per_s", "a second"),
            ("bytes_each", "bytes each"),
        ]
    } else {
        &[
            ("cpu_us", "CPU µs"),
            ("user_us", "user"),
            ("system_us", "system"),
            ("per_s", "a second"),
            ("p50_us", "p50 µs"),
            ("p99_us", "p99 µs"),
            ("overtaken_pct", "overtaken %"),
            ("server_busy", "server busy"),
        ]
    };
    let heads: Vec<&str> = columns.iter().map(|(_, head)| *head).collect();
    let _ = writeln!(text, "| server | × limit | {} |", heads.join(" | "));
    let _ = writeln!(text, "| --- | ---: |{}", " ---: |".repeat(columns.len()));
    for server in servers {
        let failed = measured.failures(scenario.name, server);
        let name = match failed.first() {
            Some(why) => format!("{server} ({} failed: {why})", failed.len()),
            None => (*server).to_owned(),
        };
        let ratio = shown(measured.ratio(scenario.name, server, LIMIT, "cpu_us"));
        let cells = columns.iter().map(|(figure, _)| shown(measured.median(scenario.name, server, figure)));
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "| {name} | {ratio} | {} |", cells.join(" | "));
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
