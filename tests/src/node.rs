//! Scripts that run clients of npm.

use std::path::Path;

use tokio::process::Command;

use crate::script;

/// Runs a script of `tests/interop`, which prints `ok` when all is well and what is wrong otherwise.
///
/// # Panics
///
/// When something is wrong, Node.js included.
pub async fn run(script: &str, arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    run_with(&folder, &folder.join(script), arguments).await;
}

/// Runs a script that uses the packages installed in a folder. It lies in that folder or below it.
///
/// # Panics
///
/// When something is wrong, Node.js included.
pub async fn run_with(packages: &Path, script: &Path, arguments: &[&str]) {
    assert!(
        packages.join("node_modules").is_dir(),
        "the npm packages are missing: run `npm ci` in {}, or `cargo xtask test`, which does",
        packages.display()
    );
    let mut node = Command::new("node");
    node.arg(script).args(arguments).current_dir(packages);
    script::run(&mut node, "Node.js 20 or newer is needed on the PATH").await;
}
