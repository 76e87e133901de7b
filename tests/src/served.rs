//! Programs that print the address on which they listen.

use tokio::process::{Child, Command};

use crate::program::Program;

/// Starts a program that prints `listening on URL` in its first line. It is killed when it is dropped.
///
/// # Panics
///
/// When the program prints something else.
pub async fn start(program: &mut Command) -> (Child, String) {
    let mut program = Program::start(program, "it can be started");
    let line = program.line().await;
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
    (program.ignore_output(), url)
}
