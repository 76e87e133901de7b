//! Stuck clients of every kind, and their cost for the gateway and its other clients.

use std::fmt::Write as _;

use serde_json::Value;

use super::figures::{median, shown};
use super::launch::pinned;
use super::report::machine;
use super::slow::{self, EDGE};
use crate::paths::root;
use crate::run::Run;
use crate::tools;

const CLIENTS: &str = "1000";
const ROUNDS: &str = "3";

/// Measures the gateway, and writes its section of `benches/SLOW.md`.
pub(super) fn run() -> Result<(), String> {
    Run::cargo(&[
        "build",
        "--profile",
        "dist",
        "-p",
        "socketio-gateway",
        "-p",
        "tests",
        "--bin",
        "socketio-gateway",
        "--bin",
        "bench-slow-edge",
    ])
    .status()?;
    let program = |name: &str| tools::target().join("dist").join(name).to_string_lossy().into_owned();
    let commit = Run::new("git", &["rev-parse", "--short", "HEAD"], &root()).output().unwrap_or_default();
    let mut rows = String::new();
    for tls in ["plain", "tls"] {
        let arguments = [&program("socketio-gateway"), tls, CLIENTS, ROUNDS];
        let mut measuring = pinned(&program("bench-slow-edge"), "1");
        let output = measuring.args(arguments).stderr(std::process::Stdio::inherit()).output();
        let output = output.map_err(|error| format!("bench-slow-edge: {error}"))?;
        let result: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("bench-slow-edge: {error}"))?;
        let rounds = result["rounds"].as_array().cloned().unwrap_or_default();
        let _ = writeln!(rows, "| {tls} | {} |", row(&rounds));
    }
    print!("{rows}");
    slow::write_edge(&format!(
        "{EDGE}\n\n`cargo xtask bench --slow-edge` writes this part: {CLIENTS} clients of the gateway at once, the same \
         number of each kind, which send nothing, half of a TLS handshake, half of a head, a head or a body byte by byte; \
         which poll, or ask over WebSocket or the native protocol, for 150 KB and read nothing, or one byte after the \
         other; and which send 2,000 requests and read no answer. Each of the gateway's limits is 5 s, the longest is the \
         heartbeat's two together, 10 s. Twenty other clients have something echoed 25 times a second each. Alone and \
         beside the stuck ones in turns, A B A B, medians of {ROUNDS} rounds: the p99 of the others alone, while the stuck \
         ones come, and in the 20 s from when all are there; resident memory before, at most, and after these 20 s; \
         open descriptors likewise, and when they were back. The gateway on one core, the generators on another.\n\n\
         | | |\n| --- | --- |\n| machine | {} |\n| gateway | commit {} |\n\n\
         | port | p99 µs alone | while they come | beside them | ratio | MiB before | at most | after | descriptors before | \
         at most | after | back after s |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n{rows}",
        machine(),
        commit.trim(),
    ))
}

fn row(rounds: &[Value]) -> String {
    let of = |figure: &dyn Fn(&Value) -> Option<f64>| median(rounds.iter().filter_map(figure).collect());
    let figure = |name: &'static str| of(&move |round| round[name].as_f64());
    let count = |name| figure(name).map_or_else(String::new, |count| format!("{count:.0}"));
    let mebibytes = |name| shown(figure(name).map(|bytes| bytes / f64::from(1 << 20)));
    let ratio = of(&|round| Some(round["p99_us"].as_f64()? / round["p99_alone_us"].as_f64()?));
    [
        shown(figure("p99_alone_us")),
        shown(figure("p99_coming_us")),
        shown(figure("p99_us")),
        shown(ratio),
        mebibytes("resident"),
        mebibytes("peak"),
        mebibytes("after"),
        count("open"),
        count("peak_open"),
        count("still_open"),
        shown(figure("back_s")),
    ]
    .join(" | ")
}
