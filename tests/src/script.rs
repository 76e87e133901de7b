//! Programs that connect a third-party client to a server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Longer than any program takes. The programs have their own timeouts for every wait; this one ends programs
/// whose client is stuck.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a program that prints `ok` on success, and the error otherwise.
///
/// # Panics
///
/// When the program fails, cannot be started, or takes too long.
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

/// The target directory of cargo, in which `cargo xtask` installs its tools.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target)
}
