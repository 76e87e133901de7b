//! The measured servers, and how to build them. All implement the contract in `benches/whole/README.md`.

use std::fs;

use super::launch::Launch;
use crate::paths::root;
use crate::run::Run;
use crate::{test_programs, tools};

/// A server.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The colour in the plot.
    pub(super) colour: &'static str,
    pub(super) prepare: fn() -> Result<Launch, String>,
}

/// Our server first, the reference second.
pub(super) const SERVERS: &[Server] = &[
    Server { name: "ours", about: "tests/src/bin/bench-server.rs", colour: "#d1495b", prepare: ours },
    Server {
        name: "limit",
        about: "the same bytes on the wire, written by hand on tokio, with no Socket.IO behind them",
        colour: "#9aa5b1",
        prepare: limit,
    },
    Server { name: "socketioxide", about: "the main Rust peer", colour: "#edae49", prepare: socketioxide },
    Server { name: "node", about: "the official server on Node.js", colour: "#66a182", prepare: node },
    Server { name: "bun", about: "the official server on Bun", colour: "#2e4057", prepare: bun },
    Server { name: "python", about: "python-socketio on uvicorn", colour: "#8d6a9f", prepare: python },
];

/// Our server as the stage `test` has built it, for checks of what it delivers.
pub(super) const CHECKED: Server = Server { prepare: checked, ..SERVERS[0] };

const FOLDER: &str = "benches/whole";
/// The official server.
pub(super) const NODE: &str = "benches/whole/peers/node";

/// Builds the load generator and returns its path.
pub(super) fn load_generator() -> Result<String, String> {
    apart("load", "bench-load")
}

pub(super) fn ours() -> Result<Launch, String> {
    Run::cargo(&["build", "--profile", "dist", "-p", "tests", "--bin", "bench-server"]).status()?;
    built("dist")
}

pub(super) fn checked() -> Result<Launch, String> {
    test_programs::build()?;
    built("debug")
}

/// Our server, which was built into this folder.
fn built(folder: &str) -> Result<Launch, String> {
    let program = tools::target().join(folder).join("bench-server").to_string_lossy().into_owned();
    let commit = Run::new("git", &["rev-parse", "--short", "HEAD"], &root()).output().unwrap_or_default();
    // The version names the allocator, because the others use the default one of their platform.
    let allocator =
        locked(".", "tikv-jemallocator").map(|version| format!(", allocating with jemalloc {version}"));
    let version = format!("commit {}{}", commit.trim(), allocator.unwrap_or_default());
    Ok(Launch { version, ..program_of(program) })
}

fn limit() -> Result<Launch, String> {
    let version = format!("tokio {}", locked("benches/whole/limit", "tokio")?);
    Ok(Launch { version, ..program_of(apart("limit", "bench-limit")?) })
}

fn socketioxide() -> Result<Launch, String> {
    let lock = |name: &str| locked("benches/whole/peers/socketioxide", name);
    let version =
        format!("socketioxide {}, axum {}, tokio {}", lock("socketioxide")?, lock("axum")?, lock("tokio")?);
    Ok(Launch { version, ..program_of(apart("peers/socketioxide", "bench-socketioxide")?) })
}

pub(super) fn node() -> Result<Launch, String> {
    let folder = NODE;
    tools::npm_packages(folder)?;
    let version = Run::new("node", &["--version"], &root()).output()?;
    Ok(Launch {
        arguments: vec!["server.js".to_owned()],
        folder: root().join(folder),
        environment: vec![("NODE_ENV", "production".to_owned())],
        version: format!("Node.js {}, socket.io {}", version.trim(), installed(folder, "socket.io")?),
        ..program_of("node".to_owned())
    })
}

fn bun() -> Result<Launch, String> {
    let folder = format!("{FOLDER}/peers/bun");
    tools::npm_packages(&folder)?;
    let program = root().join(&folder).join("node_modules/.bin/bun").to_string_lossy().into_owned();
    let version = Run::new(&program, &["--version"], &root()).output()?;
    let of = |package: &str| installed(&folder, package);
    Ok(Launch {
        arguments: vec!["server.mjs".to_owned()],
        folder: root().join(&folder),
        environment: vec![("NODE_ENV", "production".to_owned())],
        version: format!(
            "Bun {}, socket.io {}, @socket.io/bun-engine {}",
            version.trim(),
            of("socket.io")?,
            of("@socket.io/bun-engine")?
        ),
        ..program_of(program)
    })
}

fn python() -> Result<Launch, String> {
    let folder = format!("{FOLDER}/peers/python");
    let requirements = format!("{folder}/requirements.txt");
    let program = tools::python_environment("bench-python", &requirements)?;
    let version = Run::new(&program, &["--version"], &root()).output()?;
    let pins =
        fs::read_to_string(root().join(&requirements)).map_err(|error| format!("{requirements}: {error}"))?;
    let wanted = ["python-socketio==", "uvicorn==", "uvloop=="];
    let pins: Vec<String> = pins
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
        .map(|line| line.replace("==", " "))
        .collect();
    Ok(Launch {
        arguments: vec!["server.py".to_owned()],
        folder: root().join(&folder),
        version: format!("{}, {}", version.trim(), pins.join(", ")),
        ..program_of(program)
    })
}

pub(super) fn program_of(program: String) -> Launch {
    Launch {
        program,
        arguments: Vec::new(),
        folder: root(),
        environment: Vec::new(),
        version: String::new(),
        cores: "0",
    }
}

/// Builds a package that is a workspace of its own, and returns the path of its program.
pub(super) fn apart(folder: &str, program: &str) -> Result<String, String> {
    let manifest = format!("{FOLDER}/{folder}/Cargo.toml");
    let target = tools::target().join("tools").join("bench");
    let folder = target.to_string_lossy().into_owned();
    Run::cargo(&["build", "--release", "--locked", "--manifest-path", &manifest, "--target-dir", &folder])
        .status()?;
    Ok(target.join("release").join(program).to_string_lossy().into_owned())
}

/// The locked version of a package in a Cargo.lock.
pub(super) fn locked(folder: &str, package: &str) -> Result<String, String> {
    let path = format!("{folder}/Cargo.lock");
    let lock = fs::read_to_string(root().join(&path)).map_err(|error| format!("{path}: {error}"))?;
    let name = format!("name = \"{package}\"");
    let version = lock.lines().skip_while(|line| *line != name).nth(1);
    let version = version
        .and_then(|line| line.strip_prefix("version = "))
        .ok_or_else(|| format!("{path}: no {package}"))?;
    Ok(version.trim_matches('"').to_owned())
}

/// The installed version of an npm package.
pub(super) fn installed(folder: &str, package: &str) -> Result<String, String> {
    let path = format!("{folder}/node_modules/{package}/package.json");
    let text = fs::read_to_string(root().join(&path)).map_err(|error| format!("{path}: {error}"))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    Ok(value["version"].as_str().unwrap_or_default().to_owned())
}

/// The available servers, and the names of the others.
pub(super) fn available(asked: &[&'static Server]) -> (Vec<(&'static str, Launch)>, Vec<&'static str>) {
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
