//! Scripts with clients and servers of npm.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::script;

/// Error message when Node.js cannot be started.
pub const NEEDED: &str = "Node.js 20 or newer is needed on the PATH";

/// Node.js with the packages of `tests/interop`; a script of that folder and its arguments follow.
///
/// # Panics
///
/// When the packages are not installed.
pub fn command() -> Command {
    command_in(&folder())
}

/// Runs a script of `tests/interop`, which prints `ok` on success and the error otherwise.
///
/// # Panics
///
/// When the script fails or Node.js cannot be started.
pub async fn run(script: &str, arguments: &[&str]) {
    let folder = folder();
    run_with(&folder, &folder.join(script), arguments).await;
}

/// Runs a script that uses the packages installed in a directory. The script must be in that directory or
/// below it.
///
/// # Panics
///
/// When the script fails or Node.js cannot be started.
pub async fn run_with(packages: &Path, script: &Path, arguments: &[&str]) {
    script::run(command_in(packages).arg(script).args(arguments), NEEDED).await;
}

fn command_in(packages: &Path) -> Command {
    assert!(
        packages.join("node_modules").is_dir(),
        "the npm packages are missing: run `npm ci` in {}, or `cargo xtask test`, which does",
        packages.display()
    );
    let mut node = Command::new("node");
    node.current_dir(packages);
    node
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}
