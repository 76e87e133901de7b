//! Scripts with clients and servers of PyPI.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::script;

/// Error message when Python cannot be started.
pub const NEEDED: &str = "Python 3.11 or newer is needed";

/// Python with a script of `tests/python`, whose arguments may follow.
///
/// # Panics
///
/// When its packages are not installed.
pub fn command(script: &str) -> Command {
    command_of(&folder().join(script))
}

/// Runs a script of `tests/python`, which prints `ok` on success and the error otherwise.
///
/// # Panics
///
/// When the script fails or Python cannot be started.
pub async fn run(script: &str, arguments: &[&str]) {
    run_file(&folder().join(script), arguments).await;
}

/// Runs a script at any path, with the packages of `tests/python/requirements.txt`.
///
/// # Panics
///
/// When the script fails or Python cannot be started.
pub async fn run_file(script: &Path, arguments: &[&str]) {
    script::run(command_of(script).args(arguments), NEEDED).await;
}

/// A program of PyPI, from a separate environment that `cargo xtask test` creates.
///
/// # Panics
///
/// When it is not installed.
pub fn program(environment: &str, name: &str) -> Command {
    let program = script::target().join("tools").join(environment).join("bin").join(name);
    assert!(program.exists(), "{} is missing: `cargo xtask test test` installs it", program.display());
    Command::new(std::fs::canonicalize(&program).unwrap_or(program))
}

fn command_of(script: &Path) -> Command {
    let python = script::target().join("tools/python/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `cargo xtask test test` makes it, with the packages of tests/python/requirements.txt",
        python.display()
    );
    let mut command = Command::new(python);
    command.arg("-B").arg(script).current_dir(script.parent().unwrap_or(Path::new(".")));
    command
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
