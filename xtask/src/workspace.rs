//! The packages of the project, as cargo sees them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::paths::root;
use crate::run::Run;

/// Packages that are workspaces of their own.
pub(crate) const APART: &[&str] = &[
    "tests/rust_socketio/Cargo.toml",
    "tests/socketioxide/Cargo.toml",
    "benches/whole/load/Cargo.toml",
    "benches/whole/limit/Cargo.toml",
    "benches/whole/peers/socketioxide/Cargo.toml",
    "benches/whole/clients/rust_socketio/Cargo.toml",
];
/// The library crates.
pub(crate) const LIBRARIES: &[&str] = &[
    "engineio",
    "socketio-parser",
    "socketio-cluster",
    "socketio-events",
    "socketio-server",
    "socketio-broker",
    "socketio-redis",
    "socketio-postgres",
    "socketio-nats",
    "socketio-ipc",
    "socketio-admin",
    "socketio-client-tokio",
];

/// The output of `cargo metadata`, dependencies included.
pub(crate) fn metadata() -> Result<Value, String> {
    read(&["metadata", "--format-version", "1", "--locked"])
}

fn read(arguments: &[&str]) -> Result<Value, String> {
    serde_json::from_str(&Run::cargo(arguments).output()?).map_err(|error| error.to_string())
}

pub(crate) fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// The packages that are published: those of the workspace without `publish = false`, in the order of their
/// names.
pub(crate) fn published(metadata: &Value) -> impl Iterator<Item = &Value> {
    packages(metadata).filter(|package| package["source"].is_null() && package["publish"].is_null())
}

pub(crate) fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}

/// All crates of the project, which are the targets of its packages: a name, and the root file. A library, or
/// the program of a package without one, is called by the package's folder, as `systems/program`; any other
/// target by its file, as `benches/parser`, or by the folder of a `main.rs`.
pub(crate) fn crates() -> Result<Vec<(String, PathBuf)>, String> {
    let metadata = ["metadata", "--format-version", "1", "--no-deps"];
    let mut crates = Vec::new();
    for manifest in std::iter::once("Cargo.toml").chain(APART.iter().copied()) {
        let metadata = read(&[&metadata[..], &["--manifest-path", manifest]].concat())?;
        let targets = packages(&metadata).flat_map(|package| package["targets"].as_array()).flatten();
        let files = targets.filter_map(|target| target["src_path"].as_str()).map(PathBuf::from);
        crates.extend(files.map(|file| (crate_name(file.strip_prefix(root()).unwrap_or(&file)), file)));
    }
    crates.sort();
    Ok(crates)
}

fn crate_name(file: &Path) -> String {
    let folder = file.parent().unwrap_or(Path::new(""));
    let is_main = file.ends_with("main.rs");
    let name = match (is_main, folder.ends_with("src")) {
        _ if file.ends_with("src/lib.rs") => folder.parent().unwrap_or(folder).to_owned(),
        (true, true) if !root().join(folder).join("lib.rs").exists() => {
            folder.parent().unwrap_or(folder).to_owned()
        }
        (true, false) => folder.to_owned(),
        _ => file.with_extension(""),
    };
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_called_by_their_folder_or_file() {
        let name = |file: &str| crate_name(Path::new(file));
        assert_eq!(name("systems/program/src/lib.rs"), "systems/program");
        assert_eq!(name("xtask/src/main.rs"), "xtask");
        assert_eq!(name("systems/x/src/bin/x/main.rs"), "systems/x/src/bin/x");
        assert_eq!(name("tests/engineio/main.rs"), "tests/engineio");
        assert_eq!(name("tests/parser/lib.rs"), "tests/parser/lib");
        assert_eq!(name("benches/parser.rs"), "benches/parser");
    }
}
