//! The measured rounds, and the figures taken from them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::figures::median;
use super::scenarios::SCENARIOS;
use crate::tools;

/// All measured rounds, stored in a file to which further runs append.
#[derive(Default)]
pub(super) struct Measured {
    file: PathBuf,
    pub(super) versions: Vec<(String, String)>,
    pub(super) rounds: Vec<Round>,
}

/// One scenario with one server.
pub(super) struct Round {
    scenario: String,
    pub(super) results: Map<String, Value>,
}

impl Measured {
    pub(super) fn open(add: bool) -> Result<Self, String> {
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

    /// Adds a line of the file without writing it.
    pub(super) fn take(&mut self, line: &Value) {
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        if let (Some(scenario), Some(results)) = (text("scenario"), line["results"].as_object()) {
            self.rounds.push(Round { scenario, results: results.clone() });
        } else if let (Some(server), Some(version)) = (text("server"), text("version")) {
            self.versions.retain(|(known, _)| *known != server);
            self.versions.push((server, version));
        }
    }

    pub(super) fn version(&mut self, server: &str, version: &str) -> Result<(), String> {
        self.keep(&json!({ "server": server, "version": version }))
    }

    pub(super) fn round(&mut self, scenario: &str, results: &Map<String, Value>) -> Result<(), String> {
        self.keep(&json!({ "scenario": scenario, "results": results }))
    }

    fn keep(&mut self, line: &Value) -> Result<(), String> {
        self.take(line);
        let failed = |error| format!("{}: {error}", self.file.display());
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file).map_err(failed)?;
        writeln!(file, "{line}").map_err(failed)
    }

    /// The median of a figure over the rounds of a scenario.
    pub(super) fn median(&self, scenario: &str, server: &str, figure: &str) -> Option<f64> {
        median(self.of(scenario).filter_map(|round| round.results.get(server)?[figure].as_f64()).collect())
    }

    /// The median over the rounds of the ratio of a figure of two servers. A figure of zero has none.
    pub(super) fn ratio(&self, scenario: &str, server: &str, other: &str, figure: &str) -> Option<f64> {
        let ratio = |round: &Round| {
            let ratio =
                round.results.get(server)?[figure].as_f64()? / round.results.get(other)?[figure].as_f64()?;
            Some(ratio).filter(|ratio| ratio.is_finite())
        };
        median(self.of(scenario).filter_map(ratio).collect())
    }

    /// The errors of failed rounds.
    pub(super) fn failures(&self, scenario: &str, server: &str) -> Vec<&str> {
        self.of(scenario).filter_map(|round| round.results.get(server)?["error"].as_str()).collect()
    }

    /// Checks that our server delivered every message in every scenario.
    pub(super) fn held(&self) -> Result<(), String> {
        let failures = SCENARIOS.iter().flat_map(|scenario| {
            self.failures(scenario.name, "ours").into_iter().map(|why| format!("{}: {why}", scenario.name))
        });
        let failures: Vec<String> = failures.collect();
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    }

    pub(super) fn of(&self, scenario: &str) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.scenario == scenario)
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
}
