//! The server on crates.io's socketioxide.

use tokio::process::Command;

use crate::script;

/// Error message when the server cannot be started.
pub const NEEDED: &str = "it was built for this machine";

/// The server; its arguments follow.
///
/// # Panics
///
/// When it was not built.
pub fn command() -> Command {
    let program = script::target().join("tools/socketioxide/debug/socketioxide-server");
    assert!(
        program.exists(),
        "{} is missing: `cargo xtask test test` builds it from tests/socketioxide",
        program.display()
    );
    Command::new(program)
}
