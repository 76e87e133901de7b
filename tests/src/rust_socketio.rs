//! The program that runs crates.io's rust_socketio.

use tokio::process::Command;

use crate::script;

/// Runs `tests/rust_socketio`, which prints `ok` on success and the error otherwise.
///
/// # Panics
///
/// When the program fails, or was not built.
pub async fn run(arguments: &[&str]) {
    let program = script::target().join("tools/rust_socketio/debug/visit-with-rust-socketio");
    assert!(
        program.exists(),
        "{} is missing: `cargo xtask test test` builds it from tests/rust_socketio",
        program.display()
    );
    script::run(Command::new(program).args(arguments), "it was built for this machine").await;
}
