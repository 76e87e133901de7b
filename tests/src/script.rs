//! Programs that visit a server with a client that is not ours.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Longer than any of them takes. They have time limits of their own for everything that they wait for; this one
/// ends those that are stuck in a client.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a program that prints `ok` when all is well, and what is wrong otherwise.
///
/// # Panics
///
/// When something is wrong, the program cannot be started, or it takes too long.
pub async fn run(command: &mut Command, needed: &str) {
    let shown = format!("{:?}", command.as_std());
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, running)
        .await
        .unwrap_or_else(|_| panic!("{shown}: not done after {LIMIT:?}"))
        .unwrap_or_else(|error| panic!("{needed}: {error}"));
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim() == "ok", "{shown}: {said}{wrong}");
}

/// Where cargo builds, and `cargo xtask` keeps what it installs.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target)
}
